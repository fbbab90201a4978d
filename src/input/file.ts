// Small files that somebody else wrote (policy, tokens, keys), read without trusting what they are.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { RecorderError } from '../errors.ts';

export interface SmallFile {
  readonly text: string;
  /** The permission bits, such as 0o600. */
  readonly mode: number;
}

/**
 * The text of a regular file, or null when there is none.
 * A pipe or a device is refused before it can block, a large file before it is read, bytes that are not UTF-8 after.
 * @throws RecorderError "invalid_configuration" naming the file and what is wrong with it.
 */
export function readSmallFile(path: string, maxBytes: number): SmallFile | null {
  const refuse = (why: string) => new RecorderError('invalid_configuration', `${path}: ${why}`);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw refuse(code === 'EACCES' ? 'cannot be read: permission denied' : `cannot be opened: ${code}`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw refuse('is not a regular file');
    if (stat.size > maxBytes) throw refuse(`is ${stat.size} bytes; at most ${maxBytes} are read`);
    const bytes = Buffer.alloc(maxBytes + 1);
    const read = readSync(fd, bytes, 0, bytes.length, 0);
    if (read > maxBytes) throw refuse(`is longer than ${maxBytes} bytes`);
    return { text: decode(bytes.subarray(0, read), refuse), mode: stat.mode & 0o7777 };
  } finally {
    closeSync(fd);
  }
}

/** Fails when others than owner and group may read what is meant to be secret. */
export function refuseWorldReadable(path: string, { mode }: SmallFile): void {
  if ((mode & 0o004) === 0) return;
  throw new RecorderError('invalid_configuration', `${path}: is readable by everyone (mode ${mode.toString(8)}); chmod 600 it`);
}

function decode(bytes: Buffer, refuse: (why: string) => RecorderError): string {
  try {
    // A byte order mark stays, or the text would have another hash than the file.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refuse('is not UTF-8 text');
  }
}
