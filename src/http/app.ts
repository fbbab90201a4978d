// The table of routes as an app: every path, every method, and one answer for everything that goes wrong.

import { randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { RecorderError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type GuardParts, type Guarded, type Route, createGuard } from './guard.ts';
import { refusalFor } from './problem.ts';
import { type Reply, responseOf } from './reply.ts';
import { sendAndDrain } from './send.ts';

export interface App {
  /** What is asked for by its whole path, as reports are, needs no router and no Response; null for all else. Never rejects. */
  answer(asked: HttpBindings): Reply | Promise<Reply> | null;
  /** All else. Never rejects. */
  fetch(request: Request, asked: HttpBindings): Response | Promise<Response>;
}

export interface AppParts extends GuardParts {
  routes: readonly Route[];
  log: Log;
}

export function createApp({ routes, log, ...door }: AppParts): App {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const guard = createGuard(door);
  const whole = new Map<string, Guarded>();
  for (const route of routes) {
    const guarded = guard(route);
    app.on(route.method, route.path, async (c) => responseOf(await guarded(c.env, c.req.path, (name) => c.req.param(name) ?? '')));
    if (!route.path.includes(':')) whole.set(`${route.method} ${route.path}`, guarded);
  }

  const methodsOf = createMethodsOf(routes);
  app.notFound((c) => {
    const methods = methodsOf(c.req.path);
    const error =
      methods.length === 0
        ? new RecorderError('not_found', 'there is no such path')
        : new RecorderError('method_not_allowed', `this path takes ${methods.join(' or ')}`, { methods });
    return responseOf(refusalFor(error));
  });
  app.onError((error, c) => responseOf(fail(error, c.env, c.req.path)));

  function fail(error: unknown, asked: HttpBindings, path: string): Reply {
    const requestId = randomUUID();
    const refusal = refusalFor(error, requestId);
    if (!(error instanceof RecorderError)) {
      const { stack = String(error) } = error as Partial<Error>;
      log.error('a request failed', { request_id: requestId, method: asked.incoming.method, path, error: stack });
    }
    // Too large a body is answered while it is still coming, and the connection ends with it.
    const isTooLarge = error instanceof RecorderError && error.code === 'body_too_large';
    return isTooLarge ? sendAndDrain(asked.incoming, asked.outgoing, refusal) : refusal;
  }

  return {
    answer(asked) {
      const { method = '', url = '' } = asked.incoming;
      const guarded = whole.get(`${method} ${url}`);
      if (!guarded) return null;
      try {
        const answered = guarded(asked, url, () => '');
        return answered instanceof Promise ? answered.catch((error: unknown) => fail(error, asked, url)) : answered;
      } catch (error) {
        return fail(error, asked, url);
      }
    },
    fetch: (request, asked) => app.fetch(request, asked),
  };
}

/** The methods that a path takes, read off the table. */
function createMethodsOf(routes: readonly Route[]): (path: string) => string[] {
  const table = routes.map(({ method, path }) => ({ method, pattern: patternOf(path) }));
  return (path) => {
    const methods = table.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
    return methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  };
}

/** `/a/:id{regexp}/b` as a regular expression. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/:\w+\{((?:[^{}]|\{[^{}]*\})*)\}/g, '(?:$1)')}$`);
}
