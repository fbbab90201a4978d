// The Merkle tree beside the records: the same root whichever of its rows are there, and completed where some are missing.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rootOf } from '../../src/audit/merkle.ts';
import { OURSELVES } from '../../src/recorder/caller.ts';
import { pruneChange } from '../../src/recorder/prune.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

let path: WritePath;
beforeEach(() => (path = openWritePath({ policy: 'version: 1\nrules: {}\n' })));
afterEach(() => path[Symbol.dispose]());

async function fill(records: number): Promise<void> {
  await Promise.all(Array.from({ length: records }, async () => path.report()));
}

const rows = () => path.db.prepare('SELECT level, n, hex(hash) FROM tree ORDER BY level, n').all();
const roots = () => Array.from({ length: path.store.records.head().seq }, (_, i) => rootOf(path.store.tree.at(i + 1)));

async function prune(to: number): Promise<void> {
  const { seq } = path.store.records.head();
  path.store.meta.setSynced({ seq, offset: 1, first: 1 });
  await path.queue.submit(pruneChange({ to, by: OURSELVES }));
}

describe('the tree of a store', () => {
  it.each([15, 16, 17, 300])('that was kept without one is completed when it is opened: of %i records', async (records) => {
    await fill(records);
    const [before, known] = [rows(), roots()];
    path.db.exec('DELETE FROM tree');
    path.restart();
    expect(rows()).toEqual(before);
    expect(roots()).toEqual(known);
  });

  it.each([
    ['at the end of a subtree', 32],
    ['within one', 37],
  ])('that was pruned %s is left as it is when it is opened, and goes on', async (_, to) => {
    await fill(50);
    const known = roots();
    await prune(to);
    const before = rows();
    path.restart();
    expect(rows()).toEqual(before);
    await fill(100);
    path.restart();
    expect(roots().slice(0, known.length)).toEqual(known);
    expect(path.store.tree.at(path.store.records.head().seq)).toEqual(path.queue.tree);
  });

  it('that was pruned is completed from there, where what came after it is missing', async () => {
    await fill(60);
    await prune(20);
    const [before, known] = [rows(), roots()];
    path.db.exec('DELETE FROM tree WHERE level > 0 AND n > 0');
    path.restart();
    expect(rows()).toEqual(before);
    expect(roots()).toEqual(known);
  });
});

describe('a subtree of which nothing is there', () => {
  it('has no hash', async () => {
    await fill(3);
    expect(() => path.store.tree.hashOf({ level: 0, index: 3 })).toThrow(RangeError);
    expect(() => path.store.tree.at(4)).toThrow('the store holds no subtree 3 of level 0');
  });
});
