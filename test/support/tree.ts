// The Merkle tree of RFC 6962 word for word, over hashes of leaves; it shares no code with src.

import { createHash } from 'node:crypto';

function nodeOf(left: string, right: string): string {
  return createHash('sha256').update(Buffer.of(1)).update(left, 'hex').update(right, 'hex').digest('hex');
}

/** The largest power of two below `n`. */
function splitOf(n: number): number {
  let split = 1;
  while (split * 2 < n) split *= 2;
  return split;
}

/** MTH, §2.1. @param leaves hashes, 64 hex digits each */
export function rootOf(leaves: readonly string[]): string {
  const [first, ...rest] = leaves;
  if (first === undefined) return createHash('sha256').digest('hex');
  if (rest.length === 0) return first;
  const k = splitOf(leaves.length);
  return nodeOf(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

/** PATH, §2.1.1. @param m index of the leaf, from 0 */
export function pathOf(m: number, leaves: readonly string[]): string[] {
  if (leaves.length <= 1) return [];
  const k = splitOf(leaves.length);
  return m < k
    ? [...pathOf(m, leaves.slice(0, k)), rootOf(leaves.slice(k))]
    : [...pathOf(m - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}

/** PROOF, §2.1.2. @param m leaves of the older tree, at least 1 */
export function proofOf(m: number, leaves: readonly string[], whole = true): string[] {
  if (m === leaves.length) return whole ? [] : [rootOf(leaves)];
  const k = splitOf(leaves.length);
  if (m <= k) return [...proofOf(m, leaves.slice(0, k), whole), rootOf(leaves.slice(k))];
  return [...proofOf(m - k, leaves.slice(k), false), rootOf(leaves.slice(0, k))];
}
