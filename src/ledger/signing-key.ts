// The checkpoint key as a file: read, or made when there is none.

import { closeSync, fsyncSync, linkSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type SigningKey, newKeyPem, readKey } from '../audit/key.ts';
import { syncFolder } from '../audit/segments.ts';
import { RecorderError } from '../errors.ts';
import { readSmallFile, refuseWorldReadable } from '../input/file.ts';

const MAX_KEY_BYTES = 4096;

/**
 * The key at `path`; a new one, 0600 and durable, when there is no such file.
 * @throws RecorderError "invalid_configuration" when it is there but no good
 */
export function openSigningKey(path: string, origin: string): SigningKey {
  const file = readSmallFile(path, MAX_KEY_BYTES);
  if (file) {
    refuseWorldReadable(path, file);
    try {
      return readKey(origin, file.text);
    } catch (error) {
      if (error instanceof RecorderError) throw new RecorderError(error.code, `${path}: ${error.message}`);
      throw error;
    }
  }
  const pem = newKeyPem();
  writeNew(path, pem);
  return readKey(origin, pem);
}

/**
 * The name of the log: the one that is configured, or that with an instance behind it, once the log had to go on under another.
 * @param known the verifier key that the log was last kept under
 */
export function originOf(configured: string, known: string | null): string {
  const name = known?.slice(0, known.indexOf('+')) ?? '';
  return name.startsWith(`${configured}/`) ? name : configured;
}

/** Whole or not at all, also through a power loss. */
function writeNew(path: string, text: string): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', 0o600);
  writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
  linkSync(temporary, path);
  unlinkSync(temporary);
  syncFolder(dirname(path));
}
