// What a proof needs of a tree, gathered while the records that it stands over are read once: nothing else of the tree is kept.

import { type Range, type Span, type Subtree, append, hashesOf, rootOf, subtreesIn, subtreesOf } from './merkle.ts';

export interface Gathering {
  /** To be told of every record behind the range that it began with, in order. */
  onRecord(seq: number, hash: string): void;
  /** The hashes of the proof; null when something of it was gone before this began. */
  proof(): string[] | null;
  /** The root over one of the sizes; null when it was gone, or has not been reached. */
  rootAt(size: number): string | null;
}

/**
 * @param begin the tree of the records that were pruned; an empty one of a log that is whole
 * @param spans of the proof
 * @param sizes of the trees whose roots are asked for
 */
export function createGathering(begin: Range, spans: readonly Span[], sizes: readonly number[]): Gathering {
  const wanted = new Set(subtreesIn(spans).map(nameOf));
  const known = new Map<string, string>();
  const roots = new Map<number, string>();
  let range = begin;

  function learn(subtree: Subtree, hash: string): void {
    const name = nameOf(subtree);
    if (wanted.has(name)) known.set(name, hash);
  }

  function reach(): void {
    if (sizes.includes(range.end)) roots.set(range.end, rootOf(range));
  }

  subtreesOf(0, begin.end).forEach((subtree, i) => learn(subtree, begin.hashes[i] ?? ''));
  reach();
  return {
    onRecord(seq, hash) {
      learn({ level: 0, index: seq - 1 }, hash);
      range = append(range, hash, learn);
      reach();
    },
    proof() {
      return known.size < wanted.size ? null : hashesOf(spans, (subtree) => known.get(nameOf(subtree)) ?? '');
    },
    rootAt: (size) => roots.get(size) ?? null,
  };
}

function nameOf({ level, index }: Subtree): string {
  return `${level}/${index}`;
}
