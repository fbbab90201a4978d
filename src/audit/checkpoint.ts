// The text of a checkpoint (https://c2sp.org/tlog-checkpoint): which log, how many records, and the root of the tree over them.

import { RecorderError } from '../errors.ts';
import type { Tree } from './merkle.ts';
import { fromBase64, openNote } from './note.ts';

export interface Checkpoint extends Tree {
  /** The name of the log: one line, not empty. */
  readonly origin: string;
}

const HASH_BYTES = 32;

/** What is signed: `<origin>\n<size>\n<base64 of the root>\n`. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${Buffer.from(root, 'hex').toString('base64')}\n`;
}

/** The checkpoint in a signed note; no signature is checked. @throws RecorderError "invalid_parameter" when there is none */
export function checkpointIn(note: string): Checkpoint {
  return parseCheckpoint(openNote(note).text);
}

/**
 * @param text of an opened note; lines after the third are extensions, and are passed over
 * @throws RecorderError "invalid_parameter" when it is no text of a checkpoint
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = '', ...rest] = text.split('\n');
  if (rest.pop() !== '' || origin === '' || rest.includes('')) {
    throw new RecorderError('invalid_parameter', 'is not a checkpoint: three or more lines, none of them empty');
  }
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new RecorderError('invalid_parameter', 'has a second line that is no size of a log');
  }
  const bytes = fromBase64(root);
  if (bytes?.length !== HASH_BYTES) throw new RecorderError('invalid_parameter', 'has a third line that is no base64 of 32 bytes');
  return { origin, size: Number(size), root: bytes.toString('hex') };
}
