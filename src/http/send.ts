// Sending past the adapter: on a response, on a bare socket, or while the body is still coming.

import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { RecorderError } from '../errors.ts';
import { type Plain, refusalFor } from './problem.ts';
import { SENT, type WithoutBody } from './reply.ts';

/** How long what is left of a body that was not taken is dropped before its connection is closed. */
const DRAIN_MS = 500;

export function send(outgoing: ServerResponse, { status, headers, body }: Plain): void {
  outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** Head and body in one write; node itself counts the body. */
export function sendWhole(outgoing: ServerResponse, { status, headers, body }: Plain | WithoutBody): void {
  outgoing.statusCode = status;
  for (const name in headers) outgoing.setHeader(name, headers[name] as string);
  outgoing.end(body ?? undefined);
}

/** Answers on the bare socket, for requests that never became one, and closes it. */
export function sendRaw(socket: Socket, error: RecorderError): void {
  if (!socket.writable) return void socket.destroy();
  const { status, headers, body } = refusalFor(error);
  const lines = Object.entries({ ...headers, connection: 'close', 'content-length': Buffer.byteLength(body) }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * The whole answer now; then what still comes is dropped for a while, so that the caller reads it before the connection ends
 * (closing on unread bytes resets the connection, and the answer with it).
 */
export function sendAndDrain(incoming: IncomingMessage, outgoing: ServerResponse, { status, headers, body }: Plain): typeof SENT {
  outgoing.writeHead(status, { ...headers, connection: 'close', 'content-length': Buffer.byteLength(body) });
  outgoing.write(body);
  const end = () => {
    clearTimeout(timer);
    outgoing.end();
    incoming.socket.destroySoon();
  };
  const timer = setTimeout(end, DRAIN_MS);
  incoming.once('end', end);
  incoming.resume();
  return SENT;
}
