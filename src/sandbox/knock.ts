// Whether somebody takes a connection: it is made, no word is said, and it is ended.

import { type NetConnectOpts, connect } from 'node:net';

/** `ok`, or why not: the code of the error, or that there was no answer in time. */
export function knock(at: NetConnectOpts, timeout_ms: number): Promise<string> {
  return new Promise((resolve) => {
    const end = (told: string) => {
      resolve(told);
      socket.destroy();
    };
    const socket = connect({ ...at, timeout: timeout_ms });
    socket.on('connect', () => end('ok'));
    socket.on('timeout', () => end('no answer'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
