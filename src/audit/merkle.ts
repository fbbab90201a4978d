// The Merkle tree over the records (RFC 6962 §2.1): a frontier that grows, and proofs over what it has left behind. Pure.
//
// Leaves are the records' hashes, counted from 0 (record seq − 1). A *node* (level, index) is the complete subtree over the
// leaves index·2^level … (index+1)·2^level − 1; level 0 is a leaf.

import { hash } from 'node:crypto';

/** The complete subtrees that a tree of this size is made of, largest first: enough to go on and to give the root. */
export interface Frontier {
  readonly size: number;
  readonly nodes: readonly Buffer[];
}

export const EMPTY: Frontier = { size: 0, nodes: [] };

/** Gives the hash of a complete subtree. */
export type NodeAt = (level: number, index: number) => Buffer;

/** SHA-256(0x01 ‖ left ‖ right) */
export function parentOf(left: Buffer, right: Buffer): Buffer {
  return hash('sha256', Buffer.concat([INTERIOR, left, right]), 'buffer');
}

const INTERIOR = Buffer.of(1);

/** The tree with one more leaf. `completed` is told of each node above the leaf that is whole by it. */
export function append(frontier: Frontier, leaf: Buffer, completed?: (level: number, index: number, node: Buffer) => void): Frontier {
  const nodes = [...frontier.nodes];
  let node = leaf;
  let level = 0;
  for (let index = frontier.size; index % 2 === 1; index = (index - 1) / 2) {
    const left = nodes.pop();
    if (!left) throw new Error('a frontier does not fit its size');
    node = parentOf(left, node);
    level += 1;
    completed?.(level, (index - 1) / 2, node);
  }
  nodes.push(node);
  return { size: frontier.size + 1, nodes };
}

/** The root of a tree; SHA-256 of nothing for the empty one. */
export function rootOf({ nodes }: Frontier): Buffer {
  if (nodes.length === 0) return hash('sha256', '', 'buffer');
  return nodes.reduceRight((right, left) => parentOf(left, right));
}

/** A tree that only grows, for whoever reads a whole log: the same as `append` over and over, without a copy each time. */
export function createTree({ size, nodes }: Frontier): { append(leaf: Buffer): void; root(): Buffer; frontier(): Frontier } {
  const stack = [...nodes];
  const pair = Buffer.alloc(65, 1);
  let leaves = size;
  return {
    append(leaf) {
      let node = leaf;
      for (let index = leaves; index % 2 === 1; index = (index - 1) / 2) {
        stack.pop()?.copy(pair, 1);
        node.copy(pair, 33);
        node = hash('sha256', pair, 'buffer');
      }
      stack.push(node);
      leaves += 1;
    },
    root: () => rootOf({ size: leaves, nodes: stack }),
    frontier: () => ({ size: leaves, nodes: [...stack] }),
  };
}

/** The root over the leaves `from` … `to` − 1; `from` is a multiple of a power of two that is not less than their number. */
function rootOfRange(from: number, to: number, nodeAt: NodeAt): Buffer {
  const size = to - from;
  const level = Math.floor(Math.log2(size));
  if (size === 2 ** level) return nodeAt(level, from / size);
  const split = from + 2 ** level;
  return parentOf(rootOfRange(from, split, nodeAt), rootOfRange(split, to, nodeAt));
}

/** The largest power of two that is less than `n` (n > 1). */
function splitOf(n: number): number {
  const power = 2 ** Math.floor(Math.log2(n));
  return power === n ? n / 2 : power;
}

/**
 * The audit path of a leaf in the tree of `size` leaves, from the leaf up (RFC 6962 §2.1.1).
 * @throws RangeError when the tree has no such leaf
 */
export function inclusionProof(leaf: number, size: number, nodeAt: NodeAt): Buffer[] {
  if (!(leaf >= 0 && leaf < size)) throw new RangeError(`a tree of ${size} leaves has no leaf ${leaf}`);
  const path: Buffer[] = [];
  for (let [from, to] = [0, size]; to - from > 1;) {
    const split = from + splitOf(to - from);
    if (leaf < split) {
      path.push(rootOfRange(split, to, nodeAt));
      to = split;
    } else {
      path.push(rootOfRange(from, split, nodeAt));
      from = split;
    }
  }
  return path.toReversed();
}

/**
 * The proof that the tree of `to` leaves begins with the tree of `from` leaves (RFC 6962 §2.1.2); empty when they are one, or `from` is 0.
 * @throws RangeError when `from` is larger than `to`
 */
export function consistencyProof(from: number, to: number, nodeAt: NodeAt): Buffer[] {
  if (!(from >= 0 && from <= to)) throw new RangeError(`a tree of ${to} leaves has none of ${from}`);
  if (from === 0 || from === to) return [];
  const path: Buffer[] = [];
  let whole = true;
  let [low, high] = [0, to];
  while (from !== high) {
    const split = low + splitOf(high - low);
    if (from <= split) {
      path.push(rootOfRange(split, high, nodeAt));
      high = split;
    } else {
      path.push(rootOfRange(low, split, nodeAt));
      low = split;
      whole = false;
    }
  }
  if (!whole) path.push(rootOfRange(low, high, nodeAt));
  return path.toReversed();
}

/** Whether `proof` leads from a leaf to the root of the tree of `size` leaves (RFC 9162 §2.1.3.2). */
export function provesInclusion(leaf: number, size: number, leafHash: Buffer, proof: readonly Buffer[], root: Buffer): boolean {
  if (!(leaf >= 0 && leaf < size)) return false;
  let [index, last, node] = [leaf, size - 1, leafHash];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      node = parentOf(sibling, node);
      while (index % 2 === 0 && index > 0) [index, last] = [index / 2, Math.floor(last / 2)];
    } else {
      node = parentOf(node, sibling);
    }
    [index, last] = [Math.floor(index / 2), Math.floor(last / 2)];
  }
  return last === 0 && node.equals(root);
}

/** Whether `proof` shows that the tree of `to` leaves with `toRoot` begins with that of `from` leaves with `fromRoot` (RFC 9162 §2.1.4.2). */
export function provesConsistency(from: number, fromRoot: Buffer, to: number, toRoot: Buffer, proof: readonly Buffer[]): boolean {
  if (from > to) return false;
  if (from === 0) return proof.length === 0;
  if (from === to) return proof.length === 0 && fromRoot.equals(toRoot);
  const path = Number.isInteger(Math.log2(from)) ? [fromRoot, ...proof] : [...proof];
  const [first, ...rest] = path;
  if (!first) return false;
  let [index, last] = [from - 1, to - 1];
  while (index % 2 === 1) [index, last] = [Math.floor(index / 2), Math.floor(last / 2)];
  let [older, newer] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      older = parentOf(sibling, older);
      newer = parentOf(sibling, newer);
      while (index % 2 === 0 && index > 0) [index, last] = [index / 2, Math.floor(last / 2)];
    } else {
      newer = parentOf(newer, sibling);
    }
    [index, last] = [Math.floor(index / 2), Math.floor(last / 2)];
  }
  return last === 0 && older.equals(fromRoot) && newer.equals(toRoot);
}
