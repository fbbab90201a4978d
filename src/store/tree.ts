// The Merkle tree over the records as rows: every fourth level of it, so that any subtree is a few lookups away.

import { type HashOf, type Range, type Subtree, append, nodeHash, rangeOf, subtreesOf } from '../audit/merkle.ts';
import type { Db } from './database.ts';

/** A subtree of another level is made of its halves: sixteen lookups at most. */
const KEPT_LEVELS = 4;
/** More than records can be counted with. */
const MAX_LEVELS = 53;
const CHUNK = 1000;

export interface TreeTable {
  /** The hash of a complete subtree. @throws RangeError when it is not there */
  readonly hashOf: HashOf;
  /** The tree over the first `size` records. */
  at(size: number): Range;
  /** Keeps a subtree that was completed, if it is of a level that is kept. */
  keep(subtree: Subtree, hash: string): void;
  /** Keeps the hashes of records 1 to `to`, whose lines are about to be pruned. */
  keepLeaves(to: number): void;
  /** Keeps a tree whose records were pruned before this store was made: of it there is nothing but these hashes. */
  keepRange(range: Range): void;
  /** Adds what is missing of the tree over `size` records, such as all of it in a store that was kept without one. */
  complete(size: number): void;
}

export function createTree(db: Db): TreeTable {
  const insert = db.prepare<[number, number, string]>('INSERT INTO tree VALUES (?, ?, unhex(?)) ON CONFLICT DO NOTHING');
  const kept = db.prepare<[number, number], string>('SELECT lower(hex(hash)) FROM tree WHERE level = ? AND n = ?').pluck();
  const leaf = db.prepare<[number], string>('SELECT substr(line, -66, 64) FROM records WHERE seq = ?').pluck();
  const leaves = db
    .prepare<[number, number], string>('SELECT substr(line, -66, 64) FROM records WHERE seq > ? ORDER BY seq LIMIT ?')
    .pluck();
  const keepLeaves = db.prepare<[number]>(
    'INSERT INTO tree SELECT 0, seq - 1, unhex(substr(line, -66, 64)) FROM records WHERE seq <= ? ON CONFLICT DO NOTHING',
  );
  const count = db.prepare<[number], number>('SELECT coalesce(max(n) + 1, 0) FROM tree WHERE level = ?').pluck();
  /** How many records have all of their subtrees here. */
  const covered = () => Math.max(...Array.from({ length: MAX_LEVELS }, (_, level) => (count.get(level) ?? 0) * 2 ** level));

  const hashOf: HashOf = ({ level, index }) => {
    const found = (level === 0 ? leaf.get(index + 1) : undefined) ?? kept.get(level, index);
    if (found !== undefined) return found;
    if (level % KEPT_LEVELS === 0) throw new RangeError(`the store holds no subtree ${index} of level ${level}`);
    return nodeHash(hashOf({ level: level - 1, index: 2 * index }), hashOf({ level: level - 1, index: 2 * index + 1 }));
  };
  const keep: TreeTable['keep'] = ({ level, index }, of) => {
    if (level % KEPT_LEVELS === 0) insert.run(level, index, of);
  };
  const at = (size: number) => rangeOf(0, size, hashOf);

  return {
    hashOf,
    at,
    keep,
    keepLeaves: (to) => void keepLeaves.run(to),
    keepRange({ begin, end, hashes }) {
      subtreesOf(begin, end).forEach(({ level, index }, i) => void insert.run(level, index, hashes[i] ?? ''));
    },
    complete(size) {
      let end = covered();
      if (size - (size % 2 ** KEPT_LEVELS) <= end) return;
      for (let range = at(end); end < size; end = range.end) {
        const next = leaves.all(end, Math.min(CHUNK, size - end));
        if (next.length === 0) throw new RangeError(`the store holds no record ${end + 1}`);
        for (const each of next) range = append(range, each, keep);
      }
    },
  };
}
