// Where two JSON values differ: nowhere when they are the same in another order, else at a place that can be pointed to.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differenceOf } from '../../src/input/difference.ts';

describe('the difference of two values', () => {
  it('is none exactly when they are equal, whatever the order of their keys', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (a, b) => {
        const [one, other] = [JSON.stringify(a), JSON.stringify(b)].map((text) => JSON.parse(text) as unknown);
        expect(differenceOf(one, structuredClone(one))).toBeNull();
        let equal = true;
        try {
          expect(one).toEqual(other);
        } catch {
          equal = false;
        }
        expect(differenceOf(one, other) === null).toBe(equal);
      }),
      { numRuns: 500 },
    );
    expect(differenceOf({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 })).toBeNull();
  });

  it.each<[unknown, unknown, string]>([
    [1, 2, ''],
    [1, '1', ''],
    [null, {}, ''],
    [[], {}, ''],
    [{ a: 1 }, { a: 2 }, '/a'],
    [{ a: [1, 2] }, { a: [1, 3] }, '/a/1'],
    [{ a: [1] }, { a: [1, 2] }, '/a/1'],
    [{ a: [1, 2] }, { a: [1] }, '/a/1'],
    [{ a: 1 }, {}, '/a'],
    [{}, { a: undefined }, '/a'],
    [{ 'a/b': { '~': 1 } }, { 'a/b': { '~': 2 } }, '/a~1b/~0'],
    [{ a: 1 }, JSON.parse('{"a":1,"__proto__":{}}'), '/__proto__'],
    [JSON.parse('{"__proto__":1}'), {}, '/__proto__'],
  ])('of %j and %j is at %j', (a, b, pointer) => {
    expect(differenceOf(a, b)).toBe(pointer);
  });
});
