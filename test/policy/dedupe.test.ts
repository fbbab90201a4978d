// What makes two reports the same problem: the reporter's key, else what the rule says, and never a play with separators.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { problemOf } from '../../src/policy/dedupe.ts';
import { policyOf, reportOf } from '../support/policies.ts';

const NONE = policyOf('rules: {}');
const by = (...fields: string[]) => policyOf(`rules: {prompt_injection: {dedupe: {by: ${JSON.stringify(fields)}, window: 5m}}}`);
const key = (policy: typeof NONE, more: Record<string, unknown>, reportedBy = 'firewall') =>
  problemOf(policy, reportOf(more), reportedBy)?.key;

describe('a problem by the reporter’s key', () => {
  it('lasts until it is resolved, and is the same whatever else the reports say', () => {
    const problem = problemOf(NONE, reportOf({ dedup_key: 'k' }), 'a');
    expect(problem).toEqual({ key: expect.stringMatching(/^[\w-]{32}$/), window_ms: null });
    expect(problemOf(NONE, reportOf({ dedup_key: 'k', severity: 'low', description: 'other', evidence: { a: 1 } }), 'b')).toEqual(problem);
  });

  it('is another one for another source, class or key', () => {
    const keys = [{}, { source: 'airlock' }, { class: 'tool_call_burst' }, { dedup_key: 'K' }].map((more) =>
      key(NONE, { dedup_key: 'k', ...more }),
    );
    expect(new Set(keys).size).toBe(4);
  });

  it('goes before what the rule says', () => {
    expect(problemOf(by('source'), reportOf({ dedup_key: 'k' }), 'a')).toEqual(problemOf(NONE, reportOf({ dedup_key: 'k' }), 'a'));
  });

  it('is none without a key, so that each report is an incident of its own', () => {
    expect(problemOf(NONE, reportOf(), 'a')).toBeNull();
    expect(problemOf(by('source'), reportOf({ class: 'tool_call_burst' }), 'a')).toBeNull();
  });
});

describe('a problem by the rule', () => {
  it('lasts for the rule’s window', () => {
    expect(problemOf(by('source'), reportOf(), 'a')?.window_ms).toBe(300_000);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['source', {}, { source: 'airlock' }],
    ['description', {}, { description: 'another one' }],
    ['trace_id', { trace_id: 't1' }, { trace_id: 't2' }],
    ['trace_id', { trace_id: 't1' }, {}],
    ['subject', { subject: { type: 'agent', id: '7' } }, { subject: { type: 'agent', id: '8' } }],
    ['subject', { subject: { type: 'agent', id: '7' } }, { subject: { type: 'model', id: '7' } }],
    ['subject', { subject: { type: 'agent', id: '7' } }, {}],
    ['evidence.ip', { evidence: { ip: '10.0.0.1' } }, { evidence: { ip: '10.0.0.2' } }],
    ['evidence.ip', { evidence: { ip: '1' } }, { evidence: { ip: 1 } }],
    ['evidence.ip', { evidence: { ip: ['a', 'b'] } }, { evidence: { ip: ['a,b'] } }],
    ['evidence.ip', { evidence: { ip: null } }, { evidence: { ip: 'null' } }],
  ])('tells reports apart by %s: %j, %j', (field, a, b) => {
    expect(key(by(field), a)).not.toBe(key(by(field), b));
    expect(key(by(field), { ...a, severity: 'low', confidence: 0.5 })).toBe(key(by(field), a));
    const other = field === 'source' ? 'description' : 'source';
    expect(key(by(other), { ...a, source: 's', description: 'd' })).toBe(key(by(other), { ...b, source: 's', description: 'd' }));
  });

  it('tells reports apart by who reported them', () => {
    expect(key(by('reported_by'), {}, 'a')).not.toBe(key(by('reported_by'), {}, 'b'));
    expect(key(by('source'), {}, 'a')).toBe(key(by('source'), {}, 'b'));
  });

  it('is not the same in two classes', () => {
    const policy = policyOf(
      'rules:\n  prompt_injection: {dedupe: {by: [source], window: 5m}}\n  tool_call_burst: {dedupe: {by: [source], window: 5m}}',
    );
    expect(key(policy, {})).not.toBe(key(policy, { class: 'tool_call_burst' }));
  });

  it.each(['evidence.constructor', 'evidence.toString', 'evidence.__proto__'])(
    'sees nothing in %s that the report did not bring',
    (field) => {
      expect(key(by(field), {})).toBe(key(by(field), { evidence: { a: 1 } }));
    },
  );
});

describe('no two problems', () => {
  it('are one because a separator stands in a field', () => {
    const parts = fc.tuple(
      ...Array.from({ length: 3 }, () => fc.constantFrom('a', 'b', 'a|b', 'b|a', '|', 'a"', '","', 'a\\', 'a,b', '["a', 'null', '0')),
    );
    const report = ([source, description, id]: string[]) => ({ source, description, subject: { type: 'agent', id } });
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        const policy = by('source', 'description', 'subject');
        expect(key(policy, report(a)) === key(policy, report(b))).toBe(same);
        const keyed = ([source = '', name = '', dedup_key = '']: string[]) => ({ class: name, source, dedup_key });
        expect(key(NONE, keyed(a)) === key(NONE, keyed(b))).toBe(same);
      }),
      { numRuns: 1000 },
    );
  });

  it('are one because a reporter writes as its key what a rule would have made', () => {
    const ruled = key(by('source'), { source: 's' });
    const forged = ['s', '["source","s"]', '[["source","s"]]', 'prompt_injection', ruled].map((dedup_key) =>
      key(by('source'), { source: 's', dedup_key }),
    );
    expect(forged).not.toContain(ruled);
  });
});
