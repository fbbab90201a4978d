// Actuators of the tests' own, on raw sockets: each does to a connection whatever it is told to.

import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import type { Address } from '../../src/policy/policy.ts';

/** What is done with one request, when all of it has come. `n` counts the requests of the actuator from 1. */
export type Manner = (socket: Socket, request: Request, n: number) => void;

export interface Request {
  readonly head: string;
  readonly body: string;
  /** By the place of its arrival, from 1. */
  readonly connection: number;
}

export interface TestActuator extends AsyncDisposable {
  readonly address: Address;
  /** All that came, in order. */
  readonly requests: Request[];
  /** Connections that there were. */
  readonly connections: number;
  manner: Manner;
  /** Closes all connections, as a restart would. */
  drop(): void;
}

/** @param at a socket's path; TCP on loopback when it is left out */
export async function openActuator(manner: Manner, at: string | null = null, path = '/do'): Promise<TestActuator> {
  const requests: Request[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    const connection = connections;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
      for (;;) {
        const end = text.indexOf('\r\n\r\n');
        if (end < 0) return;
        const length = Number(/content-length: *(\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
        if (text.length < end + 4 + length) return;
        const request = { head: text.slice(0, end), body: text.slice(end + 4, end + 4 + length), connection };
        text = text.slice(end + 4 + length);
        requests.push(request);
        actuator.manner(socket, request, requests.length);
      }
    });
  });
  if (at === null) server.listen(0, '127.0.0.1');
  else server.listen(at);
  await once(server, 'listening');
  const address: Address =
    at === null
      ? { over: 'tcp', tls: false, host: '127.0.0.1', port: (server.address() as AddressInfo).port, path }
      : { over: 'unix', socket: at, path };
  const actuator: TestActuator = {
    address,
    requests,
    manner,
    get connections() {
      return connections;
    },
    drop: () => sockets.forEach((socket) => socket.destroy()),
    async [Symbol.asyncDispose]() {
      sockets.forEach((socket) => socket.destroy());
      server.close();
      await once(server, 'close');
    },
  };
  return actuator;
}

/** A whole answer. */
export function answer(status: number, body = '', headers: Record<string, string | number> = {}): Manner {
  return (socket) => socket.write(answerText(status, body, headers));
}

export function answerText(status: number, body = '', headers: Record<string, string | number> = {}): string {
  const all = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n${body}`;
}

export const ENFORCED = answer(200, '{"status":"enforced"}');

/** What was asked, as the recorder's own dialect says it. */
export function dataOf({ body }: Request): Record<string, unknown> {
  return (JSON.parse(body) as { data: Record<string, unknown> }).data;
}
