// The process of the service, as /proc shows it to whoever asks: what of that may be read depends on who that is.

import { readFileSync, readlinkSync, statSync } from 'node:fs';
import type { ProcessFiles } from '../sandbox/in-force.ts';
import { type Mount, limitsIn, mountsIn, statusIn } from '../sandbox/kernel-files.ts';
import { type GroupBounds, groupBounds } from './doctor-cgroup.ts';

export interface Process extends Omit<ProcessFiles, 'own'> {
  readonly pid: number;
  /** As the process itself shows it, which may write over it: nothing secret may hang on it. */
  readonly env: Readonly<Record<string, string>> | null;
  readonly bounds: GroupBounds | null;
  /** Whether it has a namespace of its own, other than ours; null = it cannot be told. */
  isApart(kind: 'net' | 'user'): boolean | null;
  readonly exe: Program | null;
  /** Ours, to be held against its own. */
  readonly host: readonly Mount[];
}

interface Program {
  /** With ` (deleted)` behind it when it lies there no more. */
  readonly path: string;
  /** Whether it is the very file that this command runs on. */
  readonly isOurs: boolean;
}

/** Null when there is no such process. @param proc where proc(5) is mounted */
export function readProcess(pid: number, proc = '/proc'): Process | null {
  const at = (name: string) => `${proc}/${pid}/${name}`;
  const text = (name: string) => orNull(() => readFileSync(at(name), 'latin1'));
  const [status, mounts, limits, groups] = ['status', 'mountinfo', 'limits', 'cgroup'].map(text);
  if (!status) return null;
  const host = mountsIn(orNull(() => readFileSync(`${proc}/self/mountinfo`, 'latin1')) ?? '');
  const env = envIn(orNull(() => readFileSync(at('environ'), 'utf8')));
  return {
    pid,
    env,
    host,
    status: statusIn(status),
    mounts: mounts ? mountsIn(mounts) : null,
    limits: limits ? limitsIn(limits) : null,
    maps: text('maps'),
    command: wordsIn(text('cmdline')),
    bounds: groups ? groupBounds(groups, host) : null,
    isApart: (kind) => orNull(() => readlinkSync(at(`ns/${kind}`)) !== readlinkSync(`${proc}/self/ns/${kind}`)),
    exe: orNull(() => ({ path: readlinkSync(at('exe')), isOurs: isSame(at('exe'), process.execPath) })),
  };
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null; // it has ended meanwhile, or this is not for us to read
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [statSync(one), statSync(other)];
  return a.dev === b.dev && a.ino === b.ino;
}

function wordsIn(text: string | null): string[] | null {
  return text ? text.split('\0').filter((word) => word !== '') : null;
}

function envIn(text: string | null): Record<string, string> | null {
  const words = wordsIn(text);
  return words && Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
}
