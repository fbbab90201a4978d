// What an answer to a command comes to: done only when that is what it says, and an end only when it is one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../src/delivery/ask.ts';
import { outcomeOf } from '../../src/delivery/outcome.ts';
import { verdictOnHold, verdictOnState } from '../../src/delivery/verdict.ts';

const told = (status: number, body = '', retry_after_ms: number | null = null): Answer => ({
  ...{ status, body, retry_after_ms, content_type: 'application/json' },
});
const apply = (status: number, body = '', wait: number | null = null) => outcomeOf('apply', 'standard', told(status, body, wait));
const release = (status: number, body = '') => outcomeOf('release', 'standard', told(status, body));
const result = (status: string, error: string | null = null, evidence: object | null = null) => ({ result: { status, evidence, error } });
const again = (why: string, after_ms: number | null = null) => ({ again: why, after_ms });

describe('an answer to a command', () => {
  it('that succeeds is done, with what it shows', () => {
    expect(apply(200, '{"status":"enforced","evidence":{"pid":12,"since":"08:15"}}')).toEqual(
      result('enforced', null, { pid: 12, since: '08:15' }),
    );
    expect(apply(200)).toEqual(result('enforced'));
    expect(apply(204)).toEqual(result('enforced'));
    expect(apply(201, ' \n')).toEqual(result('enforced'));
    expect(release(200)).toEqual(result('released'));
    expect(release(200, '{"status":"released"}')).toEqual(result('released'));
  });

  it('may say that it is taken up, or that it came to nothing', () => {
    expect(apply(202)).toEqual(result('accepted'));
    expect(apply(202, '<html>')).toEqual(result('accepted'));
    expect(apply(202, '{"status":"enforced","evidence":{"job":7}}')).toEqual(result('accepted', null, { job: 7 }));
    expect(apply(200, '{"status":"accepted"}')).toEqual(result('accepted'));
    expect(apply(200, '{"status":"failed","error":"no such agent"}')).toEqual(result('failed', 'no such agent'));
    expect(apply(200, '{"status":"partial"}')).toEqual(result('partial', 'it answered "partial"'));
    expect(apply(200, '{"status":"unsupported"}')).toEqual(result('unsupported', 'it answered "unsupported"'));
  });

  it.each([
    ['HTML', '<!doctype html><title>It works!</title>'],
    ['half of JSON', '{"status":"enfor'],
    ['a status that nobody knows', '{"status":"banana"}'],
    ['a status that is a number', '{"status":200}'],
    ['no status', '{}'],
    ['something else than an object', '["enforced"]'],
    ['a string', '"enforced"'],
    ['null', 'null'],
    ['the end of another command', '{"status":"released"}'],
    ['a status of its prototype', '{"__proto__":{"status":"enforced"}}'],
    ['brackets without end', '['.repeat(60_000)],
  ])('of 200 with %s is not believed, and nothing of it is told', (_, body) => {
    const outcome = apply(200, body);
    expect(outcome).toEqual({ again: expect.stringMatching(/^it answered /), after_ms: null });
    expect(JSON.stringify(outcome)).not.toContain('banana');
  });

  it('to a release that says "enforced" is not believed', () => {
    expect(release(200, '{"status":"enforced"}')).toEqual(again('it answered "enforced" to release'));
  });

  it.each([400, 401, 403, 404, 405, 409, 410, 413, 422, 451])('of %i is its end', (status) => {
    expect(apply(status, '{"error":"<b>"}')).toEqual(result('failed', `it answered ${status}`));
  });

  it.each([300, 301, 302, 303, 304, 307, 308])('of %i is its end: redirects are not followed', (status) => {
    expect(apply(status)).toEqual(result('failed', `it answered ${status}: redirects are not followed`));
  });

  it('of 501 says that it is not known', () => {
    expect(apply(501)).toEqual(result('unsupported', 'it answered 501'));
  });

  it.each([408, 425, 429, 500, 502, 503, 504, 599, 999])('of %i is no end, and may ask to wait', (status) => {
    expect(apply(status)).toEqual(again(`it answered ${status}`));
    expect(apply(status, '', 7000)).toEqual(again(`it answered ${status}`, 7000));
  });

  it('in the dialect of SecAI_OS is done whatever it says', () => {
    for (const body of ['', '{"success":true}', 'ok']) expect(outcomeOf('apply', 'secai', told(200, body))).toEqual(result('enforced'));
    expect(outcomeOf('apply', 'secai', told(202))).toEqual(result('enforced'));
    expect(outcomeOf('apply', 'secai', told(404))).toEqual(result('failed', 'it answered 404'));
    expect(outcomeOf('apply', 'secai', told(500))).toEqual(again('it answered 500'));
  });

  it('is never taken for more than it says, whatever JSON it is', () => {
    fc.assert(
      fc.property(fc.json(), (body) => {
        const outcome = apply(200, body);
        if ('result' in outcome) expect(['enforced', 'accepted', 'failed', 'partial', 'unsupported']).toContain(JSON.parse(body).status);
      }),
    );
  });
});

describe('evidence', () => {
  const shown = (evidence: unknown) => apply(200, JSON.stringify({ status: 'enforced', evidence }));
  const dropped = (why: string) => result('enforced', null, { evidence_dropped: expect.stringContaining(why) });

  it('that is out of bounds is dropped, and that it was is kept', () => {
    expect(shown([1])).toEqual(dropped('is no object'));
    expect(shown('x')).toEqual(dropped('is no object'));
    expect(shown({ a: 'x'.repeat(20_000) })).toEqual(dropped('is longer than'));
    expect(shown({ a: ['x'.repeat(9000), 'x'.repeat(9000)] })).toEqual(dropped('is longer than 16384 bytes'));
    expect(shown(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i])))).toEqual(dropped('has 100 keys'));
    expect(shown({ a: 1e300 })).toEqual(dropped('is beyond'));
    expect(shown({ a: 'nul \0' })).toEqual(dropped('NUL'));
    expect(shown({ a: '\ud800' })).toEqual(dropped('lone surrogate'));
    expect(apply(200, `{"status":"enforced","evidence":${'{"a":'.repeat(20)}1${'}'.repeat(20)}}`)).toEqual(dropped('nested deeper'));
    expect(apply(200, '{"status":"enforced","evidence":{"__proto__":{"x":1}}}')).toEqual(dropped('__proto__'));
    expect(shown(null)).toEqual(result('enforced'));
  });

  it('goes with words for an error only when they are one short line', () => {
    const failed = (error: unknown) => apply(200, JSON.stringify({ status: 'failed', error }));
    expect(failed('x'.repeat(5000))).toEqual(result('failed', 'x'.repeat(200)));
    for (const odd of ['\u001b[2J', 'two\nlines', '\u202e', '', ' ', 7, null, {}]) {
      expect(failed(odd)).toEqual(result('failed', 'it answered "failed"'));
    }
    expect(failed(`${'x'.repeat(199)}\u{1f600}`)).toEqual(result('failed', `${'x'.repeat(199)}\ufffd`));
  });
});

describe('an answer to the question whether it stands', () => {
  const state = (status: number, body: string, expected: Record<string, unknown> = { frozen: true }) =>
    verdictOnState(told(status, body), expected);
  const hold = (status: number, body = '') => verdictOnHold(told(status, body));

  it('is held against what is expected, key by key', () => {
    expect(state(200, '{"frozen":true,"since":"08:15"}')).toEqual({ verdict: { stands: true, detail: null, evidence: { frozen: true } } });
    expect(state(200, '{"frozen":false}')).toEqual({
      verdict: { stands: false, detail: 'its state is not as expected: frozen', evidence: { frozen: false } },
    });
    for (const wrong of ['{}', '{"frozen":"true"}', '{"frozen":1}', '{"__proto__":{"frozen":true}}']) {
      expect(state(200, wrong)).toMatchObject({ verdict: { stands: false } });
    }
    expect(state(200, '{"a":{"b":[1,{"c":2}]},"d":0}', { a: { b: [1, { c: 2 }] } })).toMatchObject({ verdict: { stands: true } });
    expect(state(200, '{"a":{"b":[1,{"c":2}],"more":1}}', { a: { b: [1, { c: 2 }] } })).toMatchObject({ verdict: { stands: false } });
  });

  it('is none when it cannot be believed', () => {
    expect(state(200, '<html>')).toEqual({ missed: 'its answer 200 is no JSON object' });
    expect(state(503, '{"frozen":true}')).toEqual({ missed: 'it answered 503' });
    expect(state(302, '')).toEqual({ missed: 'it answered 302' });
    expect(hold(200, '{"status":"banana"}')).toEqual({ missed: 'its answer 200 has no status that is known' });
    expect(hold(200, 'ok')).toEqual({ missed: 'its answer 200 is no JSON object' });
    for (const status of [202, 302, 400, 500, 503]) expect(hold(status)).toHaveProperty('missed');
  });

  it('of one hold says that it stands, or not', () => {
    for (const body of ['', '{"status":"enforced"}', '{"status":"verified"}'])
      expect(hold(200, body)).toMatchObject({ verdict: { stands: true } });
    for (const body of ['{"status":"released"}', '{"status":"failed"}', '{"status":"partial"}']) {
      expect(hold(200, body)).toMatchObject({ verdict: { stands: false } });
    }
    for (const status of [404, 410]) expect(hold(status)).toMatchObject({ verdict: { stands: false, detail: `it answered ${status}` } });
  });
});
