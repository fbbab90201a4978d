// The optional fields of a report: severity, evidence, subject, confidence, attack, and when it happened.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecorderError } from '../../src/errors.ts';
import { parseReport } from '../../src/incident/report-reading.ts';
import { refusalOf } from '../support/refusal.ts';

const LEAST = { class: 'prompt_injection', source: 'tool-firewall', description: 'ignore previous instructions' };
const faultsWith = (more: object) => refusalOf(() => parseReport({ ...LEAST, ...more })).details.errors;

describe('its optional fields', () => {
  it.each(['severity', 'evidence', 'subject', 'dedup_key', 'confidence', 'occurred_at', 'trace_id', 'attack'])(
    '%s may be null, which is how Go says absent',
    (field) => {
      expect(parseReport({ ...LEAST, [field]: null })).toEqual(parseReport(LEAST));
    },
  );

  it.each(['low', 'medium', 'high', 'critical'])('severity may be %s', (severity) => {
    expect(parseReport({ ...LEAST, severity })).toMatchObject({ severity });
  });

  it('severity "" means none, as the original’s reporters write it', () => {
    expect(parseReport({ ...LEAST, severity: '' }).severity).toBeNull();
  });

  it.each(['banana', 'High', 'CRITICAL', ' high ', 'info', 3, true, [], {}])('severity %j is none of the four', (severity) => {
    expect(faultsWith({ severity })).toEqual([{ pointer: '/severity', detail: 'must be one of low, medium, high, critical' }]);
  });

  it.each([[], 'text', 7, false])('evidence %j is not an object', (evidence) => {
    expect(faultsWith({ evidence })).toEqual([{ pointer: '/evidence', detail: 'must be an object' }]);
  });

  it('evidence holds JSON of every kind, nested as gpu-integrity-watch sends it', () => {
    const evidence = {
      n: 0.25,
      i: -7,
      t: 'x',
      b: false,
      nothing: null,
      list: [1, ['a']],
      probes: { ecc: { ok: true } },
      constructor: 1,
      '': 2,
    };
    expect(parseReport({ ...LEAST, evidence }).evidence).toEqual(evidence);
  });

  it('subject is a type and an id, both needed and bounded', () => {
    const subject = { type: 't'.repeat(64), id: 'i'.repeat(255) };
    expect(parseReport({ ...LEAST, subject }).subject).toEqual(subject);
    expect(faultsWith({ subject: { ...subject, type: 't'.repeat(65) } })?.[0]?.pointer).toBe('/subject/type');
    expect(faultsWith({ subject: { ...subject, id: 'i'.repeat(256) } })?.[0]?.pointer).toBe('/subject/id');
    expect(faultsWith({ subject: { ...subject, id: 'a\u202eb' } })?.[0]?.pointer).toBe('/subject/id');
    expect(faultsWith({ subject: { ...subject, name: 'x' } })).toEqual([{ pointer: '/subject/name', detail: 'is not a known field' }]);
    expect(faultsWith({ subject: {} })).toHaveLength(2);
    expect(faultsWith({ subject: 'agent:7' })).toEqual([{ pointer: '/subject', detail: 'must be an object' }]);
  });

  it.each([0, 0.5, 1, 5e-324])('confidence may be %d', (confidence) => {
    expect(parseReport({ ...LEAST, confidence }).confidence).toBe(confidence);
  });

  it.each([
    [-0.01, 'must be at least 0'],
    [1.01, 'must be at most 1'],
    ['0.5', 'must be a number'],
    [true, 'must be a number'],
  ])('confidence %j is refused', (confidence, detail) => {
    expect(faultsWith({ confidence })).toEqual([{ pointer: '/confidence', detail }]);
  });

  it('attack names techniques of three catalogues, each list optional', () => {
    const attack = { atlas: ['AML.T0051'], owasp_llm: ['LLM01'], mitre: ['T1059', 'T1071.001'] };
    expect(parseReport({ ...LEAST, attack }).attack).toEqual(attack);
    expect(parseReport({ ...LEAST, attack: { mitre: ['T1059'] } }).attack).toEqual({ mitre: ['T1059'] });
    expect(parseReport({ ...LEAST, attack: {} }).attack).toEqual({});
  });

  it.each([
    [{ atlass: [] }, '/attack/atlass', 'is not a known field'],
    [{ atlas: 'AML.T0051' }, '/attack/atlas', 'must be an array'],
    [{ atlas: [7] }, '/attack/atlas/0', 'must be a string'],
    [{ mitre: ['T1059', ''] }, '/attack/mitre/1', 'must not be empty'],
    [{ mitre: ['a\nb'] }, '/attack/mitre/0', 'holds control or bidirectional characters'],
    [{ mitre: ['x'.repeat(65)] }, '/attack/mitre/0', 'must be at most 64 characters'],
    [{ owasp_llm: Array<string>(33).fill('LLM01') }, '/attack/owasp_llm', 'must be at most 32 items'],
    [['T1059'], '/attack', 'must be an object'],
  ])('attack %j is refused', (attack, pointer, detail) => {
    expect(faultsWith({ attack })).toEqual([{ pointer, detail }]);
  });
});

describe('when it happened', () => {
  it.each([
    ['2026-03-13T08:15:30Z', '2026-03-13T08:15:30.000Z'],
    ['2026-03-13T08:15:30.1Z', '2026-03-13T08:15:30.100Z'],
    ['2026-03-13T08:15:30.123456789Z', '2026-03-13T08:15:30.123Z'],
    ['2026-03-13T08:15:30+01:00', '2026-03-13T07:15:30.000Z'],
    ['2026-03-13T08:15:30-05:30', '2026-03-13T13:45:30.000Z'],
    ['2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00.000Z'],
    ['2024-02-29T12:00:00Z', '2024-02-29T12:00:00.000Z'],
  ])('%s is kept in UTC with milliseconds', (given, kept) => {
    expect(parseReport({ ...LEAST, occurred_at: given }).occurred_at).toBe(kept);
  });

  it.each([
    ...['2026-03-13T08:15:30', '2026-03-13', '2026-03-13 08:15:30Z', '2026-02-29T00:00:00Z', '2026-13-01T00:00:00Z'],
    ...['2026-03-13T24:00:00Z', '2026-03-13T08:15:60Z', '2026-03-13T08:15:30+0100', '2026-03-13T08:15:30+24:00', 'yesterday', '', 'Z'],
  ])('%j is no instant with its offset', (occurred_at) => {
    const detail = 'must be an ISO 8601 instant with its offset, such as 2026-03-13T08:15:30Z';
    expect(faultsWith({ occurred_at })).toEqual([{ pointer: '/occurred_at', detail }]);
  });

  it.each(['0000-01-01T00:00:00+01:00', '9999-12-31T23:59:59-01:00'])('%s falls out of the four-digit years in UTC', (occurred_at) => {
    const detail = 'must be within the years 0000 to 9999 of UTC';
    expect(faultsWith({ occurred_at })).toEqual([{ pointer: '/occurred_at', detail }]);
  });

  it('is kept as 24 characters that sort as time does, whatever is taken', () => {
    const two = (max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'));
    const instant = fc
      .tuple(
        fc.integer({ min: 0, max: 9999 }),
        two(13),
        two(32),
        two(24),
        two(60),
        two(60),
        fc.constantFrom('Z', '+00:00', '-23:59', '+14:00'),
      )
      .map(([y, mo, d, h, mi, s, zone]) => `${String(y).padStart(4, '0')}-${mo}-${d}T${h}:${mi}:${s}${zone}`);
    fc.assert(
      fc.property(instant, (occurred_at) => {
        try {
          expect(parseReport({ ...LEAST, occurred_at }).occurred_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
        } catch (error) {
          expect(error).toBeInstanceOf(RecorderError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
