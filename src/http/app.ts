// The table of routes as a hono app: every path, every method, and one answer for everything that goes wrong.

import { randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { RecorderError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type GuardParts, type Route, createGuard } from './guard.ts';
import { type Refusal, refusalFor } from './problem.ts';
import { sendAndDrain } from './send.ts';

type Env = { Bindings: HttpBindings };
export type App = Hono<Env>;

export interface AppParts extends GuardParts {
  routes: readonly Route[];
  log: Log;
}

export function createApp({ routes, log, ...door }: AppParts): App {
  const app = new Hono<Env>();
  const guard = createGuard(door);
  for (const route of routes) app.on(route.method, route.path, guard(route));

  const methodsOf = createMethodsOf(routes);
  app.notFound((c) => {
    const methods = methodsOf(c.req.path);
    const error =
      methods.length === 0
        ? new RecorderError('not_found', 'there is no such path')
        : new RecorderError('method_not_allowed', `this path takes ${methods.join(' or ')}`, { methods });
    return answer(c, refusalFor(error));
  });

  app.onError((error, c) => {
    const requestId = randomUUID();
    const refusal = refusalFor(error, requestId);
    if (!(error instanceof RecorderError)) {
      log.error('a request failed', { request_id: requestId, method: c.req.method, path: c.req.path, error: error.stack ?? String(error) });
    }
    return answer(c, refusal, error instanceof RecorderError && error.code === 'body_too_large');
  });
  return app;
}

/** Too large a body is answered while it is still coming, and the connection ends with it. */
function answer(c: Context<Env>, refusal: Refusal, endsConnection = false): Response {
  if (!endsConnection) return new Response(refusal.body, { status: refusal.status, headers: refusal.headers });
  return sendAndDrain(c.env.incoming, c.env.outgoing, refusal);
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
