// What is not asked for by its whole path, or is answered before its body was read: through hono, and its adapter to node.
// Loaded when the first of it comes: the standard's Request and Response, on which both stand, cost a start a fifth of its CPU.

import { type HttpBindings, getRequestListener } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { RecorderError } from '../errors.ts';
import type { Guarded } from './guard.ts';
import { refusalFor } from './problem.ts';
import { type Reply, SENT } from './reply.ts';

export interface AdapterParts {
  routes: readonly { readonly method: string; readonly path: string; readonly guarded: Guarded }[];
  /** The answer where there is no such path, or not for this method. */
  notFound(path: string): Reply;
  /** The answer to what a route has thrown. */
  failed(error: unknown, asked: HttpBindings, path: string): Reply;
}

export interface Adapter {
  /** Finds the route, and answers what comes of it. */
  route(asked: HttpBindings): void;
  /** Answers, and sees to what is left of the body. */
  give(asked: HttpBindings, reply: Reply): void;
}

export function createAdapter({ routes, notFound, failed }: AdapterParts): Adapter {
  const app = new Hono<{ Bindings: HttpBindings }>();
  for (const { method, path, guarded } of routes) {
    app.on(method, path, async (c) => responseOf(await guarded(c.env, c.req.path, (name) => c.req.param(name) ?? '')));
  }
  app.notFound((c) => responseOf(notFound(c.req.path)));
  app.onError((error, c) => responseOf(failed(error, c.env, c.req.path)));
  const listener = getRequestListener((request, asked) => app.fetch(request, asked), {
    errorHandler: () => responseOf(refusalFor(new RecorderError('malformed_request', 'the request target is not a path'))),
  });
  return {
    route: ({ incoming, outgoing }) => void listener(incoming, outgoing),
    give: ({ incoming, outgoing }, reply) => void getRequestListener(() => responseOf(reply))(incoming, outgoing),
  };
}

function responseOf(reply: Reply): Response {
  return reply === SENT ? RESPONSE_ALREADY_SENT : new Response(reply.body, { status: reply.status, headers: reply.headers });
}
