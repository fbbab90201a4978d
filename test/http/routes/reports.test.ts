// What reporters send, one by one: what is taken, what joins, and everything that is refused.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLASSES } from '../../../src/incident/vocabulary.ts';
import { type TestHouse, aReport, openTestHouse } from '../../support/house.ts';
import { ROOT } from '../../support/program.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const REPORT = '/api/v1/incidents/report';
const FIXTURES = join(ROOT, 'test/fixtures/reports');

let house: TestHouse;
beforeAll(async () => {
  house = await openTestHouse({ tokens: ROLE_TOKENS });
});
afterAll(async () => house[Symbol.asyncDispose]());

async function taken(report: object) {
  return (await house.post(REPORT, report).expect(201)).body;
}

/** Refused with its field named, and nothing recorded. `report` may be JSON already. */
async function expectRefusal(report: object | string, pointer: string, detail: RegExp): Promise<void> {
  const before = house.records().length;
  const answer = await house.post(REPORT, report).type('application/json');
  expect(answer.body).toMatchObject({ status: 400, code: 'invalid_report' });
  expect(answer.body.errors).toContainEqual({ pointer, detail: expect.stringMatching(detail) });
  expect(faultOfProblem(answer)).toBeNull();
  expect(house.records()).toHaveLength(before);
}

/** A report as JSON text, with this text in the place of one more member. */
function withMember(member: string): string {
  return JSON.stringify(aReport()).replace(/\}$/, `,${member}}`);
}

function nested(levels: number): unknown {
  let value: unknown = 'leaf';
  for (let i = 0; i < levels; i += 1) value = i % 2 === 0 ? { a: value } : [value];
  return value;
}

describe('a report', () => {
  it('is 201 with the incident, which is on disk and in the log by then', async () => {
    const answer = await house.post(REPORT, aReport()).expect(201);
    const record = house.records().find(({ seq }) => seq === answer.body.audit.seq);
    expect(record).toMatchObject({ type: 'incident.reported', id: answer.body.id, hash: answer.body.hash, actor: 'service:service' });
    expect((await house.get(`/api/v1/incidents/${answer.body.id}`)).body).toEqual(answer.body);
  });

  it.each(readdirSync(FIXTURES))('of a real reporter is taken as it is sent: %s', async (name) => {
    const text = readFileSync(join(FIXTURES, name), 'utf8');
    const { body } = await house.post(REPORT, text).type('application/json').expect(201);
    const { class: sent, evidence } = JSON.parse(text);
    expect(body).toMatchObject({ class: sent, ...(evidence && { evidence }) });
  });

  it.each(CLASSES)('may be of the class %s', async (name) => {
    expect((await taken(aReport({ class: name }))).class).toBe(name);
  });

  it('is trimmed', async () => {
    const body = await taken(aReport({ class: ' prompt_injection\n', source: '\ttool-firewall ', description: '\n words \n' }));
    expect(body).toMatchObject({ class: 'prompt_injection', source: 'tool-firewall', description: 'words' });
  });

  it.each([
    ['source', 'x'.repeat(128)],
    ['source', '\u00fc'.repeat(128)],
    ['description', 'x'.repeat(4096)],
    ['description', '\u{1f600}'.repeat(2048)],
    ['dedup_key', 'x'.repeat(255)],
  ])('may have as long a %s as is promised', async (field, value) => {
    expect((await taken(aReport({ [field]: value })))[field]).toBe(value);
  });

  it('keeps control characters and directions of its description and evidence as they are', async () => {
    const odd = 'bell\u0007 escape\u001b[31m\nline \u202egnp.exe \u2066x\u2069 \u{1f600}';
    const body = await taken(aReport({ description: odd, evidence: { [odd]: odd } }));
    expect(body).toMatchObject({ description: odd, evidence: { [odd]: odd } });
  });

  it('takes "" and null for no severity, and null for every other field that may be absent', async () => {
    for (const severity of ['', null]) expect((await taken(aReport({ severity }))).severity).toBe('high');
    const nothing = { evidence: null, subject: null, dedup_key: null, confidence: null, occurred_at: null, trace_id: null, attack: null };
    expect(await taken(aReport(nothing))).toMatchObject(nothing);
  });

  it('has the severity that its reporter gives, which wins over that of the class, and does not change the actions', async () => {
    const body = await taken(aReport({ class: 'attestation_failure', severity: 'low' }));
    expect(body).toMatchObject({ severity: 'low', state: 'contained', decided_by: { severity_from: 'reporter' } });
    expect(body.containment_actions).toEqual(['freeze_agent', 'disable_airlock', 'force_vault_relock']);
  });

  it('never falls below the floor of its rule', async () => {
    const policy = 'version: 1\nrules: {tool_call_burst: {default_severity: low, min_severity: high}}\n';
    await using own = await openTestHouse({ policy });
    for (const [severity, wanted] of [
      [undefined, 'high'],
      ['low', 'high'],
      ['critical', 'critical'],
    ]) {
      const { body } = await own.post(REPORT, aReport({ class: 'tool_call_burst', ...(severity && { severity }) })).expect(201);
      expect(body.severity).toBe(wanted);
    }
  });

  it('may be of a class that the policy adds', async () => {
    const policy = 'version: 1\nrules: {}\nclasses: {disk_theft: {default_severity: critical}}\n';
    await using own = await openTestHouse({ policy });
    const { body } = await own.post(REPORT, aReport({ class: 'disk_theft' })).expect(201);
    expect(body).toMatchObject({
      severity: 'critical',
      state: 'open',
      containment_actions: [],
      decided_by: { severity_from: 'class', rule: null },
    });
  });
});

describe('a report of the same problem', () => {
  const problem = (key: string, more: object = {}) => aReport({ dedup_key: key, ...more });

  it('joins: 200, the same incident, one occurrence more, and the whole report on record', async () => {
    const first = await taken(problem('p1'));
    const second = await house.post(REPORT, problem('p1', { description: 'again', severity: 'critical' })).expect(200);
    expect(second.body).toMatchObject({ id: first.id, occurrences: 2, severity: 'critical', description: first.description });
    const record = house.records().find(({ seq }) => seq === second.body.audit.seq);
    expect(record).toMatchObject({ type: 'incident.joined', id: first.id, data: { report: { description: 'again' }, occurrences: 2 } });
    expect(second.body.containment).toEqual(first.containment);
    expect((await house.get(`/api/v1/incidents/${first.id}`)).headers['etag']).toBe(second.headers['etag']);
  });

  it('never lowers the severity', async () => {
    const first = await taken(problem('p2', { severity: 'critical' }));
    const { body } = await house.post(REPORT, problem('p2', { severity: 'low' })).expect(200);
    expect(body).toMatchObject({ id: first.id, severity: 'critical' });
  });

  it.each([
    ['source', { source: 'other' }],
    ['class', { class: 'tool_call_burst' }],
    ['key', { dedup_key: 'P3' }],
  ])('of another %s is another problem', async (field, more) => {
    const first = await taken(problem('p3', { source: `${field}-source` }));
    const second = await taken(problem('p3', { source: `${field}-source`, ...more }));
    expect(second.id).not.toBe(first.id);
    expect(second.follows).toBeNull();
  });

  it('joins while it is acknowledged, and starts anew with follows once it is resolved', async () => {
    const first = await taken(problem('p4'));
    await house.post('/api/v1/incidents/acknowledge', { id: first.id }).expect(200);
    expect((await house.post(REPORT, problem('p4')).expect(200)).body).toMatchObject({
      id: first.id,
      state: 'acknowledged',
      occurrences: 2,
    });
    await house.post('/api/v1/incidents/resolve', { id: first.id }).expect(200);
    const next = await taken(problem('p4'));
    expect(next).toMatchObject({ follows: first.id, occurrences: 1 });
    expect(next.id).not.toBe(first.id);
  });

  it('without a dedup_key never joins', async () => {
    expect((await taken(aReport())).id).not.toBe((await taken(aReport())).id);
  });

  it('is one incident however many come at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, async () => house.post(REPORT, problem('p5'))));
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([...Array.from({ length: 11 }, () => 200), 201]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });
});

describe('a token bound to sources and classes', () => {
  const BOUND = { token: 'bound---'.repeat(4), role: 'reporter', sources: ['tool-firewall', 'airlock'], classes: ['prompt_injection'] };

  it('reports these, and nothing else: 403, and nothing is recorded but the refusal', async () => {
    await using own = await openTestHouse({ tokens: { bound: BOUND } });
    expect((await own.post(REPORT, aReport(), BOUND.token).expect(201)).body.reported_by).toBe('bound');
    await own.post(REPORT, aReport({ source: 'airlock' }), BOUND.token).expect(201);
    for (const more of [{ source: 'attestor' }, { source: 'Tool-Firewall' }, { class: 'tool_call_burst' }, { source: '*' }]) {
      const answer = await own.post(REPORT, aReport(more), BOUND.token).expect(403);
      expect(answer.body.code).toBe('forbidden');
      expect(faultOfProblem(answer)).toBeNull();
    }
    expect((await own.get('/api/v1/stats')).body.total_incidents).toBe(2);
  });

  it('of any kind never reports as the recorder itself', async () => {
    for (const token of [undefined, ROLE_TOKENS.reporter.token]) {
      await house.post(REPORT, aReport({ source: 'incident-recorder' }), token).expect(403);
      await house.post(REPORT, aReport({ source: ' incident-recorder ' }), token).expect(403);
    }
  });
});

describe('a report is refused, names the field that is wrong, and leaves no record', () => {
  it.each(['class', 'source', 'description'])('without %s', async (field) => {
    const { [field]: _, ...rest } = aReport();
    await expectRefusal(rest, `/${field}`, /is required/);
    await expectRefusal(aReport({ [field]: null }), `/${field}`, /must be a string/);
  });

  it.each([
    ['empty', ''],
    ['blank', '   '],
    ['blank by tabs and line feeds', '\t\r\n'],
    ['blank by other spaces', '\u00a0\u2003\ufeff'],
  ])('with what is required left %s', async (_, blank) => {
    for (const field of ['class', 'source', 'description'])
      await expectRefusal(aReport({ [field]: blank }), `/${field}`, /must not be empty/);
  });

  it.each([
    ['class', 129],
    ['source', 129],
    ['description', 4097],
    ['dedup_key', 256],
    ['trace_id', 129],
  ])('with an over-long %s', async (field, length) => {
    await expectRefusal(aReport({ [field]: 'x'.repeat(length) }), `/${field}`, new RegExp(`must be at most ${length - 1} characters`));
  });

  it('with a description that is over-long in UTF-16 units', async () => {
    await expectRefusal(aReport({ description: `${'\u{1f600}'.repeat(2048)}x` }), '/description', /at most 4096 characters/);
  });

  it.each<[string, unknown]>([
    ['a number', 7],
    ['a list', ['prompt_injection']],
    ['an object', { toString: 'prompt_injection' }],
    ['true', true],
  ])('with %s for a string', async (_, value) => {
    for (const field of ['class', 'source', 'description', 'dedup_key', 'trace_id']) {
      await expectRefusal(aReport({ [field]: value }), `/${field}`, /must be a string/);
    }
  });

  it.each([
    ['an unknown field', 'colour', 'red', /is not a known field/],
    ['a mistyped field', 'descripton', 'x', /did you mean "description"/],
    ['a field of the incident', 'id', 'INC-20260313-000000', /is not a known field/],
    ['a field of the incident that would decide', 'state', 'resolved', /is not a known field/],
    ['a field that names the reporter', 'reported_by', 'root', /is not a known field/],
    ['constructor', 'constructor', {}, /is not a known field/],
    ['toString', 'toString', 'x', /is not a known field/],
    ['an empty name', '', 'x', /is not a known field/],
  ])('with %s', async (_, field, value, detail) => {
    await expectRefusal(aReport({ [field]: value }), `/${field}`, detail);
  });

  it.each(['Class', 'CLASS', 'Source', 'Description', 'Severity'])('with the key %s, because the case of keys matters', async (key) => {
    await expectRefusal(aReport({ [key]: 'x' }), `/${key}`, /is not a known field; did you mean/);
  });

  it.each([
    ['prompt_injections', /did you mean "prompt_injection"/],
    ['Prompt_Injection', /did you mean "prompt_injection"/],
    ['unheard_of', /is not a known class$/],
    ['__proto__', /is not a known class/],
    ['constructor', /is not a known class/],
    ['*', /is not a known class/],
  ])('of the unknown class %s', async (name, detail) => {
    await expectRefusal(aReport({ class: name }), '/class', detail);
  });

  it.each<[unknown]>([['urgent'], ['HIGH'], [' high'], ['critical,high'], [3], [['high']], [{}]])(
    'with the unknown severity %j',
    async (severity) => {
      await expectRefusal(aReport({ severity }), '/severity', /must be one of low, medium, high, critical|must be a/);
    },
  );

  it.each([
    ['a list', []],
    ['a string', 'evidence'],
    ['a number', 7],
    ['true', true],
  ])('with evidence that is %s', async (_, evidence) => {
    await expectRefusal(aReport({ evidence }), '/evidence', /must be an object/);
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['a confidence over 1', { confidence: 1.01 }, '/confidence', /at most 1/],
    ['a confidence below 0', { confidence: -0.01 }, '/confidence', /at least 0/],
    ['a confidence in words', { confidence: '0.5' }, '/confidence', /must be a number/],
    ['an occurred_at that is no instant', { occurred_at: 'yesterday' }, '/occurred_at', /ISO 8601/],
    ['an occurred_at without offset', { occurred_at: '2026-03-13T08:15:30' }, '/occurred_at', /ISO 8601/],
    ['an occurred_at on a day that is none', { occurred_at: '2026-02-30T08:15:30Z' }, '/occurred_at', /ISO 8601/],
    ['an occurred_at in seconds', { occurred_at: 1773360000 }, '/occurred_at', /must be a string/],
    ['a subject without id', { subject: { type: 'agent' } }, '/subject/id', /is required/],
    ['a subject with more', { subject: { type: 'agent', id: 'x', name: 'y' } }, '/subject/name', /is not a known field/],
    ['a subject that is a string', { subject: 'agent:x' }, '/subject', /must be an object/],
    ['an attack of another kind', { attack: { cve: ['CVE-2026-1'] } }, '/attack/cve', /is not a known field/],
    ['an attack that is no list', { attack: { mitre: 'T1059' } }, '/attack/mitre', /must be an array/],
    ['an attack with a number in it', { attack: { mitre: [1059] } }, '/attack/mitre/0', /must be a string/],
  ])('with %s', async (_, more, pointer, detail) => {
    await expectRefusal(aReport(more), pointer, detail);
  });

  const EVERYWHERE: [string, (text: string) => Record<string, unknown>, string][] = [
    ['class', (text) => ({ class: text }), '/class'],
    ['source', (text) => ({ source: text }), '/source'],
    ['description', (text) => ({ description: text }), '/description'],
    ['dedup_key', (text) => ({ dedup_key: text }), '/dedup_key'],
    ['trace_id', (text) => ({ trace_id: text }), '/trace_id'],
    ['subject', (text) => ({ subject: { type: 'agent', id: text } }), '/subject/id'],
    ['attack', (text) => ({ attack: { mitre: [text] } }), '/attack/mitre/0'],
    ['a value of evidence', (text) => ({ evidence: { a: { b: [text] } } }), '/evidence/a/b/0'],
    ['a key of evidence', (text) => ({ evidence: { a: { [text]: 1 } } }), '/evidence/a'],
  ];
  it.each(EVERYWHERE)('with a lone surrogate or NUL in %s', async (_, more, pointer) => {
    for (const text of ['a\ud800b', '\udc00', 'a\udc00\ud800b', 'a\0b']) {
      await expectRefusal(aReport(more(text)), pointer, /NUL or a lone surrogate/);
    }
  });

  const ONE_LINE = EVERYWHERE.slice(0, 7).filter(([field]) => field !== 'description');
  it.each(ONE_LINE)('with a control or bidirectional character in %s', async (_, more, pointer) => {
    for (const character of ['\u0001', '\n', '\t', '\u001b', '\u007f', '\u0085', '\u202e', '\u2066', '\u200f', '\u2028', '\u061c']) {
      await expectRefusal(aReport(more(`a${character}b`)), pointer, /control or bidirectional/);
    }
  });

  it.each([
    ['at the top', '"__proto__":{"severity":"low"}', ''],
    ['in evidence', '"evidence":{"__proto__":1}', '/evidence'],
    ['deep in evidence', '"evidence":{"a":[{"__proto__":{"x":1}}]}', '/evidence/a/0'],
    ['in the subject', '"subject":{"type":"a","id":"b","__proto__":1}', '/subject'],
    ['written with an escape', '"evidence":{"\\u005f_proto__":1}', '/evidence'],
  ])('with __proto__ %s, which is refused by name', async (_, member, pointer) => {
    await expectRefusal(withMember(member), pointer, /__proto__/);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it.each([
    ['1e400, which is no number', '1e400', /2\^53/],
    ['-1e400', '-1e400', /2\^53/],
    ['2^53', '9007199254740992', /2\^53/],
    ['2^53+1', '9007199254740993', /2\^53/],
    ['-(2^53)', '-9007199254740992', /2\^53/],
    ['a number of 400 digits', '9'.repeat(400), /2\^53/],
  ])('with %s', async (_, number, detail) => {
    await expectRefusal(withMember(`"evidence":{"n":[${number}]}`), '/evidence/n/0', detail);
  });

  it('with evidence nested 9 levels deep, or 10,000', async () => {
    await expectRefusal(aReport({ evidence: { a: nested(8) } }), '/evidence/a/0/a/0/a/0/a/0', /8 levels/);
    const deep = `${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`;
    await expectRefusal(withMember(`"evidence":${deep}`), `/evidence${'/a'.repeat(8)}`, /8 levels/);
  });

  it('with an object of 65 keys', async () => {
    const keys = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`key-${i}`, i]));
    await expectRefusal(aReport({ evidence: keys(65) }), '/evidence', /has 65 keys; at most 64/);
    await expectRefusal(aReport({ evidence: { a: keys(65) } }), '/evidence/a', /has 65 keys/);
    await taken(aReport({ evidence: { ...keys(63), a: keys(64) } }));
  });

  it('with a string of more than 16 KiB in evidence, measured in UTF-8', async () => {
    await expectRefusal(aReport({ evidence: { a: 'x'.repeat(16_385) } }), '/evidence/a', /16384 bytes/);
    await expectRefusal(aReport({ evidence: { a: '\u00fc'.repeat(8193) } }), '/evidence/a', /16384 bytes/);
    await expectRefusal(aReport({ evidence: { ['x'.repeat(16_385)]: 1 } }), '/evidence', /16384 bytes/);
    await taken(aReport({ evidence: { a: 'x'.repeat(16_384), b: '\u00fc'.repeat(8192), ['y'.repeat(16_384)]: 1 } }));
  });
});

describe('evidence', () => {
  it('may be 8 levels deep', async () => {
    const evidence = { a: nested(7) };
    expect((await taken(aReport({ evidence }))).evidence).toEqual(evidence);
  });

  it('may have keys that objects have, which stay data', async () => {
    const text = withMember('"evidence":{"constructor":"c","toString":1,"hasOwnProperty":null,"prototype":{"valueOf":[]}}');
    const { body } = await house.post(REPORT, text).type('application/json').expect(201);
    expect(body.evidence).toEqual({ constructor: 'c', toString: 1, hasOwnProperty: null, prototype: { valueOf: [] } });
    expect((await house.get(`/api/v1/incidents/${body.id}`)).body).toEqual(body);
  });

  it.each([
    ['2^53-1', '9007199254740991', 9007199254740991],
    ['-(2^53-1)', '-9007199254740991', -9007199254740991],
    ['a fraction', '0.1', 0.1],
    ['an exponent', '1E3', 1000],
    ['the smallest number', '5e-324', 5e-324],
    ['less than the smallest, which is zero', '1e-400', 0],
    ['a fraction of more digits than a double has', '0.1000000000000000055511151231257827', 0.1],
  ])('keeps %s as a double', async (_, text, wanted) => {
    const { body } = await house
      .post(REPORT, withMember(`"evidence":{"n":${text}}`))
      .type('application/json')
      .expect(201);
    expect(body.evidence.n).toBe(wanted);
    expect((await house.get(`/api/v1/incidents/${body.id}`)).body.evidence.n).toBe(wanted);
  });

  it('may be empty', async () => {
    expect((await taken(aReport({ evidence: {} }))).evidence).toEqual({});
  });
});
