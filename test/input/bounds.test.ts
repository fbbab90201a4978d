// The bounds of any JSON from outside: each at its edge, and one step beyond it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_DEPTH, MAX_KEYS, MAX_STRING_BYTES, escapePointer, faultOf } from '../../src/input/bounds.ts';

const BEYOND = 'is beyond ±(2^53−1), where numbers stop being exact; send it as a string';
const UNSTORABLE = 'holds NUL or a lone surrogate, which cannot be kept';

const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));
/** `levels` objects, or arrays, in each other. */
const nested = (levels: number, wrap: (inner: unknown) => unknown) => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i += 1) value = wrap(value);
  return value;
};

describe('the bounds', () => {
  it('are those of the contract', () => {
    expect([MAX_KEYS, MAX_DEPTH, MAX_STRING_BYTES]).toEqual([64, 8, 16_384]);
  });

  it('hold an object to 64 keys, on every level', () => {
    expect(faultOf(keys(64), 8)).toBeNull();
    expect(faultOf(keys(65), 8)).toEqual({ pointer: '', detail: 'has 65 keys; at most 64 are taken' });
    expect(faultOf({ a: [{ b: keys(65) }] }, 8)).toEqual({ pointer: '/a/0/b', detail: 'has 65 keys; at most 64 are taken' });
    expect(faultOf({ a: Array.from({ length: 1000 }, (_, i) => i) }, 8), 'arrays have no keys').toBeNull();
  });

  it.each([
    ['objects', (inner: unknown) => ({ a: inner }), '/a'],
    ['arrays', (inner: unknown) => [inner], '/0'],
  ])('hold %s to 8 levels, and say where the ninth begins', (_, wrap, step) => {
    expect(faultOf(nested(8, wrap), 8)).toBeNull();
    expect(faultOf(nested(9, wrap), 8)).toEqual({ pointer: step.repeat(8), detail: 'is nested deeper than 8 levels' });
    expect(faultOf(nested(10_000, wrap), 8)?.pointer).toBe(step.repeat(8));
    expect(faultOf(nested(100_000, wrap), 8)?.pointer).toBe(step.repeat(8));
  });

  it('count levels of empty objects and arrays too', () => {
    expect(
      faultOf(
        nested(7, (inner) => (inner === 1 ? {} : [inner])),
        8,
      ),
    ).toBeNull();
    expect(faultOf([[[]]], 2)?.detail).toMatch(/nested deeper/);
  });

  it.each([
    ['one byte a character', 'a', 16_384],
    ['two bytes', 'é', 8192],
    ['three bytes', '€', 5461],
    ['four bytes, two units', '😀', 4096],
  ])('hold a string to 16 KiB of UTF-8, not of characters: %s', (_, char, most) => {
    expect(faultOf({ text: char.repeat(most) }, 8)).toBeNull();
    expect(faultOf({ text: char.repeat(most + 1) }, 8)).toEqual({ pointer: '/text', detail: 'is longer than 16384 bytes' });
    expect(faultOf({ [char.repeat(most + 1)]: 1 }, 8)).toEqual({ pointer: '', detail: 'has a key that is longer than 16384 bytes' });
  });

  it.each([0, -0, 1, -1, 0.1, 1e-320, 2 ** 53 - 1, -(2 ** 53 - 1), 4_503_599_627_370_495.5])('take the number %d', (number) => {
    expect(faultOf({ number }, 8)).toBeNull();
  });

  it.each(['9007199254740992', '-9007199254740992', '9007199254740993', '1e16', '1e308', '1e400', '-1e400', '9007199254740991.5'])(
    'refuse %s as it comes from the wire',
    (number) => {
      expect(faultOf(JSON.parse(`{"a":[${number}]}`), 8)).toEqual({ pointer: '/a/0', detail: BEYOND });
    },
  );

  it('refuse __proto__ by name wherever it stands', () => {
    const detail = 'has a key "__proto__", which is never taken';
    expect(faultOf(JSON.parse('{"__proto__":{"x":1}}'), 8)).toEqual({ pointer: '', detail });
    expect(faultOf(JSON.parse('{"a":[1,{"b":{"__proto__":1}}]}'), 8)).toEqual({ pointer: '/a/1/b', detail });
  });

  it('take constructor and the like as the plain words that they are', () => {
    expect(faultOf(JSON.parse('{"constructor":1,"prototype":{"toString":"x"},"__defineGetter__":[]}'), 8)).toBeNull();
  });

  it.each(['\0', 'a\0b', '\ud800', 'a\udfff', '\udc00\ud800'])('refuse %j in a value and in a key', (text) => {
    expect(faultOf([text], 8)).toEqual({ pointer: '/0', detail: UNSTORABLE });
    expect(faultOf({ a: { [text]: 1 } }, 8)).toEqual({ pointer: '/a', detail: `has a key that ${UNSTORABLE}` });
  });

  it('take every character that UTF-8 can hold but NUL', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(faultOf([text], 8) === null).toBe(!text.includes('\0'));
      }),
    );
  });

  it('take null, booleans and what is empty', () => {
    for (const value of [null, true, false, '', {}, [], [null], { '': '' }]) expect(faultOf(value, 8)).toBeNull();
  });
});

describe('any JSON', () => {
  /** The bounds as one would write them who need not fear for his stack. */
  function isWithin(value: unknown, depth: number): boolean {
    if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0') && Buffer.byteLength(value) <= 16_384;
    if (typeof value === 'number') return Number.isFinite(value) && Math.abs(value) < 2 ** 53;
    if (typeof value !== 'object' || value === null) return true;
    const members = Object.entries(value).flat();
    if (depth === 0 || members.includes('__proto__')) return false;
    return (Array.isArray(value) || members.length <= 128) && members.every((member) => isWithin(member, depth - 1));
  }

  it('is within the bounds exactly when a naive reading of them says so', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'binary-ascii' }),
      fc.double(),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.constant('\ud800'),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'medium' },
        leaf,
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('tree'), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(tree, fc.integer({ min: 0, max: 8 }), (value, depth) => {
        expect(faultOf(value, depth) === null).toBe(isWithin(value, depth));
      }),
      { numRuns: 2000 },
    );
  });

  it('has its fault where the pointer says', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constantFrom('a/b', 'm~n', '~1')), { maxLength: 7 }),
        (path) => {
          fc.pre(!path.includes('__proto__'));
          const value = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), 2 ** 60);
          const { pointer = '' } = faultOf(value, 8) ?? {};
          const steps = pointer.split('/').slice(1);
          expect(steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))).toEqual(path);
        },
      ),
    );
  });
});

describe('a key in a pointer', () => {
  it('is escaped as RFC 6901 has it, and cut after 128 units', () => {
    expect(escapePointer('a/b~c')).toBe('a~1b~0c');
    expect(escapePointer('~1')).toBe('~01');
    expect(escapePointer('x'.repeat(16_384))).toBe('x'.repeat(128));
  });
});
