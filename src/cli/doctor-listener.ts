// Whether it is the service that listens on its port: a token is for nobody else who may have taken it.

import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** In /proc/net/tcp. */
const LISTENING = '0A';

/**
 * Null when it cannot be told: who asks may not look into the process, or it listens on no port.
 * @param proc where proc(5) is mounted
 */
export function isListenedOnBy(pid: number, port: number, proc = '/proc'): boolean | null {
  try {
    const tables = ['tcp', 'tcp6'].map((name) => textOf(`${proc}/self/net/${name}`));
    const sockets = new Set(tables.flatMap((table) => listenersIn(table, port)).map((inode) => `socket:[${inode}]`));
    const folder = `${proc}/${pid}/fd`;
    return readdirSync(folder).some((fd) => sockets.has(readlinkSync(`${folder}/${fd}`)));
  } catch {
    return null;
  }
}

/** IPv6 may be switched off. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** The inodes of their sockets. */
function listenersIn(table: string, port: number): string[] {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').flatMap((line) => {
    const [, address, , state, , , , , , inode] = line.trim().split(/\s+/);
    return address?.endsWith(local) && state === LISTENING && inode !== undefined ? [inode] : [];
  });
}
