// The Merkle tree over the records as rows: every fourth level of it, so that any subtree is a few lookups away.

import { type HashOf, type Range, type Subtree, append, nodeHash, rangeOf } from '../audit/merkle.ts';
import type { Db } from './database.ts';

/** A subtree of another level is made of its halves: sixteen lookups at most. */
const KEPT_LEVELS = 4;
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
  const count = db.prepare<[], number>(`SELECT coalesce(max(n) + 1, 0) FROM tree WHERE level = ${KEPT_LEVELS}`).pluck();

  const hashOf: HashOf = ({ level, index }) => {
    if (level % KEPT_LEVELS > 0) {
      return nodeHash(hashOf({ level: level - 1, index: 2 * index }), hashOf({ level: level - 1, index: 2 * index + 1 }));
    }
    const found = (level === 0 ? leaf.get(index + 1) : undefined) ?? kept.get(level, index);
    if (found === undefined) throw new RangeError(`the store holds no subtree ${index} of level ${level}`);
    return found;
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
    complete(size) {
      const width = 2 ** KEPT_LEVELS;
      let end = (count.get() ?? 0) * width;
      if (size - end < width) return;
      for (let range = at(end); end < size; end = range.end) {
        const next = leaves.all(end, Math.min(CHUNK, size - end));
        if (next.length === 0) throw new RangeError(`the store holds no record ${end + 1}`);
        for (const each of next) range = append(range, each, keep);
      }
    },
  };
}
