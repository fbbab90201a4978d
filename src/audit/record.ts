// One line of the audit log: how it is written, sealed to the line before it, and read back without a JSON parser.

import { hash } from 'node:crypto';

/** What every line that follows is sealed to. */
export interface Head {
  /** 0 before the first record. */
  readonly seq: number;
  /** Hash of the last record, 64 hex digits; zeros before the first. */
  readonly hash: string;
  /** Instant of the last record, ISO 8601 UTC with milliseconds; empty before the first. */
  readonly ts: string;
}

export const GENESIS: Head = { seq: 0, hash: '0'.repeat(64), ts: '' };

export interface Entry {
  readonly ts: string;
  readonly type: string;
  /** What the record is about, such as an incident; null when about the service itself. */
  readonly id: string | null;
  readonly actor: string;
  /** Built from checked values: JSON.stringify of it must not throw, and its key order is what is sealed. */
  readonly data: object;
}

export interface Sealed extends Head {
  /** The whole line, without its newline. These bytes are the canonical form: they are never serialised again. */
  readonly line: string;
}

const HASH_HEAD = ',"hash":"';
/** `,"hash":"` + 64 hex digits + `"}` */
export const TAIL_LENGTH = HASH_HEAD.length + 64 + 2;

/**
 * The next line of the log. Its hash is SHA-256(0x00 ‖ body), the leaf hash of RFC 6962 §2.1, where body is the line
 * without its last 75 bytes; `prev` inside the body makes the chain.
 */
export function seal(head: Head, { ts, type, id, actor, data }: Entry): Sealed {
  const seq = head.seq + 1;
  const body =
    `{"v":1,"seq":${seq},"ts":"${ts}","type":"${type}","id":${id === null ? 'null' : `"${id}"`},` +
    `"actor":${JSON.stringify(actor)},"data":${JSON.stringify(data)},"prev":"${head.hash}"`;
  const sealedBy = leafHash(body);
  return { seq, ts, hash: sealedBy, line: `${body}${HASH_HEAD}${sealedBy}"}` };
}

function leafHash(body: string): string {
  return hash('sha256', `\0${body}`, 'hex');
}

/** Whether a line is, byte for byte, what its hash was taken of. */
export function isIntact(line: string): boolean {
  return headOf(line) !== null && leafHash(line.slice(0, -TAIL_LENGTH)) === hashOf(line);
}

/** Why a line is not the record that follows `head`, or null when it is. Byte for byte, as `seal` writes it. */
export function faultAfter(head: Pick<Head, 'seq' | 'hash'>, line: string): string | null {
  const found = headOf(line);
  if (!found) return 'it does not look like a record';
  if (found.seq !== head.seq + 1) return `it is record ${found.seq}`;
  if (prevOf(line) !== head.hash) return 'its prev is not the hash of the record before it';
  return isIntact(line) ? null : 'its hash does not fit its bytes';
}

/** What a line says is the hash of the record before it. */
export function prevOf(line: string): string {
  return line.slice(-TAIL_LENGTH - 65, -TAIL_LENGTH - 1);
}

/** The hash that a line ends with. */
export function hashOf(line: string): string {
  return line.slice(-66, -2);
}

/** The type of a line of ours: the first of its keys called that, since what stands before it is fixed. Nothing is verified. */
export function typeOf(line: string): string {
  const at = line.indexOf('"type":"') + '"type":"'.length;
  return line.slice(at, line.indexOf('"', at));
}

const HEAD = /^\{"v":1,"seq":([1-9]\d{0,15}),"ts":"([^"\\]{24})",/;

/** Seq, instant and hash of a line of ours, or null when it does not look like one. Nothing is verified. */
export function headOf(line: string): Head | null {
  const match = HEAD.exec(line.slice(0, 80));
  const tail = line.slice(-TAIL_LENGTH);
  if (!match || !/^,"hash":"[0-9a-f]{64}"\}$/.test(tail)) return null;
  return { seq: Number(match[1]), ts: String(match[2]), hash: hashOf(line) };
}
