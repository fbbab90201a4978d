// How a body becomes a checked value: the bounds first, then the schema, and faults in words that quote no value.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { line, optional, parseShape, text } from '../../src/input/shape.ts';
import { refusalOf } from '../support/refusal.ts';

const faultsOf = (schema: z.ZodObject, body: unknown) => refusalOf(() => parseShape(schema, body, 'invalid_request')).details.errors;

describe('one line of text', () => {
  it('is trimmed, not empty, at most so many UTF-16 units, and printable', () => {
    const schema = z.strictObject({ name: line(4) });
    expect(parseShape(schema, { name: '\t ab d \n' }, 'invalid_request')).toEqual({ name: 'ab d' });
    expect(parseShape(schema, { name: '😀😀' }, 'invalid_request')).toEqual({ name: '😀😀' });
    for (const long of ['abcde', '😀😀😀', 'e\u0301e\u0301e']) {
      expect(faultsOf(schema, { name: long })).toEqual([{ pointer: '/name', detail: 'must be at most 4 characters' }]);
    }
    expect(faultsOf(schema, { name: 'a\tb' })).toEqual([{ pointer: '/name', detail: 'holds control or bidirectional characters' }]);
  });
});

describe('text', () => {
  it('is trimmed and bounded, and may hold control characters', () => {
    const schema = z.strictObject({ note: text(8) });
    expect(parseShape(schema, { note: ' a\u001b[1m\n' }, 'invalid_request')).toEqual({ note: 'a\u001b[1m' });
    expect(faultsOf(schema, { note: '   ' })).toEqual([{ pointer: '/note', detail: 'must not be empty' }]);
  });
});

describe('an optional field', () => {
  it('is null when it is absent or null, and else what its schema takes', () => {
    const schema = z.strictObject({ n: optional(z.number()) });
    for (const body of [{}, { n: null }, { n: undefined }]) expect(parseShape(schema, body, 'invalid_request')).toEqual({ n: null });
    expect(parseShape(schema, { n: 0 }, 'invalid_request')).toEqual({ n: 0 });
    expect(faultsOf(schema, { n: '0' })).toEqual([{ pointer: '/n', detail: 'must be a number' }]);
  });
});

describe('a body', () => {
  const schema = z.strictObject({ id: line(8), evidence: optional(z.record(z.string(), z.unknown())) });

  it('may have evidence of 8 levels, and is one level itself', () => {
    const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
    expect(parseShape(schema, { id: 'x', evidence: deep(8) }, 'invalid_request')).toMatchObject({ id: 'x' });
    expect(faultsOf(schema, { id: 'x', evidence: deep(9) })?.[0]?.detail).toBe('is nested deeper than 8 levels');
  });

  it('is refused by its first broken bound before its fields are looked at', () => {
    expect(faultsOf(schema, { id: 7, evidence: { n: 2 ** 53 } })).toEqual([
      { pointer: '/evidence/n', detail: 'is beyond ±(2^53−1), where numbers stop being exact; send it as a string' },
    ]);
  });

  it('carries the code that it was asked for', () => {
    expect(refusalOf(() => parseShape(schema, {}, 'invalid_request')).code).toBe('invalid_request');
    expect(refusalOf(() => parseShape(schema, {}, 'invalid_report')).code).toBe('invalid_report');
  });

  it('is never quoted in a refusal: no value comes back to a terminal or a log', () => {
    const secret = fc.stringMatching(/^s3cr3t[a-z0-9]{8,40}$/);
    const bad = z.strictObject({
      a: z.int(),
      b: z.enum(['x', 'y']),
      c: z.iso.datetime(),
      d: line(4),
      e: z.url(),
      f: z.literal(1),
      g: z.array(z.boolean()),
    });
    fc.assert(
      fc.property(secret, (value) => {
        const { message, details } = refusalOf(() =>
          parseShape(bad, { a: value, b: value, c: value, d: value, e: value, f: value, g: [value] }, 'invalid_request'),
        );
        expect(details.errors?.map(({ pointer }) => pointer)).toEqual(['/a', '/b', '/c', '/d', '/e', '/f', '/g/0']);
        expect(message + JSON.stringify(details)).not.toContain('s3cr3t');
      }),
    );
  });
});
