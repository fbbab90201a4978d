// The table of routes as an app: every path, every method, and one answer for everything that goes wrong.

import { randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { RecorderError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Adapter } from './adapter.ts';
import { type GuardParts, type Route, createGuard } from './guard.ts';
import { refusalFor } from './problem.ts';
import type { Reply } from './reply.ts';
import { sendAndDrain } from './send.ts';

export interface App {
  /** What is asked for by its whole path, as reports are, needs no router and no Response; null for all else. Never rejects. */
  answer(asked: HttpBindings): Reply | Promise<Reply> | null;
  /** For all else. */
  adapter(): Promise<Adapter>;
}

export interface AppParts extends GuardParts {
  routes: readonly Route[];
  log: Log;
}

export function createApp({ routes, log, ...door }: AppParts): App {
  const guard = createGuard(door);
  const guarded = routes.map((route) => ({ method: route.method, path: route.path, guarded: guard(route) }));
  const whole = new Map(guarded.filter(({ path }) => !path.includes(':')).map((each) => [`${each.method} ${each.path}`, each.guarded]));
  const methodsOf = createMethodsOf(routes);
  let adapter: Promise<Adapter> | null = null;

  function notFound(path: string): Reply {
    const methods = methodsOf(path);
    const error =
      methods.length === 0
        ? new RecorderError('not_found', 'there is no such path')
        : new RecorderError('method_not_allowed', `this path takes ${methods.join(' or ')}`, { methods });
    return refusalFor(error);
  }

  function failed(error: unknown, asked: HttpBindings, path: string): Reply {
    const requestId = randomUUID();
    const refusal = refusalFor(error, requestId);
    if (!(error instanceof RecorderError)) {
      const { stack = String(error) } = error as Partial<Error>;
      log.error('a request failed', { request_id: requestId, method: asked.incoming.method, path, error: stack });
    }
    // A body that is too large or too slow is answered while it is still coming, and the connection ends with it.
    const isUnread = error instanceof RecorderError && ['body_too_large', 'request_timeout'].includes(error.code);
    return isUnread ? sendAndDrain(asked.incoming, asked.outgoing, refusal) : refusal;
  }

  return {
    answer(asked) {
      const { method = '', url = '' } = asked.incoming;
      const handle = whole.get(`${method} ${url}`);
      if (!handle) return null;
      try {
        const answered = handle(asked, url, () => '');
        return answered instanceof Promise ? answered.catch((error: unknown) => failed(error, asked, url)) : answered;
      } catch (error) {
        return failed(error, asked, url);
      }
    },
    adapter: async () =>
      (adapter ??= import('./adapter.ts').then(({ createAdapter }) => createAdapter({ routes: guarded, notFound, failed }))),
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
