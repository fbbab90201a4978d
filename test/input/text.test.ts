// What text may hold, and how near a wrong word is to a known one.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { didYouMean, isPrintable, isStorable, nearest } from '../../src/input/text.ts';

describe('text that cannot forge a line on a terminal', () => {
  it('holds none of the control characters of Unicode, nor what turns or hides its neighbours', () => {
    // By the properties that Unicode gives them, not by the list that the program has.
    const forbidden = /[\p{Cc}\p{Bidi_Control}\u2028\u2029\u200b-\u200d\u2060-\u2064\ufeff]/u;
    for (let point = 0; point <= 0x10ffff; point += 1) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const char = String.fromCodePoint(point);
      if (forbidden.test(char)) expect(isPrintable(`a${char}b`), point.toString(16)).toBe(false);
    }
  });

  it('may hold letters, digits, signs and emoji of any script', () => {
    for (const text of ['a b', 'Zürich', 'данные', '数据', 'العربية', '😀', 'e\u0301', '\u00a0', '~!@#$%^&*()"\\<>']) {
      expect(isPrintable(text), text).toBe(true);
    }
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'Z', '7', ' ', 'ß', '漢', '-', '.', '/', '😀') }), (text) => {
        expect(isPrintable(text)).toBe(true);
      }),
    );
  });
});

describe('text that can be kept', () => {
  it('comes back from UTF-8 as it went in, and has no NUL', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }), (text) => {
        expect(isStorable(text)).toBe(Buffer.from(text).toString() === text && !text.includes('\0'));
      }),
    );
  });
});

describe('the nearest known word', () => {
  const known = ['severity', 'source', 'subject', 'description'];

  it.each([
    ['sevrity', 'severity'],
    ['sevverity', 'severity'],
    ['severtiy', 'severity'],
    ['SEVERITY', 'severity'],
    ['Source', 'source'],
    ['desciption', 'description'],
    ['subjekt', 'subject'],
  ])('to %s is %s', (word, expected) => {
    expect(nearest(word, known)).toBe(expected);
    expect(didYouMean(word, known)).toBe(`; did you mean "${expected}"?`);
  });

  it.each(['banana', 'x', '', 'sev', 'constructor', '__proto__', 'severity_of_all'])('to %j is none', (word) => {
    expect(nearest(word, known)).toBeUndefined();
    expect(didYouMean(word, known)).toBe('');
  });

  it.each([
    ['x', 'to'],
    ['ab', 'cd'],
    ['id', 'url'],
  ])('to a word as short as %s is not simply any other, such as %s', (word, other) => {
    expect(nearest(word, [other])).toBeUndefined();
    expect(nearest(word, [`${word}s`])).toBe(`${word}s`);
  });

  /** Levenshtein by its definition. */
  function distance(a: string, b: string): number {
    if (a === '' || b === '') return a.length + b.length;
    const [x, y] = [a.slice(1), b.slice(1)];
    return a[0] === b[0] ? distance(x, y) : 1 + Math.min(distance(x, b), distance(a, y), distance(x, y));
  }

  it('is at most two edits away, and no other is nearer', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 3, maxLength: 6 });
    fc.assert(
      fc.property(word, fc.array(word, { maxLength: 4 }), (sought, among) => {
        const least = Math.min(...among.map((each) => distance(sought, each)));
        const found = nearest(sought, among);
        if (least > 2) expect(found).toBeUndefined();
        else expect(distance(sought, found ?? '')).toBe(least);
      }),
    );
  });

  it('to a word of 16 KiB is looked for by the beginning of it only', () => {
    expect(nearest('x'.repeat(16_384), known)).toBeUndefined();
    expect(nearest('severity'.padEnd(16_384, 'x'), [`severity${'x'.repeat(56)}`])).toBeDefined();
  });
});
