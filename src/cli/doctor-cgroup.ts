// What the control groups of a process bound, by their own files: of version 1, of version 2, and of both beside each other.

import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Mount } from '../sandbox/kernel-files.ts';

/** Infinity = no bound is set; null = it cannot be read. */
export interface GroupBounds {
  /** Bytes. */
  readonly memory: number | null;
  /** Parts of one CPU. */
  readonly cpu: number | null;
  readonly tasks: number | null;
}

type Controller = 'memory' | 'cpu' | 'pids';
/** @throws when there is no such file */
type Read = (path: string) => string;

/** What version 1 calls no bound: the largest multiple of a page that it can hold. */
const V1_UNBOUND = 2 ** 62;

/**
 * @param groups text of /proc/PID/cgroup
 * @param mounts where the control groups are mounted, for whoever asks
 */
export function groupBounds(groups: string, mounts: readonly Mount[], read: Read = (path) => readFileSync(path, 'utf8')): GroupBounds {
  const at = (controller: Controller) => folderOf(controller, groups, mounts);
  return { memory: memoryAt(at('memory'), read), cpu: cpuAt(at('cpu'), read), tasks: tasksAt(at('pids'), read) };
}

interface Folder {
  readonly path: string;
  readonly version: 1 | 2;
}

/** A controller belongs to one hierarchy: to one of version 1 if any line names it. */
function folderOf(controller: Controller, groups: string, mounts: readonly Mount[]): Folder | null {
  const lines = groups.split('\n').flatMap((line) => {
    const [, controllers = '', path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    return path === undefined ? [] : [{ controllers: controllers.split(','), path }];
  });
  const first = lines.find(({ controllers }) => controllers.includes(controller));
  const found = first ?? lines.find(({ controllers }) => controllers.join('') === '');
  const mount = first
    ? mounts.find(({ type, super_options }) => type === 'cgroup' && super_options.includes(controller))
    : mounts.find(({ type }) => type === 'cgroup2');
  if (!found || !mount) return null;
  const below = relative(mount.root, found.path);
  return below.startsWith('..') ? null : { path: join(mount.point, below), version: first ? 1 : 2 };
}

function memoryAt(folder: Folder | null, read: Read): number | null {
  const text = textAt(folder, folder?.version === 1 ? 'memory.limit_in_bytes' : 'memory.max', read);
  const bytes = numberIn(text);
  return bytes !== null && bytes >= V1_UNBOUND ? Infinity : bytes;
}

function tasksAt(folder: Folder | null, read: Read): number | null {
  return numberIn(textAt(folder, 'pids.max', read));
}

function cpuAt(folder: Folder | null, read: Read): number | null {
  const text = folder?.version === 1 ? inTwo(folder, read) : textAt(folder, 'cpu.max', read);
  const [quota = null, period = null] = (text ?? '').split(' ').map(numberIn);
  if (quota === null) return null;
  return quota < 0 ? Infinity : period === null ? null : quota / period;
}

function inTwo(folder: Folder, read: Read): string | null {
  const [quota, period] = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) => textAt(folder, name, read));
  return quota && period ? `${quota} ${period}` : null;
}

function textAt(folder: Folder | null, name: string, read: Read): string | null {
  try {
    return folder && read(join(folder.path, name)).trim();
  } catch {
    return null;
  }
}

function numberIn(text: string | null): number | null {
  if (text === 'max') return Infinity;
  return text !== null && /^-?\d+$/.test(text) ? Number(text) : null;
}
