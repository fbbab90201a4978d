// The node server around the app: its limits, and refusals that come before any routing, always as JSON.

import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpBindings } from '@hono/node-server';
import { RecorderError } from '../errors.ts';
import type { App } from './app.ts';
import { PATIENCE_MS, hasPatience } from './patience.ts';
import { type Plain, refusalFor } from './problem.ts';
import { type Reply, SENT } from './reply.ts';
import { send, sendRaw, sendWhole } from './send.ts';

const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: PATIENCE_MS,
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

export interface HttpServer extends Server {
  /** Ends the connections on which no request is being answered, also those that never sent a whole one. */
  closeUnasked(): void;
}

export function createHttpServer({ app, hosts, isDraining }: ServerParts): HttpServer {
  const turnOf = createTurns();
  /** At once, when there is nothing left of the body; the adapter also sees to what is. */
  const give = (asked: HttpBindings, reply: Reply) => {
    if (reply === SENT) return;
    if (asked.incoming.readableEnded || asked.incoming.method === 'GET') return sendWhole(asked.outgoing, reply);
    void app
      .adapter()
      .then((adapter) => adapter.give(asked, reply))
      .catch(() => asked.outgoing.destroy());
  };
  const last = new WeakMap<Socket, { readonly outgoing: ServerResponse; readonly turn: number }>();

  const server = createServer(LIMITS, (incoming, outgoing) => {
    const { socket } = incoming;
    const turn = turnOf();
    const before = last.get(socket);
    // One unanswered request a connection: pipelined rubbish would otherwise pile up until the heap is full, or be answered
    // without a pause until nobody else is. Who waits for an answer cannot send the next request in the turn of the last one.
    if (before && (before.turn === turn || !before.outgoing.closed)) return cutOff(socket);
    last.set(socket, { outgoing, turn });
    if (isDraining()) outgoing.shouldKeepAlive = false;
    const refused = refuseEarly(incoming, hosts(), isDraining());
    if (refused) return send(outgoing, refused);
    const asked = { incoming, outgoing };
    const answer = app.answer(asked);
    if (answer !== null && !(answer instanceof Promise)) return give(asked, answer);
    const given = answer === null ? app.adapter().then(({ route }) => route(asked)) : answer.then((reply) => give(asked, reply));
    given.catch(() => outgoing.destroy());
  });
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
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
    const outgoing = last.get(socket)?.outgoing;
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && outgoing && hasPatience(outgoing.req)) return;
    if (outgoing?.closed === false && (outgoing.headersSent || outgoing.req.complete)) return void socket.destroy();
    sendRaw(socket, clientErrorOf(error));
  });
  return Object.assign(server, {
    closeUnasked() {
      for (const socket of connections) if (last.get(socket)?.outgoing.closed ?? true) socket.destroy();
    },
  });
}

/**
 * Ends a connection in the middle of what it sent. Node would go on to make a request and an answer of everything that is in the
 * same 64 KiB, and keep them until the socket is gone: sixty such connections in one turn filled the heap. Its parser asks
 * `onIncoming` (not a public name; where it is another, only the memory is not saved, and test/journeys/flood.test.ts says so).
 */
function cutOff(socket: Socket & { parser?: { onIncoming?: () => number } | null }): void {
  if (socket.parser) socket.parser.onIncoming = () => 0;
  socket.destroy();
}

/** Numbers the turns of the event loop in which it is asked. */
function createTurns(): () => number {
  let turn = 0;
  let asked = false;
  return () => {
    if (!asked) {
      asked = true;
      setImmediate(() => {
        turn += 1;
        asked = false;
      });
    }
    return turn;
  };
}

function refuseEarly(incoming: IncomingMessage, hosts: ReadonlySet<string>, draining: boolean): Plain | null {
  if (draining) return refusalFor(new RecorderError('draining', 'the service is shutting down', { retry_after: 5 }));
  const host = hostOf(incoming);
  if (host === null) return refusalFor(new RecorderError('malformed_request', 'a Host header is needed'));
  if (hasTwoHosts(incoming)) return refusalFor(new RecorderError('malformed_request', 'more than one Host header was sent'));
  if (!hosts.has(host)) return refusalFor(new RecorderError('misdirected', 'this service does not answer for that host'));
  return null;
}

/** The host that a request is for: of an absolute-form URI (RFC 9112 §3.2.2), else of its Host header. */
function hostOf({ url, headers }: IncomingMessage): string | null {
  const absolute = url?.[0] === '/' ? null : /^https?:\/\/([^/?#]*)/i.exec(url ?? '');
  return absolute?.[1]?.toLowerCase() ?? headers.host?.toLowerCase() ?? null;
}

/** RFC 9112 §3.2: what judges a request by one Host and what serves it by another would not see the same request. */
function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts > 1;
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
