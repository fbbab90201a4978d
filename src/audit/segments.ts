// The files of one log: the newest at its own path, the older ones beside it, each named by its first record.

import { chmodSync, closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const DIGITS = 12;

/** The last record that is durable in the newest file, the offset at which its line ends, and the first record of that file. */
export interface Synced {
  readonly seq: number;
  readonly offset: number;
  readonly first: number;
}

/** A file that was kept aside under the name `file`. */
export interface Damage {
  readonly file: string;
  readonly reason: string;
  /** Whether it holds a record that the store does not: then the store is not the one that the log was last kept with. */
  readonly beyond: boolean;
}

export interface SegmentFile {
  readonly path: string;
  /** Seq of its first record, by its name. */
  readonly first: number;
}

/** `<name>-<first seq, 12 digits>.jsonl`, beside the log. */
export function segmentPath(log: string, first: number): string {
  return `${stemOf(log)}-${String(first).padStart(DIGITS, '0')}.jsonl`;
}

/** Where the newest checkpoint of a log is published. */
export function checkpointPath(log: string): string {
  return `${log}.checkpoint`;
}

/** Whether a file is named as an older one of a log. */
export function isOldSegment(path: string): boolean {
  return /-\d{12,16}\.jsonl(?:\.gz)?$/.test(path);
}

/** The older files of a log, compressed (`.gz`) or not, oldest first. */
export function oldSegmentsOf(log: string): SegmentFile[] {
  const stem = `${basename(stemOf(log))}-`;
  const folder = dirname(log);
  return readdirSync(folder)
    .flatMap((name) => {
      const [, digits] = (name.startsWith(stem) && /^(\d{12,16})\.jsonl(?:\.gz)?$/.exec(name.slice(stem.length))) || [];
      return digits === undefined ? [] : [{ path: join(folder, name), first: Number(digits) }];
    })
    .toSorted((a, b) => a.first - b.first || a.path.length - b.path.length)
    .filter(({ first }, i, all) => first !== all[i - 1]?.first);
}

/** All files of a log, oldest first: what there is of it. */
export function filesOf(log: string): string[] {
  return [...oldSegmentsOf(log).map(({ path }) => path), ...(existsSync(log) ? [log] : [])];
}

/** Gives the newest file its name among the old ones, 0440. Its bytes MUST be durable already. */
export function retire(log: string, first: number): string {
  const path = segmentPath(log, first);
  // A second try after half of one finds it renamed.
  if (existsSync(log)) renameSync(log, path);
  if (existsSync(path)) chmodSync(path, 0o440);
  syncFolder(dirname(log));
  return path;
}

/**
 * Renames a file that is not what was written, untouched, to `<path>.damaged-<time>`. Returns the new name.
 * @param before is told the name first, so that it can be remembered
 */
export function keepAside(path: string, at: Date, before: (name: string) => void = () => {}): string {
  const name = `${path}.damaged-${at.toISOString().replaceAll(/[-:.]/g, '')}`;
  let kept = name;
  for (let n = 2; existsSync(kept); n += 1) kept = `${name}-${n}`;
  before(kept);
  renameSync(path, kept);
  return kept;
}

/** Whether a file is named as one that was kept aside from that path. */
export function isAsideOf(file: string, path: string): boolean {
  return file.startsWith(`${path}.damaged-`);
}

/** Makes what was renamed, made or removed in a folder durable. */
export function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function stemOf(log: string): string {
  return log.endsWith('.jsonl') ? log.slice(0, -'.jsonl'.length) : log;
}
