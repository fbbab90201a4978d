// Keeps the log file a byte-exact copy of the records table: it follows the table from its own cursor, and never goes ahead of it.

import { existsSync, renameSync } from 'node:fs';
import { type LogFile, openLogFile } from '../audit/file.ts';
import { headOf, isIntact } from '../audit/record.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';

export interface Mirror {
  /** Appends what is new, in order. Never throws: a file that cannot be written lags, and is caught up with later. */
  follow(): void;
  /** Tries again after a failure, and makes what is appended durable. Returns what is durable now, or null when nothing is new. */
  sync(): Promise<Synced | null>;
  syncNow(): Synced | null;
  /** `unsynced`: the system failed to make the file durable; what it dropped is gone, so nothing more is counted on in it. */
  readonly health: 'ok' | 'lagging' | 'unsynced';
  close(): void;
}

/** The last record that is durable in the file, and the offset at which its line ends. */
export interface Synced {
  readonly seq: number;
  readonly offset: number;
}

export interface MirrorParts {
  path: string;
  records: Pick<Store['records'], 'after' | 'line'>;
  /** What was known to be durable in the file when the recorder last ran. */
  synced: Synced;
  log: Log;
  now: () => Date;
}

const NOTHING: Synced = { seq: 0, offset: 0 };
const CHUNK_RECORDS = 1000;
const CHUNK_BYTES = 1024 * 1024;

/** What opening found. `damaged` is the name that the old file was kept under, when it was no copy of the store. */
export interface Opened {
  readonly mirror: Mirror;
  readonly damaged: { readonly file: string; readonly reason: string } | null;
}

export function openMirror({ path, records, synced: known, log, now }: MirrorParts): Opened {
  let file = openLogFile(path);
  let damaged: Opened['damaged'] = null;
  let durable = known;
  const reason = faultOf(file, known, records);
  if (reason !== null) {
    file.close();
    damaged = { file: keepAside(path, now()), reason };
    file = openLogFile(path);
    durable = NOTHING;
  }
  // What follows may be torn; and where an fsync has failed, the disk may not hold what can still be read. It is written again.
  if (file.size > durable.offset) file.cut(durable.offset);
  let cursor = durable.seq;
  let lagging = false;
  let unsynced = false;
  let syncing = false;

  function follow(): void {
    if (!lagging) append();
  }

  function append(): void {
    try {
      for (;;) {
        const fresh = records.after(cursor, CHUNK_RECORDS, CHUNK_BYTES);
        const last = fresh.at(-1);
        if (!last) break;
        file.append(fresh.map(({ line }) => `${line}\n`).join(''));
        cursor = last.seq;
      }
      if (lagging) log.warning('the audit log file has caught up', { path, seq: cursor });
      lagging = false;
    } catch (error) {
      if (!lagging)
        log.critical('the audit log file cannot be written; records are safe in the store', { path, error: String(error), seq: cursor });
      lagging = true;
    }
  }

  /** What the next fsync would make durable, or null when that is nothing new. */
  function reached(): Synced | null {
    if (lagging) append();
    return cursor === durable.seq || unsynced ? null : { seq: cursor, offset: file.size };
  }

  const mirror: Mirror = {
    follow,
    async sync() {
      const next = syncing ? null : reached();
      if (!next) return null;
      syncing = true;
      try {
        await file.sync();
      } catch (error) {
        unsynced = true;
        throw error;
      } finally {
        syncing = false;
      }
      durable = next;
      return next;
    },
    syncNow() {
      const next = reached();
      if (!next) return null;
      file.syncNow();
      durable = next;
      return next;
    },
    get health() {
      return lagging ? 'lagging' : unsynced ? 'unsynced' : 'ok';
    },
    close: () => file.close(),
  };
  return { mirror, damaged };
}

function keepAside(path: string, at: Date): string {
  const name = `${path}.damaged-${at.toISOString().replaceAll(/[-:.]/g, '')}`;
  let kept = name;
  for (let n = 2; existsSync(kept); n += 1) kept = `${name}-${n}`;
  renameSync(path, kept);
  return kept;
}

/** Why the file is not what a crash can have left of it, or null. */
function faultOf(file: LogFile, known: Synced, records: MirrorParts['records']): string | null {
  return faultBefore(file, known, records) ?? faultBehind(file, known, records);
}

/** Why what was durable in the file is not what the store says it was, or null. A crash cannot do this: it is tampering, or a restore. */
function faultBefore(file: LogFile, { seq, offset }: Synced, records: MirrorParts['records']): string | null {
  if (seq === 0) return isForeign(file, records) ? 'the file was not written from this store' : null;
  if (file.size < offset) return `the file is ${file.size} bytes long; ${offset} were durable`;
  const line = records.line(seq);
  if (line === null) return `the store no longer holds record ${seq}`;
  return file.lineEndingAt(offset) === line ? null : `the line that ends at byte ${offset} is not record ${seq}`;
}

/**
 * A line is written only once its record is durable in the store. A crash leaves it whole, torn or missing, but never whole and
 * unknown to the store: then the store is an older copy that was put back.
 */
function faultBehind(file: LogFile, { seq, offset }: Synced, records: MirrorParts['records']): string | null {
  let next = seq + 1;
  for (const { line } of file.linesFrom(offset)) {
    if (line !== records.line(next)) {
      const isRecord = headOf(line)?.seq === next && isIntact(line);
      return isRecord ? `the file holds a record ${next} which the store does not hold` : null;
    }
    next += 1;
  }
  return null;
}

/** Nothing is known to be durable yet: the file is empty, or begins with record 1, or is somebody else's. */
function isForeign(file: LogFile, records: MirrorParts['records']): boolean {
  if (file.size === 0) return false;
  const [first] = file.linesFrom(0);
  return records.line(1) === null || (first !== undefined && first.line !== records.line(1));
}
