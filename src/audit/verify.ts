// Verifying a log from its bytes alone: one pass, bounded memory, nothing parsed but the fixed head and tail of each line.

import { hash } from 'node:crypto';
import { TAIL_LENGTH } from './record.ts';

const LF = 0x0a;
const ZEROS = '0'.repeat(64);
/** `,"prev":"` + 64 hex digits + `"` */
const PREV_LENGTH = 74;

/** A file of the log. */
export interface Segment {
  readonly name: string;
  /** Its bytes: whole lines behind one spare byte, which is written over; only the last block may end within a line. */
  readonly blocks: AsyncIterable<Buffer> | Iterable<Buffer>;
}

interface Fault {
  /** The seq that should have stood there. */
  readonly seq: number;
  readonly file: string;
  /** In bytes from the start of that file, after decompression. */
  readonly offset: number;
  readonly reason: string;
}

export interface Verdict {
  /** Seq of the first record; more than 1 when what came before it was pruned. */
  readonly first: number;
  /** Seq of the last record before the first fault. */
  readonly last: number;
  /** Its hash. */
  readonly hash: string;
  readonly fault: Fault | null;
  /** Lines from the fault on that are sound as the records that they say they are. */
  readonly soundAfter: number;
  /** Bytes of a last line that has no newline: a write that was cut short. */
  readonly torn: number;
  readonly bytes: number;
}

export interface Watch {
  readonly onRecord?: (seq: number, hash: string, line: Buffer) => void;
  /** Called now and then with the bytes read so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** A line as record `seq` after `prev`: its hash, or what is wrong with it. `leaf` is its body behind a zero byte. */
function check(line: Buffer, leaf: Buffer, seq: number, prev: string): { readonly hash: string } | { readonly reason: string } {
  const sealedBy = hash('sha256', leaf, 'hex');
  const head = `{"v":1,"seq":${seq},"ts":"`;
  const tail = `,"prev":"${prev}","hash":"${sealedBy}"}`;
  const begins = line.toString('latin1', 0, head.length) === head;
  if (begins && line.toString('latin1', line.length - tail.length) === tail) return { hash: sealedBy };
  if (!begins) return { reason: reasonOf(line, seq) };
  const told = /^,"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/.exec(line.toString('latin1', Math.max(0, line.length - tail.length)));
  if (!told) return { reason: 'does not end as a record does' };
  return { reason: told[1] === prev ? 'its hash does not fit its bytes' : 'prev is not the hash of the record before it' };
}

/** Which record stands there instead, as far as it can be told. */
function reasonOf(line: Buffer, seq: number): string {
  const [, found] = /^\{"v":1,"seq":(\d{1,16}),/.exec(line.toString('latin1', 0, 40)) ?? [];
  return found === undefined ? 'does not begin as a record does' : `is record ${found}, not ${seq}`;
}

/** Seq and prev of a line that is taken as it says: the first of a log whose beginning was pruned, or the first after a fault. */
function claimOf(line: Buffer): { seq: number; prev: string } | null {
  const [, seq] = /^\{"v":1,"seq":([1-9]\d{0,15}),"ts":"/.exec(line.toString('latin1', 0, 48)) ?? [];
  const at = line.length - TAIL_LENGTH;
  const [, prev] = /^,"prev":"([0-9a-f]{64})"$/.exec(line.toString('latin1', Math.max(0, at - PREV_LENGTH), Math.max(0, at))) ?? [];
  return seq === undefined || prev === undefined ? null : { seq: Number(seq), prev };
}

/** Reads every line of every segment, tells of the first fault, and goes on to tell how much after it is sound. */
export async function verifyLog(segments: Iterable<Segment>, { onRecord, onProgress }: Watch = {}): Promise<Verdict> {
  let [first, last, prev] = [0, 0, ZEROS];
  let fault: Fault | null = null;
  let after: { seq: number; prev: string } | null = null;
  let soundAfter = 0;
  let [bytes, torn] = [0, 0];

  /** A line after the first fault: sound in itself as the record that it says it is, or not. */
  const goOn = (line: Buffer, leaf: Buffer) => {
    const claim = after ?? claimOf(line);
    const found = claim && check(line, leaf, claim.seq, claim.prev);
    after = found && 'hash' in found ? { seq: claim.seq + 1, prev: found.hash } : null;
    if (after) soundAfter += 1;
  };

  const take = (line: Buffer, leaf: Buffer, file: string, offset: number) => {
    if (fault) return goOn(line, leaf);
    if (first === 0) {
      const claim = claimOf(line);
      [last, prev] = claim && claim.seq !== 1 ? [claim.seq - 1, claim.prev] : [0, ZEROS];
      first = last + 1;
    }
    const found = check(line, leaf, last + 1, prev);
    if ('reason' in found) {
      fault = { seq: last + 1, file, offset, reason: found.reason };
      return goOn(line, leaf);
    }
    [last, prev] = [last + 1, found.hash];
    onRecord?.(last, prev, line);
  };

  for (const { name, blocks } of segments) {
    let offset = 0;
    torn = 0;
    for await (const block of blocks) {
      let start = 1;
      for (let lf = block.indexOf(LF, start); lf >= 0; lf = block.indexOf(LF, start)) {
        // A line is hashed behind a zero byte, which takes the place of the newline before it.
        block[start - 1] = 0;
        take(block.subarray(start, lf), block.subarray(start - 1, Math.max(start, lf - TAIL_LENGTH)), name, offset + start - 1);
        start = lf + 1;
      }
      torn = block.length - start;
      offset += block.length - 1;
      onProgress?.(bytes + offset);
    }
    bytes += offset;
  }
  return { first: first || 1, last, hash: prev, fault, soundAfter, torn, bytes };
}
