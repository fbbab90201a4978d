// A report: which fields it may have, what each may hold, and how each fault is told.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecorderError } from '../../src/errors.ts';
import type { Json } from '../../src/incident/report.ts';
import { parseReport } from '../../src/incident/report-reading.ts';
import { refusalOf } from '../support/refusal.ts';

const LEAST = { class: 'prompt_injection', source: 'tool-firewall', description: 'ignore previous instructions' };
const REPORTS = join(import.meta.dirname, '../fixtures/reports');

const faultsOf = (body: unknown) => refusalOf(() => parseReport(body)).details.errors;
const faultsWith = (more: object) => faultsOf({ ...LEAST, ...more });

describe('a report', () => {
  it('needs class, source and description, and nothing else', () => {
    expect(parseReport(LEAST)).toEqual({
      ...LEAST,
      ...{ severity: null, evidence: null, subject: null, dedup_key: null },
      ...{ confidence: null, occurred_at: null, trace_id: null, attack: null },
    });
  });

  it.each(['class', 'source', 'description'])('without %s is refused by that name', (field) => {
    const detail = [{ pointer: `/${field}`, detail: 'is required' }];
    expect(faultsWith({ [field]: undefined })).toEqual(detail);
    expect(faultsWith({ [field]: null })).toEqual([{ pointer: `/${field}`, detail: 'must be a string' }]);
    expect(faultsWith({ [field]: '' })).toEqual([{ pointer: `/${field}`, detail: 'must not be empty' }]);
    expect(faultsWith({ [field]: ' \t\n ' })).toEqual([{ pointer: `/${field}`, detail: 'must not be empty' }]);
  });

  it('is told of every field that is wrong at once', () => {
    const { code, message, details } = refusalOf(() => parseReport({ class: 7, description: ' ', confidence: 2, Source: 'x' }));
    expect(code).toBe('invalid_report');
    expect(details.errors).toEqual([
      { pointer: '/class', detail: 'must be a string' },
      { pointer: '/source', detail: 'is required' },
      { pointer: '/description', detail: 'must not be empty' },
      { pointer: '/confidence', detail: 'must be at most 1' },
      { pointer: '/Source', detail: 'is not a known field; did you mean "source"?' },
    ]);
    expect(message).toBe(
      'class must be a string; source is required; description must not be empty; confidence must be at most 1; ' +
        'Source is not a known field; did you mean "source"?',
    );
  });

  it.each([null, [], [LEAST], 'text', 7, true, undefined])('that is not one object is refused: %j', (body) => {
    expect(faultsOf(body)).toEqual([{ pointer: '', detail: 'must be an object' }]);
  });

  it.each(['Class', 'SEVERITY', 'sevrity', 'evidences', 'state', 'id', 'constructor', 'toString', 'hasOwnProperty', ''])(
    'with the unknown field %j is refused by its name, and key case matters',
    (field) => {
      const [fault] = faultsWith({ [field]: 'x' }) ?? [];
      expect(fault?.pointer).toBe(`/${field}`);
      expect(fault?.detail).toMatch(/^is not a known field/);
    },
  );

  it('names at most twenty of a body full of unknown fields, and no long name in full', () => {
    const unknown = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${'x'.repeat(1000)}${i}`, 1]));
    const faults = faultsWith(unknown) ?? [];
    expect(faults).toHaveLength(20);
    for (const { pointer } of faults) expect(pointer).toHaveLength(129);
  });

  it.each(['__proto__', 'constructor'])('cannot smuggle %s in from the wire', (key) => {
    const { code } = refusalOf(() => parseReport(JSON.parse(`{"class":"c","source":"s","description":"d","${key}":{"severity":"low"}}`)));
    expect(code).toBe('invalid_report');
  });

  it('holds what real reporters send, unchanged', () => {
    const files = readdirSync(REPORTS);
    expect(files.length).toBeGreaterThanOrEqual(5);
    for (const file of files) {
      const sent = JSON.parse(readFileSync(join(REPORTS, file), 'utf8')) as Record<string, Json>;
      expect(parseReport(sent), file).toMatchObject(sent);
    }
  });
});

describe('its texts', () => {
  const limits = { class: 128, source: 128, description: 4096, dedup_key: 255, trace_id: 128 };

  it.each(Object.entries(limits))('%s takes %d UTF-16 units and not one more', (field, max) => {
    for (const full of ['a'.repeat(max), 'é'.repeat(max), `${'😀'.repeat(Math.floor(max / 2))}${'a'.repeat(max % 2)}`]) {
      expect(full).toHaveLength(max);
      expect(parseReport({ ...LEAST, [field]: full })).toMatchObject({ [field]: full });
      expect(faultsWith({ [field]: `${full}a` })).toEqual([{ pointer: `/${field}`, detail: `must be at most ${max} characters` }]);
    }
    // 65 characters to a reader, 130 units to everyone who has to keep them.
    const emoji = '😀'.repeat(Math.floor(max / 2) + 1);
    expect(faultsWith({ [field]: emoji })).toEqual([{ pointer: `/${field}`, detail: `must be at most ${max} characters` }]);
  });

  it.each(Object.entries(limits))('%s is trimmed before it is measured', (field, max) => {
    const full = 'a'.repeat(max);
    expect(parseReport({ ...LEAST, [field]: ` \n${full}\t ` })).toMatchObject({ [field]: full });
  });

  const oneLine = ['class', 'source', 'dedup_key', 'trace_id'];
  const forging = ['\u0001', '\u0007', '\t', '\n', '\r', '\u001b', '\u007f', '\u0085', '\u009b', '\u061c'];
  const invisible = ['\u200b', '\u200e', '\u200f', '\u2028', '\u2029', '\u202a', '\u202e', '\u2060', '\u2066', '\u2069', '\ufeff'];

  it.each(oneLine)('%s holds no control or bidirectional character', (field) => {
    for (const char of [...forging, ...invisible]) {
      const detail = [{ pointer: `/${field}`, detail: 'holds control or bidirectional characters' }];
      expect(faultsWith({ [field]: `a${char}b` }), JSON.stringify(char)).toEqual(detail);
    }
  });

  it('description and evidence keep theirs, for whoever shows them to escape', () => {
    for (const char of [...forging, ...invisible]) {
      const text = `a${char}b`;
      expect(parseReport({ ...LEAST, description: text, evidence: { [text]: text } })).toMatchObject({
        description: text,
        evidence: { [text]: text },
      });
    }
  });

  it.each(['\0', '\ud800', '\udc00', '\udc00\ud800'])('hold nothing that no file can keep: %j, in any field or key', (bad) => {
    const text = `a${bad}b`;
    for (const field of ['class', 'source', 'description', 'dedup_key', 'trace_id', 'severity', 'occurred_at']) {
      expect(faultsWith({ [field]: text })?.[0]?.detail, field).toBe('holds NUL or a lone surrogate, which cannot be kept');
    }
    for (const more of [
      { evidence: { [text]: 1 } },
      { evidence: { a: [{ b: text }] } },
      { subject: { type: text, id: 'x' } },
      { [text]: 1 },
    ]) {
      expect(faultsWith(more)?.[0]?.detail).toMatch(/holds NUL or a lone surrogate, which cannot be kept$/);
    }
  });
});

describe('any JSON at all', () => {
  it('is taken or refused with a pointer and a reason, and never breaks the reader', () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.string({ unit: 'binary' }), fc.double());
    const body = fc.record(
      {
        ...{ class: value, source: value, description: value, severity: value, evidence: value, subject: value },
        ...{ dedup_key: value, confidence: value, occurred_at: value, trace_id: value, attack: value, other: value },
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(body, (given) => {
        try {
          const report = parseReport(given);
          expect(report.class.isWellFormed()).toBe(true);
          expect(Object.keys(report)).toHaveLength(11);
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_report' });
          const { errors = [] } = (error as RecorderError).details;
          expect(errors.length).toBeGreaterThan(0);
          for (const { pointer, detail } of errors) expect([pointer.startsWith('/'), detail.length > 5]).toEqual([true, true]);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('that is good in its fields comes back as it was sent', () => {
    const word = (max: number) => fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/).map((text) => text.slice(0, max).trim());
    const good = fc.record({
      ...{ class: word(128), source: word(128), description: word(4096), dedup_key: word(255), trace_id: word(128) },
      severity: fc.constantFrom('low', 'medium', 'high', 'critical'),
      confidence: fc.double({ min: 0, max: 1, noNaN: true }),
      evidence: fc.dictionary(
        fc.stringMatching(/^[a-z]{1,8}$/),
        fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null)),
      ),
    });
    fc.assert(
      fc.property(good, (report) => {
        expect(parseReport(report)).toMatchObject(report);
      }),
    );
  });
});

describe('a list that a Go reporter has none of', () => {
  it('comes as null, and is taken', () => {
    const attack = { atlas: null, owasp_llm: ['LLM01'], mitre: null };
    expect(parseReport({ class: 'c', source: 's', description: 'd', attack }).attack).toEqual(attack);
  });
});
