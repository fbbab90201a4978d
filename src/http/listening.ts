// Where the server listens, under which names it may be called, and how it ends.

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Config, isLoopback } from '../config.ts';
import type { HttpServer } from './server.ts';

/** How long accepted requests have to be finished; systemd's patience is longer. */
const DRAIN_MS = 8_000;
/** How long a connection may then go on without a whole request: whoever only holds one must not hold up the end. */
const SILENT_MS = 1_000;

/** Where a server listens: an address and a port, or (no port) a unix socket. */
export interface Place {
  readonly host: string;
  readonly port: number | null;
}

/** True when only this machine can connect. */
export function isLocal({ host, port }: Place): boolean {
  return port === null || isLoopback(host);
}

export function urlOf({ host, port }: Place): string {
  return port === null ? `a ${host} socket` : `http://${host}:${port}`;
}

/** On the socket that systemd hands over, if it does, else on BIND_ADDR. */
export async function listen(server: Server, { BIND_ADDR, LISTEN_FDS }: Pick<Config, 'BIND_ADDR' | 'LISTEN_FDS'>): Promise<Place> {
  const { host, port } = BIND_ADDR;
  const address = host === 'localhost' ? '127.0.0.1' : host.replaceAll(/^\[|\]$/g, '');
  server.listen(LISTEN_FDS === null ? { host: address, port } : { fd: LISTEN_FDS });
  await once(server, 'listening');
  const bound = server.address();
  if (LISTEN_FDS === null) return { host, port: (bound as AddressInfo).port };
  if (typeof bound !== 'object' || bound === null) return { host: 'unix', port: null };
  return { host: bound.family === 'IPv6' ? `[${bound.address}]` : bound.address, port: bound.port };
}

/** Names under which a browser or a client may call us: with our port, and without. */
export function hostsOf(
  { BIND_ADDR: { host }, ALLOWED_HOSTS }: Pick<Config, 'BIND_ADDR' | 'ALLOWED_HOSTS'>,
  place: Place,
): ReadonlySet<string> {
  const names = [host.toLowerCase(), place.host.toLowerCase(), '127.0.0.1', 'localhost', '[::1]', ...ALLOWED_HOSTS];
  return new Set(names.flatMap((name) => [name, ...(place.port === null ? [] : [`${name}:${place.port}`])]));
}

/** Lets what was accepted be answered, closes each connection as it falls idle, and cuts off what is not done in time. */
export async function drain(server: HttpServer): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  const silent = setTimeout(() => server.closeUnasked(), SILENT_MS);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(silent);
  clearTimeout(cut);
}
