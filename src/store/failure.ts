// How a disk fails under the store, as SQLite tells of it: it is full, it did not keep what it took, or it cannot be written.

import { RecorderError } from '../errors.ts';

/** No room: for a page of the database or its WAL, or for the index of the WAL in shared memory, which is a file too. */
export function isFull(error: unknown): boolean {
  return ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'].includes(codeOf(error));
}

/** A failed fsync: what the kernel had taken is gone, and asking again would be told that all is well. */
export function isFsync(error: unknown): boolean {
  return ['SQLITE_IOERR_FSYNC', 'SQLITE_IOERR_DIR_FSYNC'].includes(codeOf(error));
}

/** What is there is no store of ours, or no more: its pages, its tables, its last record or the tree over its records make no sense. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof RangeError || /^SQLITE_(CORRUPT|NOTADB|ERROR)/.test(codeOf(error));
}

/** What a caller is told of a store that failed; anything else is a bug, and passes as it is. */
export function refusalOf(error: unknown): unknown {
  if (isFull(error)) return new RecorderError('storage_full', 'the disk is full; nothing was recorded', { retry_after: 10 });
  if (codeOf(error).startsWith('SQLITE_IOERR'))
    return new RecorderError('storage_failed', 'the store cannot be written; nothing was recorded', { retry_after: 10 });
  return error;
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
