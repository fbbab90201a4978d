// The Merkle tree of RFC 6962 over the records: a leaf is a record's hash, and a stretch of leaves is kept as its few largest subtrees.

import { hash } from 'node:crypto';

/** A complete subtree: leaves `index · 2^level` to `(index + 1) · 2^level`. */
export interface Subtree {
  readonly level: number;
  readonly index: number;
}

/**
 * The leaves [begin, end) as the fewest complete subtrees that cover them, left to right (a compact range): all that is needed to
 * append to them. With `begin` 0 it is the frontier of the tree. Hashes are 64 hex digits.
 */
export interface Range {
  readonly begin: number;
  readonly end: number;
  readonly hashes: readonly string[];
}

/** The hash of a complete subtree. */
export type HashOf = (subtree: Subtree) => string;

export function emptyRange(begin = 0): Range {
  return { begin, end: begin, hashes: [] };
}

const NODE = Buffer.alloc(65, 1);

/** SHA-256(0x01 ‖ left ‖ right), RFC 6962 §2.1. */
export function nodeHash(left: string, right: string): string {
  NODE.write(left + right, 1, 64, 'hex');
  return hash('sha256', NODE, 'hex');
}

/** One more leaf. `onSubtree` is told of each larger subtree that it completes, smallest first. */
export function append(range: Range, leaf: string, onSubtree?: (subtree: Subtree, hash: string) => void): Range {
  return push(range, { level: 0, index: range.end }, leaf, onSubtree);
}

/** @param right begins where `left` ends */
export function join(left: Range, right: Range): Range {
  if (left.end !== right.begin) throw new RangeError(`leaves from ${right.begin} on do not follow leaves up to ${left.end}`);
  return subtreesOf(right.begin, right.end).reduce((range, subtree, i) => push(range, subtree, right.hashes[i] ?? ''), left);
}

function push(
  { begin, hashes }: Range,
  { level, index }: Subtree,
  leaf: string,
  onSubtree?: (subtree: Subtree, hash: string) => void,
): Range {
  const end = (index + 1) * 2 ** level;
  let top = level;
  let at = index;
  let of = leaf;
  let kept = hashes.length;
  // A right child, whose left sibling lies within the range and is therefore the last subtree of it.
  while (at % 2 === 1 && (at - 1) * 2 ** top >= begin) {
    kept -= 1;
    of = nodeHash(hashes[kept] ?? '', of);
    at = (at - 1) / 2;
    top += 1;
    onSubtree?.({ level: top, index: at }, of);
  }
  const stack = hashes.slice(0, kept);
  stack.push(of);
  return { begin, end, hashes: stack };
}

/** The fewest complete subtrees that cover leaves [begin, end), left to right. */
export function subtreesOf(begin: number, end: number): Subtree[] {
  const found: Subtree[] = [];
  for (let at = begin; at < end;) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level += 1;
    found.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return found;
}

export function rangeOf(begin: number, end: number, hashOf: HashOf): Range {
  return { begin, end, hashes: subtreesOf(begin, end).map(hashOf) };
}

/** The root of the tree of which this is the frontier; of no leaves, the hash of nothing. */
export function rootOf({ hashes }: Range): string {
  return hashes.length === 0 ? hash('sha256', '', 'hex') : hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** Leaves [begin, end) whose hash stands in a proof. */
export type Span = readonly [begin: number, end: number];

/** The spans of an inclusion proof of leaf `index` (from 0) in the tree of `size` leaves: RFC 6962 §2.1.1, lowest first. */
export function inclusionSpans(index: number, size: number): Span[] {
  const spans: Span[] = [];
  for (let [begin, end] = [0, size]; end - begin > 1;) {
    const middle = begin + splitOf(end - begin);
    spans.unshift(index < middle ? [middle, end] : [begin, middle]);
    if (index < middle) end = middle;
    else begin = middle;
  }
  return spans;
}

/** The spans of a consistency proof between the trees of `from` and `to` leaves, 0 < from ≤ to: RFC 6962 §2.1.2. */
export function consistencySpans(from: number, to: number): Span[] {
  const spans: Span[] = [];
  let [begin, end] = [0, to];
  while (from < end) {
    const middle = begin + splitOf(end - begin);
    spans.unshift(from <= middle ? [middle, end] : [begin, middle]);
    if (from <= middle) end = middle;
    else begin = middle;
  }
  // The subtree that ends with the older tree is known to its holder only when it is the whole of it.
  if (begin > 0) spans.unshift([begin, end]);
  return spans;
}

/** Which complete subtrees the hashes of these spans are made of. */
export function subtreesIn(spans: readonly Span[]): Subtree[] {
  return spans.flatMap(([begin, end]) => subtreesOf(begin, end));
}

/** The hashes of a proof, in its order. */
export function hashesOf(spans: readonly Span[], hashOf: HashOf): string[] {
  return spans.map(([begin, end]) => rootOf(rangeOf(begin, end, hashOf)));
}

/** The largest power of two smaller than `n`. */
function splitOf(n: number): number {
  let split = 1;
  while (split * 2 < n) split *= 2;
  return split;
}

/** Whether `leaf` is leaf `index` (from 0) of the tree of `size` leaves with this root: RFC 9162 §2.1.3.2. */
export function includes(leaf: string, index: number, { size, root }: Tree, proof: readonly string[]): boolean {
  if (index < 0 || index >= size || ![leaf, ...proof].every(isHash)) return false;
  let [at, last, of] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      of = nodeHash(sibling, of);
      while (at % 2 === 0 && at > 0) [at, last] = [half(at), half(last)];
    } else of = nodeHash(of, sibling);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && of === root;
}

export interface Tree {
  readonly size: number;
  /** 64 hex digits */
  readonly root: string;
}

/** Whether the newer tree holds the older one as its beginning: RFC 9162 §2.1.4.2. */
export function extendsTree(older: Tree, newer: Tree, proof: readonly string[]): boolean {
  if (older.size < 1 || older.size > newer.size || ![older.root, ...proof].every(isHash)) return false;
  if (older.size === newer.size) return proof.length === 0 && older.root === newer.root;
  const path = isPowerOfTwo(older.size) ? [older.root, ...proof] : proof;
  let [at, last] = [older.size - 1, newer.size - 1];
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let [old, now] = [first, first];
  for (const each of rest) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      [old, now] = [nodeHash(each, old), nodeHash(each, now)];
      while (at % 2 === 0 && at > 0) [at, last] = [half(at), half(last)];
    } else now = nodeHash(now, each);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && old === older.root && now === newer.root;
}

/** Proofs come from outside: of text that is no hash, nodeHash would hash what it has left over from before. */
const isHash = (text: string) => /^[0-9a-f]{64}$/.test(text);

const half = (n: number) => Math.floor(n / 2);

function isPowerOfTwo(n: number): boolean {
  return splitOf(n + 1) === n;
}
