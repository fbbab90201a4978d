// What is held against a log besides its own chain: receipts, signed checkpoints, the key that was pinned. One pass, bounded memory.

import { RecorderError } from '../errors.ts';
import { checkpointIn } from './checkpoint.ts';
import { type Range, append, emptyRange, join, rootOf, subtreesOf } from './merkle.ts';
import { type VerifierKey, isSignedBy, keyIn } from './note.ts';

export interface Receipt {
  readonly seq: number;
  /** 64 hex digits */
  readonly hash: string;
}

export interface HeldCheckpoint {
  /** Where it came from, for the reader. */
  readonly name: string;
  /** The signed note. */
  readonly note: string;
}

export interface Held {
  readonly receipts: readonly Receipt[];
  readonly checkpoints: readonly HeldCheckpoint[];
  /** Keys that were pinned; none: signatures are not looked at. */
  readonly keys: readonly VerifierKey[];
}

/** One thing that is held, and whether the log stands up to it. */
export interface Finding {
  readonly held: 'receipt' | 'checkpoint' | 'key' | 'pruned' | 'store';
  readonly ok: boolean;
  /** A sentence. */
  readonly text: string;
}

/** What the log says of itself, as far as it matters here. */
interface Told {
  /** Seq of its first record; 0 before that. */
  first: number;
  /** Seq and verifier key, each time that the log was opened under it. */
  readonly keys: { readonly seq: number; readonly key: string }[];
  pruned: Range | null;
  /** Seq of the record that tells so. */
  prunedBy: number;
}

export interface Trial {
  /** To be told of every sound record, in order. */
  readonly onRecord: (seq: number, hash: string, line: Buffer) => void;
  /** What came of it, given the seqs of the first and the last sound record. */
  findings(first: number, last: number): Finding[];
}

/** @throws RecorderError "invalid_parameter" for a checkpoint that is none */
export function createTrial({ receipts, checkpoints, keys }: Held): Trial {
  const wanted = new Map(receipts.map(({ seq, hash }) => [seq, hash]));
  const held = checkpoints.map(({ name, note }) => ({ name, note, ...readCheckpoint(name, note) }));
  const sizes = new Set(held.map(({ size }) => size));
  const told: Told = { first: 0, keys: [], pruned: null, prunedBy: 0 };
  const matched = new Set<number>();
  const rangeAt = new Map<number, Range>();
  let range: Range | null = null;

  const treeOf = (size: number): Range | null => {
    const part = rangeAt.get(size);
    if (part?.begin === 0) return part;
    if (told.pruned?.end === size) return told.pruned;
    return part && told.pruned?.end === part.begin ? join(told.pruned, part) : null;
  };

  const ofCheckpoint = ({ name, note, origin, size, root }: (typeof held)[number], first: number, last: number): Finding => {
    const bad = (text: string): Finding => ({ held: 'checkpoint', ok: false, text: `${name}: ${text}` });
    const signer = keys.find((key) => isSignedBy(note, key));
    if (keys.length > 0 && !signer) return bad(`is not signed by ${keys.length === 1 ? 'the key' : 'one of the keys'} given`);
    if (signer && signer.name !== origin) return bad(`is of the log ${origin}; the key is of ${signer.name}`);
    if (size > last) return bad(`the log ends with record ${last}; the checkpoint covers ${size}`);
    const tree = size === 0 ? emptyRange() : treeOf(size);
    if (!tree) return bad(`covers ${size} records, of which those before ${first} are not there to be checked`);
    if (rootOf(tree) !== root) return bad(`the first ${size} records are not the ones that it covers`);
    const unchecked = signer ? '' : '; its signature was not checked, since no key was given';
    return { held: 'checkpoint', ok: true, text: `${name}: the first ${size} records are the ones that it covers${unchecked}` };
  };

  const ofKeys = (): Finding[] =>
    told.keys.flatMap(({ seq, key }): Finding[] => {
      const text = `record ${seq} puts the log under the key ${key}`;
      if (keys.length === 0) return [];
      const ok = keys.some((pinned) => keyIn(pinned.text) === keyIn(key));
      return [{ held: 'key', ok, text: ok ? text : `${text}, which is not ${keys.length === 1 ? 'the one' : 'among those'} given` }];
    });

  /** Whoever removes the head of a log can also write at its end that it was pruned: with a key, that must be signed for. */
  const ofPruned = (first: number, signedFor: number): Finding[] => {
    if (first === 1) return [];
    const pruned = (ok: boolean, text: string): Finding[] => [{ held: 'pruned', ok, text }];
    if (told.pruned === null)
      return pruned(
        false,
        `the log begins with record ${first}; what came before it is missing, and no record of the log says that it was pruned`,
      );
    if (keys.length === 0 || told.prunedBy <= signedFor)
      return pruned(true, `records 1 to ${first - 1} were pruned, as the log itself tells`);
    return pruned(
      false,
      `records 1 to ${first - 1} are missing; record ${told.prunedBy} says that they were pruned, and no good checkpoint covers it`,
    );
  };

  return {
    onRecord(seq, hash, line) {
      told.first ||= seq;
      if (wanted.get(seq) === hash) matched.add(seq);
      if (isOfLog(line, seq)) hear(told, seq, line);
      if (sizes.size === 0) return;
      range = append(range ?? emptyRange(seq - 1), hash);
      if (sizes.has(seq)) rangeAt.set(seq, range);
    },
    findings(first, last) {
      const ofReceipts = receipts.map(({ seq }): Finding => {
        const ok = matched.has(seq);
        return { held: 'receipt', ok, text: `record ${seq} is ${ok ? '' : 'not '}the one of the receipt` };
      });
      const ofCheckpoints = held.map((each) => ofCheckpoint(each, first, last));
      const signedFor = Math.max(0, ...held.filter((_, i) => ofCheckpoints[i]?.ok).map(({ size }) => size));
      return [...ofPruned(first, signedFor), ...ofKeys(), ...ofReceipts, ...ofCheckpoints];
    },
  };
}

/** `{"v":1,"seq":` … `,"ts":"` … `","type":"` without the digits of the seq. */
const BEFORE_TYPE = 54;

const [L, K, DOT] = [0x6c, 0x6b, 0x2e];

/** Whether a sound line may tell of the log itself: its type is `log.…` or `key.…`, as no other begins. Asked of every line: by its bytes. */
function isOfLog(line: Buffer, seq: number): boolean {
  let type = BEFORE_TYPE + 1;
  for (let over = 10; seq >= over; over *= 10) type += 1;
  return line[type + 3] === DOT && (line[type] === L || line[type] === K);
}

function hear(told: Told, seq: number, line: Buffer): void {
  const { type, data } = JSON.parse(line.toString('utf8')) as { type: string; data: Record<string, unknown> };
  if (type === 'log.opened') told.keys.push({ seq, key: String(data['public_key']) });
  if (type === 'key.changed') told.keys.push({ seq, key: String(data['new']) });
  const pruned = type === 'log.pruned' ? frontierIn(data) : null;
  if (pruned?.end === told.first - 1) [told.pruned, told.prunedBy] = [pruned, seq];
}

/**
 * The tree of what was pruned, where a record of the log tells of that; else null.
 * @param line of record `seq`, and sound
 */
export function prunedBy(line: Buffer, seq: number): Range | null {
  if (!isOfLog(line, seq)) return null;
  const { type, data } = JSON.parse(line.toString('utf8')) as { type: string; data: Record<string, unknown> };
  return type === 'log.pruned' ? frontierIn(data) : null;
}

/** Whoever wrote the log may have written anything: what is no frontier of a tree tells nothing. */
function frontierIn({ to, hashes }: Record<string, unknown>): Range | null {
  if (typeof to !== 'number' || !Number.isSafeInteger(to) || to < 1 || !Array.isArray(hashes)) return null;
  if (!hashes.every(isHash) || hashes.length !== subtreesOf(0, to).length) return null;
  return { begin: 0, end: to, hashes };
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function readCheckpoint(name: string, note: string) {
  try {
    return checkpointIn(note);
  } catch (error) {
    throw new RecorderError('invalid_parameter', `${name} ${error instanceof Error ? error.message : String(error)}`);
  }
}
