// What a log and a witness say to each other about a checkpoint (https://c2sp.org/tlog-witness, add-checkpoint): the texts, without the wire.

import { RecorderError } from '../errors.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { type Note, type NoteSignature, type VerifierKey, cosignatureOf, openNote, timestampOf } from './note.ts';

/** What a witness is asked to cosign. */
export interface Submission {
  /** Size of the checkpoint of this log that the witness has cosigned last; 0 when there is none, or it is not known. */
  readonly from: number;
  /** Hashes (64 hex digits) of the consistency proof from there; empty when `from` is 0. */
  readonly proof: readonly string[];
  /** The signed checkpoint. */
  readonly note: string;
}

/** The body of the request. */
export function submissionText({ from, proof, note }: Submission): string {
  return `old ${from}\n${proof.map((hash) => `${Buffer.from(hash, 'hex').toString('base64')}\n`).join('')}\n${note}`;
}

const MAX_COSIGNATURES = 16;
/** Timestamp and signature of the shortest kind, Ed25519. */
const MIN_COSIGNATURE_BYTES = 8 + 64;
/** What the specification allows of a timestamp. */
const MAX_TIMESTAMP = 2n ** 63n - 1n;

/**
 * The signature lines of an answer 200 that can be put below the note: with a key those of that key, which must all be good; without
 * one those that can be cosignatures at all, which must be all of them.
 * @param body one to 16 lines `— <name> <base64>\n`
 * @param note the signed checkpoint that was submitted
 * @throws RecorderError "invalid_parameter" when the answer is no such thing
 */
export function cosignaturesIn(body: string, note: string, key: VerifierKey | null): string {
  const { text, signatures: known } = openNote(note);
  const added = cosignaturesBelow(openNote(note + body), text, known.length);
  const lines = body.split('\n').filter((_, i) => isOfKey(added[i], key));
  const cosigned = lines.map((line) => `${line}\n`).join('');
  if (key) {
    const seen = cosignatureOf(`${text}\n${cosigned}`, key);
    if (!seen || seen.timestamp === 0) throw new RecorderError('invalid_parameter', `holds no good cosignature of ${key.name}`);
  } else if (!added.every((each) => isCosignature(each, parseCheckpoint(text).origin))) {
    throw new RecorderError('invalid_parameter', 'holds a signature that is no cosignature');
  }
  return cosigned;
}

/** The signatures that a note has beyond its first ones. */
function cosignaturesBelow(whole: Note, text: string, known: number): NoteSignature[] {
  const added = whole.signatures.slice(known);
  if (whole.text !== text || added.length === 0) throw new RecorderError('invalid_parameter', 'is not one or more signature lines');
  if (added.length > MAX_COSIGNATURES) {
    throw new RecorderError('invalid_parameter', `holds ${added.length} signatures; at most ${MAX_COSIGNATURES} are taken`);
  }
  return added;
}

/** With no key to ask for, any. */
function isOfKey(signature: NoteSignature | undefined, key: VerifierKey | null): boolean {
  if (!signature || !key) return signature !== undefined;
  return signature.name === key.name && signature.id === key.id;
}

/** Whether it can be one of a witness, as far as that is seen without its key. */
function isCosignature(signature: NoteSignature, origin: string): boolean {
  if (signature.name === origin || signature.signature.length < MIN_COSIGNATURE_BYTES) return false;
  const timestamp = timestampOf(signature);
  return timestamp > 0n && timestamp <= MAX_TIMESTAMP;
}

/**
 * The size in an answer 409: that of the checkpoint which the witness has cosigned last. Null when the answer names none; then the witness
 * knows another root for the size that it was told of.
 */
export function sizeIn(contentType: string | undefined, body: string): number | null {
  const [, digits] = /^(0|[1-9]\d{0,15})\n$/.exec(body) ?? [];
  if (contentType !== 'text/x.tlog.size' || digits === undefined) return null;
  return Number.isSafeInteger(Number(digits)) ? Number(digits) : null;
}
