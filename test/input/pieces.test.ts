// A large JSON object in pieces: the same as JSON.parse makes of it, however its bytes come, and refused where that refuses it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Piece, createPieces } from '../../src/input/pieces.ts';

/** The pieces of a text that comes in blocks of so many bytes. */
function piecesOf(text: string | Buffer, size: number, opened: readonly string[] = ['list', 'map']): Piece[] {
  const pieces = createPieces(opened);
  const bytes = Buffer.from(text);
  const found: Piece[] = [];
  // Each block in its own memory, which is written over when the next one comes.
  const memory = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(memory, 0, at, at + size);
    found.push(...pieces.take(memory.subarray(0, length)));
    memory.fill('"');
  }
  pieces.end();
  return found;
}

/** What the pieces make together. */
function together(pieces: readonly Piece[]): Record<string, unknown> {
  const whole: Record<string, unknown> = {};
  for (const { name, key, value } of pieces) {
    if (name === 'list') ((whole[name] ??= []) as unknown[]).push(value);
    else if (name === 'map') ((whole[name] ??= {}) as Record<string, unknown>)[String(key)] = value;
    else whole[name] = value;
  }
  return whole;
}

const value = fc.jsonValue({ maxDepth: 3 }).map((each) => JSON.parse(JSON.stringify(each)) as unknown);
const name = fc
  .string({ unit: 'binary', maxLength: 6 })
  .filter((text) => text.isWellFormed() && !['__proto__', 'list', 'map'].includes(text));

describe('an object in pieces', () => {
  it('is what JSON.parse makes of it, in blocks of any size', () => {
    fc.assert(
      fc.property(
        fc.dictionary(name, value, { noNullPrototype: true }),
        fc.array(value, { minLength: 1 }),
        fc.dictionary(name, value, { minKeys: 1, noNullPrototype: true }),
        fc.constantFrom('', ' ', '\t', 2),
        fc.integer({ min: 1, max: 40 }),
        (members, list, map, space, size) => {
          const whole = { ...members, list, map };
          expect(together(piecesOf(JSON.stringify(whole, null, space), size))).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has its list entry by entry, its map by its names, and what is not to be opened whole', () => {
    const text = '{"list":[1,"a",{"b":[2]}],"map":{"x":1,"y":null},"other":[1,2],"list2":[3]}';
    for (const size of [1, 2, 7, 100])
      expect(piecesOf(text, size)).toEqual([
        { name: 'list', key: null, value: 1 },
        { name: 'list', key: null, value: 'a' },
        { name: 'list', key: null, value: { b: [2] } },
        { name: 'map', key: 'x', value: 1 },
        { name: 'map', key: 'y', value: null },
        { name: 'other', key: null, value: [1, 2] },
        { name: 'list2', key: null, value: [3] },
      ]);
    expect(piecesOf('{"list":[],"map":{}}', 1)).toEqual([]);
    expect(piecesOf('{"list":7}', 1)).toEqual([{ name: 'list', key: null, value: 7 }]);
  });

  it.each([
    ...[
      '',
      ' ',
      '{',
      '[]',
      '"a"',
      '7',
      'null',
      '{]',
      '{"a"}',
      '{"a":}',
      '{"a":1',
      '{"a":1,}',
      '{,}',
      '{a:1}',
      "{'a':1}",
      '{"a" 1}',
      '{1:2}',
    ],
    ...['{"a":1}x', '{"a":1}{}', '{"a":1 2}', '{"a":"b"c}', '{"a":1:2}', '{"a":tru}', '{"a":01}', '{"a":1.}', '{"a":"\n"}', '{"a":"\\x"}'],
    ...[
      '{"list":[}',
      '{"list":[1}',
      '{"list":[1,]}',
      '{"list":[,1]}',
      '{"list":[1 2]}',
      '{"list":{"a"]}',
      '{"map":{"a":1]}',
      '{"map":{1:2}}',
    ],
    ...['{"a":{"b":1]}', '{"a":[1}', '{"list":[1]]}', '{"a":1}}', '{"a":1,,"b":2}', '{"a"::1}', '\ufeff{}'],
  ])('is refused where JSON.parse refuses it: %j', (text) => {
    expect(() => JSON.parse(text) as unknown).toSatisfy((parse: () => unknown) => {
      try {
        return typeof parse() !== 'object' || parse() === null || Array.isArray(parse());
      } catch {
        return true;
      }
    });
    for (const size of [1, 3, 100]) expect(() => piecesOf(text, size)).toThrow(/^(is not JSON|ends in the middle)$/);
  });

  it('is refused with a member twice, without UTF-8, nested too deep, or with a piece too long', () => {
    expect(() => piecesOf('{"a":1,"a":1}', 5)).toThrow('has "a" twice');
    expect(() => piecesOf('{"list":[1],"list":[2]}', 5)).toThrow('has "list" twice');
    expect(() => piecesOf(Buffer.from('{"a":"\xe9"}', 'latin1'), 5)).toThrow('is not UTF-8');
    expect(() => piecesOf(`{"a":${'['.repeat(33)}`, 5)).toThrow('is nested deeper than 32 levels');
    expect(piecesOf(`{"a":${'['.repeat(32)}${']'.repeat(32)}}`, 5)).toHaveLength(1);
    const long = 'x'.repeat(8 * 1024 * 1024);
    expect(() => piecesOf(`{"a":"${long}"}`, 65_536)).toThrow('has a part of more than 8388608 bytes');
    expect(() => piecesOf(`{"${long}":1}`, 65_536)).toThrow('has a part of more than');
    expect(piecesOf(`{"list":["${long.slice(2)}","${long.slice(2)}"]}`, 65_536)).toHaveLength(2);
  });
});
