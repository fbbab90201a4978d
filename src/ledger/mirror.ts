// Keeps the log file a byte-exact copy of the records table: it follows the table from its own cursor, and never goes ahead of it.
//
// A `log.rotated` record ends the file that it stands in: where one file ends and the next begins is told by the records themselves.

import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { type LogFile, openLogFile } from '../audit/file.ts';
import { headOf, typeOf } from '../audit/record.ts';
import { keepAside, retire, syncFolder } from '../audit/segments.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { pieceAfter } from './piece.ts';
import type { Damage, Synced } from '../audit/segments.ts';
import { type StandingParts, standingOf } from './standing.ts';

export interface Mirror {
  /** Appends what is new, in order. Never throws: a file that cannot be written lags, and is caught up with later. */
  follow(): void;
  /** Tries again after a failure, and makes what is appended durable. Returns what is durable now, or null when nothing is new. */
  sync(): Promise<Synced | null>;
  syncNow(): Synced | null;
  /** Whether the newest file is so large, or so old, that a `log.rotated` should end it. */
  isFull(): boolean;
  /** Keeps the newest file aside as damaged, and writes it anew out of the store. Never throws. */
  replace(reason: string): void;
  /** Files that were found not to be what was written, since this was last asked. */
  takeDamage(): Damage[];
  /** The first record of the newest file. */
  readonly first: number;
  /** `unsynced`: the system failed to make a file durable; another one is written out of the store, and is not durable yet. */
  readonly health: 'ok' | 'lagging' | 'unsynced';
  close(): void;
}

export interface MirrorParts extends Partial<Pick<StandingParts, 'untold' | 'onDamage'>> {
  path: string;
  records: Pick<Store['records'], 'after' | 'line' | 'first'>;
  /** What was known to be durable in the file when the recorder last ran. */
  synced: Synced;
  /** When a file is ended. */
  rotation: { readonly bytes: number; readonly age_ms: number };
  log: Log;
  now: () => Date;
}

export function openMirror({ path, records, synced, rotation, log, now, untold = [], onDamage = () => {} }: MirrorParts): Mirror {
  const standing = standingOf({ path, known: synced, untold, records, now, onDamage });
  let { file, durable } = standing;
  const damage = [...standing.damaged];
  let remembered = synced;
  /** The last record that is written, and where its line ends. What stands behind that is cut off before anything is appended. */
  let cursor = { seq: durable.seq, offset: durable.offset };
  /** Whether that record ends the file. */
  let ended = typeOf(file.lineEndingAt(durable.offset) ?? '') === 'log.rotated';
  let lagging = false;
  let unsynced = false;
  /** What fdatasync is at work on; when it is replaced meanwhile, it is closed after that. */
  let syncing: LogFile | null = null;
  let replaced: LogFile | null = null;

  /** Writes all that is behind the cursor. */
  function append(): void {
    try {
      if (ended) rotate();
      // What follows may be torn; and where an fsync has failed, the disk may not hold what can still be read. It is written again.
      if (file.size > cursor.offset) file.cut(cursor.offset);
      for (let piece = pieceAfter(records, cursor.seq); piece; piece = pieceAfter(records, cursor.seq)) {
        file.append(piece.text);
        cursor = { seq: piece.last, offset: file.size };
        ended = piece.endsFile;
        if (ended) rotate();
      }
      if (lagging) log.warning('the audit log file has caught up', { path, seq: cursor.seq });
      lagging = false;
    } catch (error) {
      if (!lagging)
        log.critical('the audit log file cannot be written; records are safe in the store', {
          path,
          error: String(error),
          seq: cursor.seq,
        });
      lagging = true;
    }
  }

  /** The newest file ends at the cursor, durable and under its own name; the next record begins another. */
  function rotate(): void {
    if (file.size > cursor.offset) file.cut(cursor.offset);
    try {
      file.syncNow();
    } catch (error) {
      if (cursor.offset > durable.offset) {
        rewind(error);
        return rotate();
      }
      // All that is left of it was durable before.
    }
    if (cursor.offset === 0) rmSync(path, { force: true });
    else log.info('the audit log goes on in a new file', { path, ended: retire(path, durable.first), seq: cursor.seq });
    begin();
  }

  /**
   * The system failed to make the file durable. What it dropped it will not write again: the file ends with what was durable
   * before, and all that followed is written to another one, out of the store.
   */
  function rewind(error: unknown): void {
    log.critical('the system failed to make the audit log file durable; what followed is written anew out of the store', {
      ...{ path, error: String(error), durable: durable.seq },
    });
    [cursor, unsynced, ended] = [{ seq: durable.seq, offset: durable.offset }, true, true];
  }

  /** Another file at the log's path, for the records behind the cursor. */
  function begin(): void {
    const next = openLogFile(path);
    syncFolder(dirname(path));
    if (syncing === file) replaced = file;
    else file.close();
    file = next;
    durable = { first: cursor.seq + 1, seq: cursor.seq, offset: 0 };
    cursor = { seq: cursor.seq, offset: 0 };
    ended = false;
  }

  /** What stands at the path is no copy of the records: it is kept aside, and ours is written anew. */
  function startAgain(reason: string): void {
    if (!lagging) log.critical('the audit log file was damaged; it is kept aside and written anew from the store', { path, reason });
    try {
      damage.push({ file: existsSync(path) ? keepAside(path, now()) : path, reason, beyond: false });
      cursor = { seq: durable.first - 1, offset: 0 };
      begin();
    } catch (error) {
      log.critical('the audit log file cannot be replaced; records are safe in the store', { path, error: String(error) });
      lagging = true;
    }
  }

  /** What the next fsync would make durable, or null when that is nothing new. */
  function reached(): Synced | null {
    if (!ended && !file.isInPlace()) startAgain('the file was moved, removed or replaced while it was written');
    if (lagging || ended || cursor.offset === 0) append();
    const { first } = durable;
    return cursor.seq === remembered.seq && first === remembered.first && !unsynced ? null : { first, ...cursor };
  }

  function keep(next: Synced): Synced {
    remembered = next;
    // A file that was ended meanwhile is durable by that.
    if (next.first === durable.first) [durable, unsynced] = [next, false];
    return next;
  }

  return {
    follow() {
      if (!lagging) append();
    },
    async sync() {
      const next = syncing ? null : reached();
      if (!next) return null;
      syncing = file;
      try {
        await file.sync();
        return keep(next);
      } catch (error) {
        if (syncing === file) rewind(error);
        append();
        return null;
      } finally {
        syncing = null;
        replaced?.close();
        replaced = null;
      }
    },
    syncNow() {
      const next = reached();
      if (!next) return null;
      file.syncNow();
      return keep(next);
    },
    isFull() {
      const since = file.size === 0 || ended || lagging ? undefined : headOf(records.line(durable.first) ?? '')?.ts;
      return since !== undefined && (file.size >= rotation.bytes || now().getTime() - Date.parse(since) >= rotation.age_ms);
    },
    replace(reason) {
      startAgain(reason);
      append();
    },
    takeDamage: () => damage.splice(0),
    get first() {
      return durable.first;
    },
    get health() {
      return lagging ? 'lagging' : unsynced ? 'unsynced' : 'ok';
    },
    close: () => file.close(),
  };
}
