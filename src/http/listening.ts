// Where the server listens, under which names it may be called, and how it ends.

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config.ts';
import type { HttpServer } from './server.ts';

/** How long accepted requests have to be finished; systemd's patience is longer. */
const DRAIN_MS = 8_000;
/** How long a connection may then go on without a whole request: whoever only holds one must not hold up the end. */
const SILENT_MS = 1_000;

export async function listen(server: Server, { BIND_ADDR: { host, port } }: Config): Promise<{ host: string; port: number }> {
  server.listen({ host: host.replaceAll(/^\[|\]$/g, ''), port });
  await once(server, 'listening');
  return { host, port: (server.address() as AddressInfo).port };
}

/** Names under which a browser or a client may call us: with our port, and without. */
export function hostsOf({ BIND_ADDR: { host }, ALLOWED_HOSTS }: Config, port: number): ReadonlySet<string> {
  const names = [host.toLowerCase(), '127.0.0.1', 'localhost', '[::1]', ...ALLOWED_HOSTS];
  return new Set(names.flatMap((name) => [name, `${name}:${port}`]));
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
