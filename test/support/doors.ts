// Routes behind the real door, on a server of their own, with whatever the test puts in the place of the house.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { createKeyring } from '../../src/access/keyring.ts';
import type { Token } from '../../src/access/token.ts';
import { createApp } from '../../src/http/app.ts';
import type { Route } from '../../src/http/guard.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { createLog } from '../../src/log.ts';
import { SERVICE_TOKEN } from './house.ts';
import { ROLE_TOKENS } from './routes.ts';

export interface Doors extends AsyncDisposable {
  readonly port: number;
  /** Supertest with a token, that of the service unless another is given; null = none. */
  get(path: string, token?: string | null): request.Test;
  post(path: string, body?: unknown, token?: string | null): request.Test;
  /** Why callers were refused. */
  readonly denied: string[];
  /** What was logged, parsed. */
  readonly logged: { level: string; message: string; [field: string]: unknown }[];
}

const TOKENS: readonly Token[] = [
  tokenOf('service', { token: SERVICE_TOKEN, role: 'service' }),
  ...Object.entries(ROLE_TOKENS).map(([name, entry]) => tokenOf(name, entry)),
  tokenOf('other', { token: 'other---'.repeat(4), role: 'actuator', actuator: 'airlock' }),
];

/** The token of another actuator, `airlock`. */
export const OTHER_ACTUATOR = 'other---'.repeat(4);

type Log = ReturnType<typeof createLog>;

/** `await using doors = await openDoors(({ refusals }) => someRoutes({ … }))` */
export async function openDoors(
  routesOf: (parts: { refusals: { denied: (reason: string) => void }; log: Log }) => readonly Route[],
): Promise<Doors> {
  const denied: string[] = [];
  const logged: Doors['logged'] = [];
  const log = createLog({ level: 'debug', journal: false, write: (line) => logged.push(JSON.parse(line)) });
  const refusals = { denied: (reason: string) => void denied.push(reason) };
  const keyring = createKeyring(TOKENS);
  const app = createApp({
    log,
    refusals,
    routes: routesOf({ refusals, log }),
    keyring: () => keyring,
    pace: () => {},
    readsClosed: () => false,
  });
  const server = createHttpServer({ app, hosts: () => new Set(['127.0.0.1', `127.0.0.1:${port()}`]), isDraining: () => false });
  const port = (): number => (server.address() as AddressInfo).port;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = request(`http://127.0.0.1:${port()}`);
  const bearer = (test: request.Test, token: string | null) => (token === null ? test : test.set('Authorization', `Bearer ${token}`));
  return {
    port: port(),
    denied,
    logged,
    get: (path, token = SERVICE_TOKEN) => bearer(client.get(path), token),
    post: (path, body, token = SERVICE_TOKEN) => bearer(client.post(path), token).send(body as object),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function tokenOf(name: string, entry: { token: string; role: string; actuator?: string }): Token {
  const sha256 = createHash('sha256').update(entry.token).digest();
  return { name, role: entry.role as Token['role'], sha256, sources: null, classes: null, actuator: entry.actuator ?? null, rate: null };
}

/** A bell that tells how many listen. */
export function createTestBell() {
  const listeners = new Set<{ readonly topic: string; readonly heard: () => void }>();
  return {
    ring(topic: string) {
      for (const listener of listeners) if (listener.topic === topic) listener.heard();
    },
    listen(topic: string, heard: () => void) {
      const listener = { topic, heard };
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    get listening() {
      return listeners.size;
    },
  };
}
