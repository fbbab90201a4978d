// The reserve: a file of real blocks beside the store. Given up piece by piece when the disk is full, it is the room of what cannot wait.

import { randomFillSync } from 'node:crypto';
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readSync, rmSync, statSync, statfsSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Reserve {
  /** Bytes that it holds now. */
  readonly held: number;
  /** Bytes that it held once and has given up; 0 also while it is built for the first time. */
  readonly owed: number;
  /** Whether the disk has hardly any room left. */
  readonly isTight: boolean;
  /** Frees a piece on the disk. False when none is left, or none can be freed. */
  giveUp(): boolean;
  /**
   * Brings it a piece nearer to its size, where the disk has room. False when it has come there, or as far as there is room.
   * @throws the system's error, but not that of a full disk
   */
  grow(): boolean;
}

/** Some milliseconds of work to write, and more than a report makes of the store. */
const PIECE = 256 * 1024;
/** Stays until the end: it tells the next start how much the file has held. */
const MARK = 4096;
/** What refilling leaves free: enough that the disk is not full again at once. */
const SPARE = 1024 * 1024;

const MARK_TEXT = (whole: number) =>
  `The incident recorder frees this file when the disk is full. It has held ${String(whole).padStart(15, '0')} bytes.\n`;

/** @param size bytes that it shall have; with 0 there is none, and a file that is there goes */
export function openReserve(path: string, size: number): Reserve {
  let held = heldIn(path);
  let whole = Math.min(Math.max(wholeIn(path), held), size);

  function resize(bytes: number): void {
    const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      ftruncateSync(fd, bytes);
      held = bytes;
      // Some file systems free blocks for good only when this is on disk.
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** A full disk takes back what it took of the piece. */
  function append(bytes: number): boolean {
    const piece = randomFillSync(Buffer.allocUnsafe(bytes));
    const now = Math.max(whole, held + bytes);
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      for (let done = 0; done < bytes;) done += writeSync(fd, piece, done, bytes - done, held + done);
      writeSync(fd, MARK_TEXT(now), 0);
    } catch (error) {
      ftruncateSync(fd, held);
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
      throw error;
    } finally {
      closeSync(fd);
    }
    held += bytes;
    whole = now;
    return true;
  }

  return {
    get held() {
      return held;
    },
    get owed() {
      return Math.max(0, whole - held);
    },
    get isTight() {
      return freeOn(dirname(path)) < SPARE;
    },
    giveUp() {
      if (held <= MARK) return false;
      const before = held;
      try {
        resize(Math.max(MARK, held - PIECE));
      } catch {
        // Nobody waits for an error here, and the blocks may be free all the same.
      }
      return held < before;
    },
    grow() {
      held = heldIn(path);
      if (held > size) {
        if (size === 0) rmSync(path);
        else resize(size);
        held = size;
      }
      const bytes = Math.min(PIECE, size - held);
      // Built for the first time it takes no more than it leaves to others; what was given up is taken back while there is any room.
      const spare = held < whole ? SPARE : Math.max(SPARE, held);
      return bytes > 0 && freeOn(dirname(path)) - bytes >= spare && append(bytes);
    },
  };
}

function heldIn(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** The most that the file has held, as its mark says; 0 when it has none. */
function wholeIn(path: string): number {
  if (heldIn(path) === 0) return 0;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const mark = Buffer.alloc(MARK);
    readSync(fd, mark, 0, MARK, 0);
    return Number(/ It has held (\d{15}) bytes\.\n/.exec(mark.toString('latin1'))?.[1] ?? 0);
  } finally {
    closeSync(fd);
  }
}

function freeOn(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}
