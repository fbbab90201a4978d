// Text with signatures below it, as C2SP signed notes have it (https://c2sp.org/signed-note), and the keys that such signatures are checked with.

import { type KeyObject, createPublicKey, hash, sign, verify } from 'node:crypto';
import { RecorderError } from '../errors.ts';

/** The type bytes of a key: Ed25519 over the text; Ed25519 over a time and the text (https://c2sp.org/tlog-cosignature). */
export const ED25519 = 1;
export const COSIGNATURE_V1 = 4;
export type KeyType = typeof ED25519 | typeof COSIGNATURE_V1;

export interface VerifierKey {
  readonly name: string;
  /** 8 hex digits */
  readonly id: string;
  readonly type: KeyType;
  readonly publicKey: KeyObject;
  /** `<name>+<id>+<base64 of the type byte ‖ 32 bytes of public key>`: what an auditor pins. */
  readonly text: string;
}

/** What signs a note under a key of type Ed25519. */
export interface NoteSigner {
  readonly name: string;
  /** 8 hex digits */
  readonly id: string;
  readonly privateKey: KeyObject;
}

export interface NoteSignature {
  readonly name: string;
  /** 8 hex digits */
  readonly id: string;
  /** Without the key id. */
  readonly signature: Buffer;
}

export interface Note {
  /** With its last newline: what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const MAX_NOTE_BYTES = 1024 * 1024;
const MAX_SIGNATURES = 100;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIMESTAMP_BYTES = 8;
/** What DER puts before the 32 bytes of an Ed25519 public key to make them an SPKI (RFC 8410 §4). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

const NAME = /^[^+\p{White_Space}\p{Cc}\p{Cs}]+$/u;
const CONTROL = /[\0-\x09\x0b-\x1f]/;

/** @throws RecorderError "invalid_parameter" when it is no verifier key, or one of a type that is not known */
export function parseVerifierKey(text: string): VerifierKey {
  const [, name = '', id, base64 = ''] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(text) ?? [];
  const bytes = fromBase64(base64);
  const type = bytes?.[0];
  if (!bytes || type === undefined || !NAME.test(name))
    throw new RecorderError('invalid_parameter', 'is not of the form <name>+<8 hex digits>+<base64>');
  if (type !== ED25519 && type !== COSIGNATURE_V1) {
    throw new RecorderError('invalid_parameter', `is a key of type ${type}; ${ED25519} and ${COSIGNATURE_V1} are known`);
  }
  const key = verifierKeyOf(name, bytes.subarray(1), type);
  if (key.id !== id) throw new RecorderError('invalid_parameter', `has the key id ${id}; its name and key make ${key.id}`);
  return key;
}

/** The key itself in the text of a verifier key: under another name it is the same one. */
export function keyIn(text: string): string {
  return text.slice(text.indexOf('+', text.indexOf('+') + 1) + 1);
}

/**
 * @param publicKey the 32 bytes of RFC 8032
 * @throws RecorderError "invalid_parameter" for another length, and for a name that is empty or holds `+`, spaces or control characters
 */
export function verifierKeyOf(name: string, publicKey: Uint8Array, type: KeyType): VerifierKey {
  if (!NAME.test(name)) throw new RecorderError('invalid_parameter', 'has a name that no key can have');
  if (publicKey.length !== KEY_BYTES) {
    throw new RecorderError('invalid_parameter', `has a key of ${publicKey.length} bytes; Ed25519 has ${KEY_BYTES}`);
  }
  const typed = Buffer.of(type, ...publicKey);
  const id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed]), 'hex').slice(0, 8);
  const spki = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: 'der', type: 'spki' });
  return { name, id, type, publicKey: spki, text: `${name}+${id}+${typed.toString('base64')}` };
}

/**
 * The note of this text with one signature.
 * @throws RecorderError "invalid_parameter" when the text does not end in a newline, or no note can hold it
 */
export function signNote(text: string, { name, id, privateKey }: NoteSigner): string {
  const signature = Buffer.concat([Buffer.from(id, 'hex'), sign(null, Buffer.from(text), privateKey)]);
  const note = `${text}\n— ${name} ${signature.toString('base64')}\n`;
  if (openNote(note).text !== text) throw new RecorderError('invalid_parameter', 'does not end in a newline');
  return note;
}

/**
 * Takes a note apart; no signature is checked.
 * @param note at most 1 MiB, with 1 to 100 signatures
 * @throws RecorderError "invalid_parameter" when it is no signed note
 */
export function openNote(note: string): Note {
  const read = readNote(note);
  if (typeof read === 'string') throw new RecorderError('invalid_parameter', read);
  return read;
}

/** The note, or what is wrong with it. */
function readNote(note: string): Note | string {
  if (note.length > MAX_NOTE_BYTES || Buffer.byteLength(note) > MAX_NOTE_BYTES) return `is longer than ${MAX_NOTE_BYTES} bytes`;
  if (!note.isWellFormed() || CONTROL.test(note)) return 'holds a control character or a lone surrogate';
  const end = note.lastIndexOf('\n\n');
  if (end < 0) return 'has no empty line between its text and its signatures';
  if (!note.endsWith('\n')) return 'does not end in a newline';
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) return `has ${lines.length} signatures; at most ${MAX_SIGNATURES} are taken`;
  const signatures = lines.map(readSignature);
  const wrong = signatures.indexOf(null);
  if (wrong >= 0) return `has in signature line ${wrong + 1} no "— <name> <base64>"`;
  return { text: note.slice(0, end + 1), signatures: signatures.filter((each) => each !== null) };
}

function readSignature(line: string): NoteSignature | null {
  const [, name = '', base64 = ''] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
  const bytes = fromBase64(base64);
  if (!bytes || bytes.length < 5 || !NAME.test(name)) return null;
  return { name, id: bytes.toString('hex', 0, 4), signature: bytes.subarray(4) };
}

/** The bytes of canonical base64: padded, without spaces, and with no bits set that stand for nothing. Null for other text. */
export function fromBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

/** Whether the note holds a signature of this key, and all that it holds of it are good. False for what is no note. */
export function isSignedBy(note: string, key: VerifierKey): boolean {
  return signaturesOf(note, key).length > 0;
}

/** When the holder of a key of type cosignature/v1 says to have seen it, in Unix seconds; null when {@link isSignedBy} would be false. */
export function cosignatureOf(note: string, key: VerifierKey): { timestamp: number } | null {
  const [first] = key.type === COSIGNATURE_V1 ? signaturesOf(note, key) : [];
  return first ? { timestamp: Number(timestampOf(first)) } : null;
}

/** The signatures of this key, in their order; none when one of them is bad. */
function signaturesOf(note: string, key: VerifierKey): NoteSignature[] {
  const read = readNote(note);
  if (typeof read === 'string') return [];
  const own = read.signatures.filter(({ name, id }) => name === key.name && id === key.id);
  return own.every((each) => isGood(read.text, each, key)) ? own : [];
}

function isGood(text: string, of: NoteSignature, { type, publicKey }: VerifierKey): boolean {
  const stamped = type === COSIGNATURE_V1;
  const head = stamped ? TIMESTAMP_BYTES : 0;
  if (of.signature.length !== head + SIGNATURE_BYTES) return false;
  if (stamped && timestampOf(of) > Number.MAX_SAFE_INTEGER) return false;
  const signed = stamped ? `cosignature/v1\ntime ${timestampOf(of)}\n${text}` : text;
  return verify(null, Buffer.from(signed), publicKey, of.signature.subarray(head));
}

/** Unix seconds. @param of a cosignature of a type that begins with a timestamp: at least 8 bytes */
export function timestampOf(of: NoteSignature): bigint {
  return of.signature.readBigUInt64BE(0);
}
