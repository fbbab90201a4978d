// Inclusion proofs of many records in one tree, one after the other: what the proofs of neighbours have in common is made once.

import { type HashOf, inclusionSpans, rangeOf, rootOf } from './merkle.ts';

/** More hashes than two proofs of one tree can have. */
const REMEMBERED = 128;

/**
 * The proof of a record by its seq, 64 hex digits a hash; quickest where seqs rise.
 * @param size of the tree, in records
 */
export function createProver(size: number, hashOf: HashOf): (seq: number) => string[] {
  const known = new Map<string, string>();

  /** The oldest of those that were not asked for since is forgotten. */
  function remember(span: string, root: string): string {
    known.delete(span);
    known.set(span, root);
    for (const oldest of known.keys()) {
      if (known.size <= REMEMBERED) break;
      known.delete(oldest);
    }
    return root;
  }

  return (seq) =>
    inclusionSpans(seq - 1, size).map(([begin, end]) => {
      const span = `${begin}-${end}`;
      return remember(span, known.get(span) ?? rootOf(rangeOf(begin, end, hashOf)));
    });
}
