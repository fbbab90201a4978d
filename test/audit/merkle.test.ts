// The tree over the records, held against the published vectors of RFC 6962, a naive tree by the book, and proofs that were tampered with.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type HashOf,
  type Range,
  type Subtree,
  append,
  consistencySpans,
  emptyRange,
  extendsTree,
  hashesOf,
  includes,
  inclusionSpans,
  join,
  rangeOf,
  rootOf,
  subtreesIn,
  subtreesOf,
} from '../../src/audit/merkle.ts';

const sha256 = (...parts: (Buffer | string)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
const leafOf = (bytes: Buffer | string) => sha256(Buffer.of(0), bytes);
const nodeOf = (left: string, right: string) => sha256(Buffer.of(1), Buffer.from(left, 'hex'), Buffer.from(right, 'hex'));
const inclusionProof = (index: number, size: number, hashOf: HashOf) => hashesOf(inclusionSpans(index, size), hashOf);
const consistencyProof = (from: number, to: number, hashOf: HashOf) => hashesOf(consistencySpans(from, to), hashOf);

/** The largest power of two below `n`, which RFC 6962 calls k. */
function kOf(n: number): number {
  return 2 ** (Math.ceil(Math.log2(n)) - 1);
}

/** RFC 6962 §2.1 word for word, over leaves that are hashed already. What was computed once is kept. */
function byTheBook(leaves: readonly string[]) {
  const known = new Map<number, string>();
  const mth = (begin: number, end: number): string => {
    if (begin === end) return sha256();
    if (end - begin === 1) return String(leaves[begin]);
    const name = begin * 100_000 + end;
    const k = kOf(end - begin);
    const root = known.get(name) ?? nodeOf(mth(begin, begin + k), mth(begin + k, end));
    known.set(name, root);
    return root;
  };
  const path = (m: number, begin: number, end: number): string[] => {
    if (end - begin === 1) return [];
    const k = kOf(end - begin);
    if (m < k) return [...path(m, begin, begin + k), mth(begin + k, end)];
    return [...path(m - k, begin + k, end), mth(begin, begin + k)];
  };
  const subproof = (m: number, begin: number, end: number, whole: boolean): string[] => {
    if (m === end - begin) return whole ? [] : [mth(begin, end)];
    const k = kOf(end - begin);
    if (m <= k) return [...subproof(m, begin, begin + k, whole), mth(begin + k, end)];
    return [...subproof(m - k, begin + k, end, false), mth(begin, begin + k)];
  };
  return { mth, path: (m: number, n: number) => path(m, 0, n), proof: (m: number, n: number) => subproof(m, 0, n, true) };
}

/** Leaves appended one by one, with the frontier after each, and every subtree that was told of. */
function grown(leaves: readonly string[]): { frontiers: Range[]; hashOf: HashOf } {
  const subtrees = new Map<string, string>();
  const nameOf = ({ level, index }: Subtree) => `${level}/${index}`;
  const frontiers = [emptyRange()];
  for (const [index, leaf] of leaves.entries()) {
    subtrees.set(nameOf({ level: 0, index }), leaf);
    frontiers.push(append(frontiers.at(-1) ?? emptyRange(), leaf, (subtree, hash) => subtrees.set(nameOf(subtree), hash)));
  }
  const hashOf = (subtree: Subtree) => {
    const hash = subtrees.get(nameOf(subtree));
    if (hash === undefined) throw new Error(`subtree ${nameOf(subtree)} was never told of`);
    return hash;
  };
  return { frontiers, hashOf };
}

const LEAVES = Array.from({ length: 300 }, (_, i) => leafOf(`leaf ${i}`));
const BOOK = byTheBook(LEAVES);
const { frontiers: FRONTIERS, hashOf: HASH_OF } = grown(LEAVES);
const treeOf = (size: number) => ({ size, root: BOOK.mth(0, size) });
const SIZES = LEAVES.map((_, i) => i + 1);

describe('the published vectors of certificate transparency', () => {
  const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const leaves = inputs.map((hex) => leafOf(Buffer.from(hex, 'hex')));
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  const { frontiers, hashOf } = grown(leaves);

  it('are the roots of our trees of 0 to 8 leaves', () => {
    expect(frontiers.map(rootOf)).toEqual(roots);
  });

  it.each([
    [0, 1, []],
    [
      ...[0, 8],
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      ...[5, 8],
      [
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ],
    [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
    [
      ...[1, 5],
      [
        '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
  ] as [number, number, string[]][])('are our inclusion proof of leaf %i in %i', (index, size, proof) => {
    expect(inclusionProof(index, size, hashOf)).toEqual(proof);
    expect(includes(String(leaves[index]), index, { size, root: String(roots[size]) }, proof)).toBe(true);
    expect(includes(String(leaves[index]), index, { size, root: String(roots[0]) }, proof)).toBe(false);
  });

  it.each([
    [1, 1, []],
    [
      ...[1, 8],
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      ...[6, 8],
      [
        '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ],
    [
      ...[2, 5],
      [
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
    [
      ...[6, 7],
      [
        '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
        'b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ],
  ] as [number, number, string[]][])('are our consistency proof from %i to %i', (from, to, proof) => {
    const older = { size: from, root: String(roots[from]) };
    const newer = { size: to, root: String(roots[to]) };
    expect(consistencyProof(from, to, hashOf)).toEqual(proof);
    expect(extendsTree(older, newer, proof)).toBe(true);
    expect(extendsTree({ ...older, root: String(roots[0]) }, newer, proof)).toBe(false);
    expect(extendsTree(older, { ...newer, root: String(roots[0]) }, proof)).toBe(false);
  });
});

describe('a tree of every size to 300', () => {
  it('has the root that the book says, however it is come by', () => {
    for (const size of SIZES) {
      expect(rootOf(FRONTIERS[size] ?? emptyRange())).toBe(BOOK.mth(0, size));
      expect(FRONTIERS[size]).toEqual(rangeOf(0, size, HASH_OF));
    }
    expect(rootOf(emptyRange())).toBe(sha256());
  });

  it('is told of every subtree that is complete, once, and of no other', () => {
    const told: string[] = [];
    let range = emptyRange();
    for (const leaf of LEAVES) range = append(range, leaf, ({ level, index }, hash) => told.push(`${level}/${index} ${hash}`));
    const expected: string[] = [];
    for (let level = 1; 2 ** level <= 300; level += 1) {
      for (let index = 0; (index + 1) * 2 ** level <= 300; index += 1) {
        expected.push(`${level}/${index} ${BOOK.mth(index * 2 ** level, (index + 1) * 2 ** level)}`);
      }
    }
    expect(told.toSorted()).toEqual(expected.toSorted());
  });

  it('has the inclusion proof of the book for every leaf, and it holds', () => {
    for (const size of SIZES) {
      for (let index = 0; index < size; index += 1) {
        const proof = inclusionProof(index, size, HASH_OF);
        if (proof.join() !== BOOK.path(index, size).join() || !includes(String(LEAVES[index]), index, treeOf(size), proof)) {
          expect.fail(`leaf ${index} of ${size}`);
        }
      }
    }
  });

  it('has the consistency proof of the book from every smaller size, and it holds', () => {
    for (const to of SIZES) {
      for (let from = 1; from <= to; from += 1) {
        const proof = consistencyProof(from, to, HASH_OF);
        if (proof.join() !== BOOK.proof(from, to).join() || !extendsTree(treeOf(from), treeOf(to), proof)) {
          expect.fail(`from ${from} to ${to}`);
        }
      }
    }
  });

  it('is the join of its stretches at every split', () => {
    for (const size of [1, 2, 3, 63, 64, 65, 100, 255, 256, 257, 300]) {
      for (let split = 0; split <= size; split += 1) {
        expect(join(rangeOf(0, split, HASH_OF), rangeOf(split, size, HASH_OF))).toEqual(FRONTIERS[size]);
      }
    }
  });

  it('is the join of three stretches, in either order of joining', () => {
    for (let a = 0; a <= 33; a += 1) {
      for (let b = a; b <= 33; b += 1) {
        const [left, middle, right] = [rangeOf(0, a, HASH_OF), rangeOf(a, b, HASH_OF), rangeOf(b, 33, HASH_OF)];
        expect(join(join(left, middle), right)).toEqual(FRONTIERS[33]);
        expect(join(left, join(middle, right))).toEqual(FRONTIERS[33]);
      }
    }
  });

  it('has stretches that can be appended to from wherever they begin', () => {
    for (let begin = 0; begin < 70; begin += 1) {
      let range = emptyRange(begin);
      for (const leaf of LEAVES.slice(begin, 90)) range = append(range, leaf);
      expect(range).toEqual(rangeOf(begin, 90, HASH_OF));
    }
  });

  it('is not joined of stretches with a gap or an overlap', () => {
    expect(() => join(rangeOf(0, 5, HASH_OF), rangeOf(6, 9, HASH_OF))).toThrow(RangeError);
    expect(() => join(rangeOf(0, 5, HASH_OF), rangeOf(4, 9, HASH_OF))).toThrow(RangeError);
  });
});

/** Each way to spoil a proof by one hash. */
function spoilt(proof: readonly string[]): [string, string[]][] {
  const flip = (hash: string) => (hash.startsWith('0') ? '1' : '0') + hash.slice(1);
  const other = leafOf('of another log');
  return [
    ...proof.map((hash, i): [string, string[]] => [`hash ${i} flipped`, proof.with(i, flip(hash))]),
    ...proof.map((_, i): [string, string[]] => [`hash ${i} dropped`, proof.toSpliced(i, 1)]),
    ...proof.map((hash, i): [string, string[]] => [`hash ${i} twice`, proof.toSpliced(i, 0, hash)]),
    ...proof
      .slice(1)
      .map((hash, i): [string, string[]] => [`hashes ${i} and ${i + 1} swapped`, proof.with(i, hash).with(i + 1, String(proof[i]))]),
    ...Array.from({ length: proof.length + 1 }, (_, i): [string, string[]] => [`a hash added at ${i}`, proof.toSpliced(i, 0, other)]),
  ];
}

describe('a proof that was tampered with', () => {
  it('of inclusion is refused', () => {
    let tried = 0;
    for (let size = 1; size <= 34; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const [leaf, proof] = [String(LEAVES[index]), inclusionProof(index, size, HASH_OF)];
        for (const [how, wrong] of spoilt(proof)) {
          tried += 1;
          expect(includes(leaf, index, treeOf(size), wrong), `leaf ${index} of ${size}, ${how}`).toBe(false);
        }
      }
    }
    expect(tried).toBeGreaterThan(5000);
  });

  it('of inclusion is refused for any other place, any other leaf and any other tree', () => {
    for (let size = 1; size <= 34; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const [leaf, proof] = [String(LEAVES[index]), inclusionProof(index, size, HASH_OF)];
        expect(includes(leaf, -1, treeOf(size), proof)).toBe(false);
        for (let other = 0; other <= 36; other += 1) {
          if (other !== index) {
            expect(includes(leaf, other, treeOf(size), proof), `leaf ${index} of ${size} as ${other}`).toBe(false);
            expect(includes(String(LEAVES[other]), index, treeOf(size), proof)).toBe(false);
          }
          if (other !== size) {
            expect(includes(leaf, index, treeOf(other), proof), `leaf ${index} of ${size} in ${other}`).toBe(false);
          }
        }
      }
    }
  });

  it('of inclusion is refused for another size with the same root, where its length would be another', () => {
    for (let size = 1; size <= 34; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const proof = inclusionProof(index, size, HASH_OF);
        for (let other = index + 1; other <= 70; other += 1) {
          if (inclusionSpans(index, other).length !== proof.length) {
            expect(includes(String(LEAVES[index]), index, { ...treeOf(size), size: other }, proof)).toBe(false);
          }
        }
      }
    }
  });

  it('of consistency is refused', () => {
    let tried = 0;
    for (let to = 1; to <= 34; to += 1) {
      for (let from = 1; from <= to; from += 1) {
        for (const [how, wrong] of spoilt(consistencyProof(from, to, HASH_OF))) {
          tried += 1;
          expect(extendsTree(treeOf(from), treeOf(to), wrong), `${from} to ${to}, ${how}`).toBe(false);
        }
      }
    }
    expect(tried).toBeGreaterThan(5000);
  });

  it('of consistency is refused for any other two trees', () => {
    for (let to = 1; to <= 34; to += 1) {
      for (let from = 1; from < to; from += 1) {
        const proof = consistencyProof(from, to, HASH_OF);
        for (let other = 0; other <= 36; other += 1) {
          if (other !== from && other !== to) {
            expect(extendsTree(treeOf(other), treeOf(to), proof), `${other} for ${from} to ${to}`).toBe(false);
            expect(extendsTree(treeOf(from), treeOf(other), proof), `${from} to ${other} for ${to}`).toBe(false);
          }
        }
        expect(extendsTree(treeOf(to), treeOf(from), proof)).toBe(false);
      }
    }
  });

  it('of consistency is refused for a tree whose past was changed in any one leaf', () => {
    for (let at = 0; at < 21; at += 1) {
      const forged = byTheBook(LEAVES.with(at, leafOf('forged')));
      for (let from = at + 1; from < 21; from += 1) {
        expect(extendsTree(treeOf(from), { size: 21, root: forged.mth(0, 21) }, forged.proof(from, 21))).toBe(false);
        expect(extendsTree({ size: from, root: forged.mth(0, from) }, { size: 21, root: forged.mth(0, 21) }, forged.proof(from, 21))).toBe(
          true,
        );
      }
    }
  });

  it.each(['', 'zz'.repeat(32), '00', LEAVES[1]?.toUpperCase(), `${LEAVES[1]} `, `${LEAVES[1]}00`])(
    'is refused when it holds a hash that is none, whatever was hashed before: %j',
    (wrong) => {
      const [leaf, next, tree] = [String(LEAVES[0]), String(LEAVES[1]), treeOf(2)];
      for (const [of, proof] of [
        [leaf, [String(wrong)]],
        [String(wrong), [next]],
        [String(wrong), [String(wrong)]],
      ] as const) {
        expect(includes(leaf, 0, tree, [next])).toBe(true);
        expect(includes(of, 0, tree, proof)).toBe(false);
        expect(extendsTree({ size: 1, root: leaf }, tree, [next])).toBe(true);
        expect(extendsTree({ size: 1, root: of }, tree, proof)).toBe(false);
      }
    },
  );
});

/** A log whose leaves are all the same: a tree of any size can be had, since each subtree is told by its size alone. */
const SAME = leafOf('again');
const COMPLETE = [SAME];
for (let level = 0; level < 53; level += 1) COMPLETE.push(nodeOf(String(COMPLETE[level]), String(COMPLETE[level])));
const SAME_OF: HashOf = ({ level }) => String(COMPLETE[level]);

function sameMth(size: number): string {
  let level = 0;
  while (2 ** (level + 1) < size) level += 1;
  if (size === 1) return SAME;
  return nodeOf(String(COMPLETE[level]), size === 2 ** (level + 1) ? String(COMPLETE[level]) : sameMth(size - 2 ** level));
}

describe('larger trees', () => {
  it('of other leaves each have the proofs of the book, and are the join of their stretches', () => {
    const leaves = Array.from({ length: 3000 }, (_, i) => leafOf(`large ${i}`));
    const book = byTheBook(leaves);
    const { frontiers, hashOf } = grown(leaves);
    const size = fc.integer({ min: 1, max: 3000 });
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), (to, a, b) => {
        const [index, from] = [a % to, 1 + (b % to)];
        const tree = { size: to, root: book.mth(0, to) };
        expect(rootOf(frontiers[to] ?? emptyRange())).toBe(tree.root);
        expect(inclusionProof(index, to, hashOf)).toEqual(book.path(index, to));
        expect(includes(String(leaves[index]), index, tree, book.path(index, to))).toBe(true);
        expect(consistencyProof(from, to, hashOf)).toEqual(book.proof(from, to));
        expect(extendsTree({ size: from, root: book.mth(0, from) }, tree, book.proof(from, to))).toBe(true);
        expect(join(rangeOf(0, from, hashOf), rangeOf(from, to, hashOf))).toEqual(frontiers[to]);
        for (const [how, wrong] of spoilt(book.path(index, to)))
          expect(includes(String(leaves[index]), index, tree, wrong), how).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it('of up to 2^50 leaves have proofs that hold, of no more hashes than their height allows', () => {
    const size = fc.integer({ min: 1, max: 50 }).chain((bits) => fc.integer({ min: 2 ** (bits - 1), max: 2 ** bits }));
    fc.assert(
      fc.property(size, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (to, at) => {
        const index = Math.floor(at * to);
        const tree = { size: to, root: sameMth(to) };
        const older = { size: index + 1, root: sameMth(index + 1) };
        const [inclusion, consistency] = [inclusionProof(index, to, SAME_OF), consistencyProof(index + 1, to, SAME_OF)];
        expect(rootOf(rangeOf(0, to, SAME_OF))).toBe(tree.root);
        expect(includes(SAME, index, tree, inclusion)).toBe(true);
        expect(extendsTree(older, tree, consistency)).toBe(true);
        expect(join(rangeOf(0, index, SAME_OF), rangeOf(index, to, SAME_OF))).toEqual(rangeOf(0, to, SAME_OF));
        expect(inclusion.length).toBeLessThanOrEqual(Math.ceil(Math.log2(to)) + 1);
        expect(consistency.length).toBeLessThanOrEqual(63);
        for (const [how, wrong] of spoilt(consistency).filter(([, each]) => each.join() !== consistency.join())) {
          expect(extendsTree(older, tree, wrong), how).toBe(false);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('the subtrees of a stretch', () => {
  it('cover it without a gap, each as large as its place allows', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 20), fc.nat(2 ** 20), (begin, length) => {
        let at = begin;
        for (const { level, index } of subtreesOf(begin, begin + length)) {
          expect(index * 2 ** level).toBe(at);
          const isLeft = index % 2 === 0;
          expect(isLeft && at + 2 ** (level + 1) <= begin + length).toBe(false);
          at += 2 ** level;
        }
        expect(at).toBe(begin + length);
      }),
    );
  });

  it('of a proof are all that is asked for its hashes', () => {
    const asked: Subtree[] = [];
    const spans = inclusionSpans(77, 300);
    hashesOf(spans, (subtree) => {
      asked.push(subtree);
      return HASH_OF(subtree);
    });
    expect(asked).toEqual(subtreesIn(spans));
    expect(asked.length).toBeLessThan(20);
  });
});
