// Proofs made one after the other, and proofs gathered in one reading: those of the book, from a whole log and from one that was pruned.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGathering } from '../../src/audit/gathering.ts';
import { type HashOf, type Range, append, consistencySpans, emptyRange, inclusionSpans } from '../../src/audit/merkle.ts';
import { createProver } from '../../src/audit/prover.ts';
import { pathOf, proofOf, rootOf } from '../support/tree.ts';

const LEAVES = Array.from({ length: 200 }, (_, i) => createHash('sha256').update(`leaf ${i}`).digest('hex'));
const subtrees = new Map<string, string>();
const FRONTIERS: Range[] = [emptyRange()];
for (const [index, leaf] of LEAVES.entries()) {
  subtrees.set(`0/${index}`, leaf);
  FRONTIERS.push(append(FRONTIERS[index] ?? emptyRange(), leaf, (of, hash) => subtrees.set(`${of.level}/${of.index}`, hash)));
}

describe('a prover', () => {
  it('gives the proof of the book for any records in any order', () => {
    const hashOf: HashOf = ({ level, index }) => subtrees.get(`${level}/${index}`) ?? '';
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(fc.nat(), { maxLength: 30 }), (size, some) => {
        const prove = createProver(size, hashOf);
        for (const n of some) expect(prove(1 + (n % size))).toEqual(pathOf(n % size, LEAVES.slice(0, size)));
      }),
    );
  });

  it('asks the fewer subtrees the nearer two records are', () => {
    let asked = 0;
    const prove = createProver(200, ({ level, index }) => {
      asked += 1;
      return subtrees.get(`${level}/${index}`) ?? '';
    });
    prove(1);
    const first = asked;
    prove(2);
    expect(asked - first).toBe(1);
    for (let seq = 3; seq <= 200; seq += 1) prove(seq);
    expect(asked).toBeLessThan(2.5 * 200);
  });
});

describe('a gathering', () => {
  /** Reads all records behind `begin`. */
  function read(begin: Range, ...[spans, sizes]: [Parameters<typeof createGathering>[1], number[]]) {
    const gathering = createGathering(begin, spans, sizes);
    LEAVES.forEach((leaf, i) => i >= begin.end && gathering.onRecord(i + 1, leaf));
    return { proof: gathering.proof(), roots: sizes.map(gathering.rootAt) };
  }

  it('gives every proof of inclusion and its root, also from behind what was pruned', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(), (size, n, cut) => {
        const begin = FRONTIERS[cut % size] ?? emptyRange();
        const index = begin.end + (n % (size - begin.end));
        const tree = LEAVES.slice(0, size);
        expect(read(begin, inclusionSpans(index, size), [size])).toEqual({ proof: pathOf(index, tree), roots: [rootOf(tree)] });
      }),
      { numRuns: 300 },
    );
  });

  it('gives every proof of consistency and both roots; from behind what was pruned, those from there on', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(), (to, n, cut) => {
        const from = 1 + (n % to);
        const tree = LEAVES.slice(0, to);
        const whole = { proof: proofOf(from, tree), roots: [rootOf(LEAVES.slice(0, from)), rootOf(tree)] };
        expect(read(emptyRange(), consistencySpans(from, to), [from, to])).toEqual(whole);
        const begin = FRONTIERS[cut % (from + 1)] ?? emptyRange();
        expect(read(begin, consistencySpans(from, to), [from, to])).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  it('says what cannot be made of what is left', () => {
    const begin = FRONTIERS[100] ?? emptyRange();
    expect(read(begin, consistencySpans(37, 150), [37, 150])).toEqual({ proof: null, roots: [null, rootOf(LEAVES.slice(0, 150))] });
    expect(read(begin, inclusionSpans(5, 150), [150])).toMatchObject({ proof: null });
    expect(createGathering(emptyRange(), inclusionSpans(5, 150), [150]).rootAt(150)).toBeNull();
  });
});
