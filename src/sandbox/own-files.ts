// What a node process itself needs of the file system: the files that it is made of, found by looking at this one, which is the same.

import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** The loader of programs reads this; what the profile of OpenSSL points at (OPENSSL_CONF); what a process sees of itself. */
const BESIDE = ['/etc/ld.so.cache', '/dev/null', '/proc/self'];

export interface OwnFiles {
  /** node, and what loads it. */
  readonly execute: readonly string[];
  readonly read: readonly string[];
}

/** @param maps of proc_pid_maps(5): what is mapped into this process */
export function ownFiles(maps = readFileSync('/proc/self/maps', 'utf8')): OwnFiles {
  const mapped = new Set(maps.split('\n').flatMap((line) => /\s(\/.*)$/.exec(line)?.[1] ?? []));
  const all = [...mapped].filter((path) => existsSync(path));
  const isStarted = (path: string) => path === process.execPath || /^ld[-.]/.test(basename(path));
  return {
    execute: all.filter(isStarted),
    read: [...all.filter((path) => !isStarted(path)), ...BESIDE.filter((path) => existsSync(path))],
  };
}
