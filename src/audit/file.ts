// The audit log as a file: whole lines, appended, cut back to a whole line after a failed write.

import {
  closeSync,
  constants,
  fchmodSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { RecorderError } from '../errors.ts';

const LF = 0x0a;
const READ_BYTES = 64 * 1024;

/** No record is longer: a whole policy or report and what it led to stay far under it. */
const MAX_LINE_BYTES = 2 * 1024 * 1024;

export interface LogFile {
  /** Bytes of the file, as far as this process has read or written it. */
  readonly size: number;
  /** Whether it still is the file at its path: it may have been moved away, removed or replaced under us. */
  isInPlace(): boolean;
  /** The line that ends (with its newline) at this offset, without its newline; null when none does. */
  lineEndingAt(offset: number): string | null;
  /** Whole lines from this offset on, each with the offset at which it ends. */
  linesFrom(offset: number): Generator<{ line: string; end: number }>;
  /** Drops what follows `size`. */
  cut(size: number): void;
  /**
   * Appends whole lines, in one write(2) where the system takes them whole. On failure the file is cut back first.
   * @throws the system's error (ENOSPC, EIO …): nothing of `text` is in the file then
   */
  append(text: string): void;
  /** Makes what was appended durable. @throws the system's error: what the kernel dropped is gone */
  sync(): Promise<void>;
  syncNow(): void;
  close(): void;
}

/**
 * Opens the log for its one writer, 0640, without following a link in its last step.
 * @throws RecorderError "invalid_configuration" when a pipe or a device stands there; the system's error when it cannot be opened
 */
export function openLogFile(path: string): LogFile {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o640);
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new RecorderError('invalid_configuration', `${path}: is not a regular file`);
  }
  fchmodSync(fd, 0o640);
  let { size } = stat;
  const cut = (to: number) => {
    ftruncateSync(fd, to);
    size = to;
  };
  return {
    get size() {
      return size;
    },
    isInPlace() {
      try {
        const there = statSync(path);
        return there.ino === stat.ino && there.dev === stat.dev;
      } catch {
        return false;
      }
    },
    lineEndingAt: (offset) => (offset > size ? null : lineEndingAt(fd, offset)),
    linesFrom: (offset) => linesFrom(fd, offset),
    cut,
    append(text) {
      const bytes = Buffer.from(text);
      const before = size;
      try {
        for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, before + done);
      } catch (error) {
        cut(before);
        throw error;
      }
      size = before + bytes.length;
    },
    sync: async () => promisify(fdatasync)(fd),
    syncNow: () => fdatasyncSync(fd),
    close: () => closeSync(fd),
  };
}

/** For looking at a file that may be anything; a pipe under its name does not hold us up. */
const LOOK = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The first and the last line of a file that nobody writes to any more; null when it has none, or cannot be read. */
export function endsOf(path: string): { readonly first: string; readonly last: string } | null {
  try {
    const fd = openSync(path, LOOK);
    try {
      const [first] = linesFrom(fd, 0);
      const last = lineEndingAt(fd, fstatSync(fd).size);
      return first === undefined || last === null ? null : { first: first.line, last };
    } finally {
      closeSync(fd);
    }
  } catch {
    return null;
  }
}

/** Its whole lines, as far as it can be read. */
export function* linesIn(path: string): Generator<string> {
  try {
    const fd = openSync(path, LOOK);
    try {
      for (const { line } of linesFrom(fd, 0)) yield line;
    } finally {
      closeSync(fd);
    }
  } catch {
    // What cannot be read holds nothing.
  }
}

function lineEndingAt(fd: number, end: number): string | null {
  for (let from = end; from > 0 && end - from < MAX_LINE_BYTES;) {
    from = Math.max(0, from - READ_BYTES);
    const bytes = read(fd, from, end);
    if (bytes.at(-1) !== LF) return null;
    const before = bytes.lastIndexOf(LF, -2);
    if (before >= 0 || from === 0) return bytes.subarray(before + 1, -1).toString('utf8');
  }
  return null;
}

function* linesFrom(fd: number, offset: number): Generator<{ line: string; end: number }> {
  let rest: Buffer = Buffer.alloc(0);
  for (let at = offset; rest.length < MAX_LINE_BYTES;) {
    const bytes = read(fd, at, at + READ_BYTES);
    if (bytes.length === 0) return;
    at += bytes.length;
    rest = Buffer.concat([rest, bytes]);
    let start = 0;
    for (let lf = rest.indexOf(LF); lf >= 0; lf = rest.indexOf(LF, start)) {
      yield { line: rest.subarray(start, lf).toString('utf8'), end: at - rest.length + lf + 1 };
      start = lf + 1;
    }
    rest = rest.subarray(start);
  }
}

function read(fd: number, from: number, to: number): Buffer {
  const bytes = Buffer.alloc(to - from);
  const got = readSync(fd, bytes, 0, bytes.length, from);
  return bytes.subarray(0, got);
}
