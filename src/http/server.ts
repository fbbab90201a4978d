// The node server around the app: its limits, and refusals that come before any routing, always as JSON.

import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { RecorderError } from '../errors.ts';
import type { App } from './app.ts';
import { type Refusal, refusalFor } from './problem.ts';
import { send, sendRaw } from './send.ts';

const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  /** Or the two above are looked at every 30 seconds only. */
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 60_000,
  maxHeaderSize: 8 * 1024,
  /** Its absence is answered by us, as JSON. */
  requireHostHeader: false,
};
const MAX_CONNECTIONS = 64;
/** A connection on which nothing moves, in either direction. */
const IDLE_MS = 60_000;

export interface ServerParts {
  app: App;
  /** Hosts that this service answers for, lower case, as a Host header may write them. */
  hosts: () => ReadonlySet<string>;
  isDraining: () => boolean;
}

export function createHttpServer({ app, hosts, isDraining }: ServerParts): Server {
  const listener = getRequestListener(app.fetch, {
    errorHandler: () => toResponse(refusalFor(new RecorderError('malformed_request', 'the request target is not a path'))),
  });
  /** The last answer of each connection. */
  const answers = new WeakMap<Socket, ServerResponse>();

  const server = createServer(LIMITS, (incoming, outgoing) => {
    const { socket } = incoming;
    // One unanswered request a connection: pipelined rubbish would otherwise pile up until the heap is full.
    if (answers.get(socket)?.writableFinished === false) return void socket.destroy();
    answers.set(socket, outgoing);
    if (isDraining()) outgoing.shouldKeepAlive = false;
    const refused = refuseEarly(incoming, hosts(), isDraining());
    if (refused) return send(outgoing, refused);
    void listener(incoming, outgoing);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(IDLE_MS);
  server.on('checkExpectation', (_: IncomingMessage, outgoing: ServerResponse) => {
    outgoing.shouldKeepAlive = false;
    send(outgoing, refusalFor(new RecorderError('expectation_failed', 'the only expectation that is met is 100-continue')));
  });
  server.on('connect', (_: IncomingMessage, socket: Socket) =>
    sendRaw(socket, new RecorderError('method_not_allowed', 'CONNECT is not taken', { methods: ['GET', 'HEAD', 'POST'] })),
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // What broke off within its own body is refused like any other; what has an answer coming cannot be given another one.
    const outgoing = answers.get(socket);
    if (outgoing?.writableFinished === false && (outgoing.headersSent || outgoing.req.complete)) return void socket.destroy();
    sendRaw(socket, clientErrorOf(error));
  });
  return server;
}

function refuseEarly(incoming: IncomingMessage, hosts: ReadonlySet<string>, draining: boolean): Refusal | null {
  if (draining) return refusalFor(new RecorderError('draining', 'the service is shutting down', { retry_after: 5 }));
  const host = hostOf(incoming);
  if (host === null) return refusalFor(new RecorderError('malformed_request', 'a Host header is needed'));
  if (!hosts.has(host)) return refusalFor(new RecorderError('misdirected', 'this service does not answer for that host'));
  return null;
}

/** The host that a request is for: of an absolute-form URI (RFC 9112 §3.2.2), else of its Host header. */
function hostOf({ url, headers }: IncomingMessage): string | null {
  const absolute = /^https?:\/\/([^/?#]*)/i.exec(url ?? '');
  return absolute?.[1]?.toLowerCase() ?? headers.host?.toLowerCase() ?? null;
}

function clientErrorOf({ code }: NodeJS.ErrnoException): RecorderError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new RecorderError('headers_too_large', 'the request line and the headers are longer than 8 KiB');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new RecorderError('request_timeout', 'the request was not there in time');
    default:
      return new RecorderError('malformed_request', 'the request is not HTTP/1.1 as this service reads it');
  }
}

function toResponse({ status, headers, body }: Refusal): Response {
  return new Response(body, { status, headers });
}
