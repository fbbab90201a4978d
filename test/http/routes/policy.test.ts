// POST /api/v1/policy/check, /explain and /replay: a policy tried out over HTTP, by operators, with nothing changed by it.

import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestHouse, SERVICE_TOKEN, aReport, openTestHouse } from '../../support/house.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const IN_FORCE = `version: 1
rules:
  prompt_injection: {auto_contain: true, default_severity: high, actions: [freeze_agent, log_alert]}
  tool_call_burst: {auto_contain: true, actions: [freeze_agent]}
`;
const CANDIDATE = `version: 1
rules:
  prompt_injection:
    auto_contain: true
    default_severity: high
    actions: [{action: block_ip, target: evidence.src_ip}, log_alert]
    dedupe: {by: [source], window: 1h}
protect: [{actions: [block_ip], targets: [10.0.0.0/8]}]
actuators: {wall: {actions: [block_ip], push: "unix:/run/wall.sock:/block", secret: not-there.key}}
`;
const OPERATOR = ROLE_TOKENS.operator.token;

let house: TestHouse;
beforeAll(async () => {
  house = await openTestHouse({ policy: IN_FORCE, tokens: ROLE_TOKENS });
});
afterAll(async () => house[Symbol.asyncDispose]());

const ask = (what: string, body: unknown) => house.post(`/api/v1/policy/${what}`, body, OPERATOR);

describe('a check', () => {
  it('says of a good policy what it is and what is seldom meant, and does not open its secrets', async () => {
    const { body } = await ask('check', { policy: CANDIDATE }).expect(200);
    expect(body).toEqual({
      ...{ ok: true, sha256: createHash('sha256').update(CANDIDATE).digest('hex'), mode: 'enforce', rules: 1 },
      warnings: expect.arrayContaining([{ line: null, text: expect.stringContaining('tool_call_burst has no rule') }]),
    });
  });

  it('says of a bad one where and why, with 200: the question was answered', async () => {
    const { body } = await ask('check', { policy: CANDIDATE.replace('block_ip, target', 'blok_ip, target') }).expect(200);
    expect(body).toEqual({
      ok: false,
      errors: [
        {
          pointer: '/rules/prompt_injection/actions/0/action',
          line: 6,
          column: expect.any(Number),
          detail: expect.stringContaining('did you mean "block_ip"'),
        },
      ],
    });
  });

  it.each([
    ['anchors that explode', 'a: &a [x]\nb: [*a]\n'],
    ['a nest of 20,000', `a: ${'['.repeat(20_000)}`],
    ['60,000 marks', `a: [${','.repeat(60_000)}]`],
    ['one long word', 'x'.repeat(60_000)],
    ['nothing', ''],
    ['a tag that runs code', 'version: 1\nrules: !!js/function "x"\n'],
  ])('answers %s as it answers any bad policy, and soon', async (_, policy) => {
    const began = performance.now();
    expect((await ask('check', { policy }).expect(200)).body).toMatchObject({ ok: false, errors: [{ line: expect.any(Number) }] });
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it.each<[string, unknown, string]>([
    ['no policy', {}, '/policy'],
    ['a policy that is no text', { policy: { version: 1 } }, '/policy'],
    ['a policy with half a character', { policy: 'version: 1 # \ud800' }, '/policy'],
    ['an unknown field', { policy: 'version: 1', polices: '' }, '/polices'],
    ['__proto__', '{"policy": "version: 1", "__proto__": {"policy": "x"}}', ''],
    ['a list', [], ''],
  ])('refuses %s', async (_, body, pointer) => {
    const answer = await house.http
      .post('/api/v1/policy/check')
      .set({ authorization: `Bearer ${OPERATOR}`, 'content-type': 'application/json' })
      .send(typeof body === 'string' ? body : JSON.stringify(body))
      .expect(400);
    expect(faultOfProblem(answer)).toBeNull();
    expect(answer.body).toMatchObject({ code: 'invalid_request', errors: [{ pointer }] });
  });

  it('refuses a body over 64 KiB', async () => {
    await ask('check', { policy: 'x'.repeat(65_536) }).expect(413);
  });
});

describe('an explanation', () => {
  it('is by the policy in force, unless another is given', async () => {
    const report = aReport({ evidence: { src_ip: '10.1.2.3' } });
    const { body } = await ask('explain', { report }).expect(200);
    expect(body).toMatchObject({
      rule: 'prompt_injection',
      line: 3,
      policy: { sha256: createHash('sha256').update(IN_FORCE).digest('hex') },
    });
    expect(body.actions.map(({ action, outcome }: any) => [action, outcome])).toEqual([
      ['freeze_agent', 'ordered'],
      ['log_alert', 'ordered'],
    ]);
    const other = await ask('explain', { report, policy: CANDIDATE, occurrences: 3, escalating: true }).expect(200);
    expect(other.body).toMatchObject({
      facts: { occurrences: 3, escalating: true, reported_by: 'operator' },
      actions: [
        { outcome: 'refused', target: 'ip:10.1.2.3', protected: [{ line: 8 }], actuator: { name: 'wall' } },
        { outcome: 'ordered' },
      ],
      told: expect.arrayContaining([expect.stringContaining('refused, protected by line 8')]),
    });
  });

  it('takes a report as deep as the service does, and refuses one that it would refuse, with its place', async () => {
    const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
    await ask('explain', { report: aReport({ evidence: deep(8) }) }).expect(200);
    const answer = await ask('explain', { report: aReport({ evidence: deep(9) }) }).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_request', errors: [{ pointer: expect.stringMatching(/^\/report\/evidence\/a/) }] });
    expect(faultOfProblem(answer)).toBeNull();
    const { body } = await ask('explain', { report: { class: 7, sorce: 'x' } }).expect(400);
    expect(body.errors.map(({ pointer }: any) => pointer)).toEqual(
      expect.arrayContaining(['/report/class', '/report/source', '/report/sorce']),
    );
  });

  it.each([
    ['no report', {}, '/report'],
    ['a report that is a list', { report: [] }, '/report'],
    ['occurrences of 0', { report: aReport(), occurrences: 0 }, '/occurrences'],
    ['escalating that is no word', { report: aReport(), escalating: 'yes' }, '/escalating'],
  ])('refuses %s', async (_, body, pointer) => {
    expect((await ask('explain', body).expect(400)).body).toMatchObject({ code: 'invalid_request', errors: [{ pointer }] });
  });

  it('refuses a bad policy with its place', async () => {
    const { body } = await ask('explain', { report: aReport(), policy: 'version: 2\nrules: {}\n' }).expect(400);
    expect(body).toMatchObject({ code: 'invalid_configuration', errors: [{ pointer: '/version', line: 1, column: 1 }] });
  });

  it('tells of a class that is not known that its report would be refused', async () => {
    const { body } = await ask('explain', { report: aReport({ class: 'never_heard_of' }) }).expect(200);
    expect(body).toMatchObject({ known_class: false, actions: [] });
  });
});

describe('a replay', () => {
  it('tells what would have been otherwise, and records nothing', async () => {
    await using fresh = await openTestHouse({ policy: IN_FORCE });
    for (const src_ip of ['192.0.2.1', '192.0.2.2', '10.0.0.1']) {
      await fresh.post('/api/v1/incidents/report', aReport({ evidence: { src_ip } })).expect(201);
    }
    const before = fresh.records().length;
    const { body } = await fresh.post('/api/v1/policy/replay', { policy: CANDIDATE }).expect(200);
    expect(body).toMatchObject({
      records: { first: 1, cut: false },
      ...{ reports: 3, incidents: { was: 3, now: 1 }, targets: { block_ip: { was: 0, now: 2 }, freeze_agent: { was: 1, now: 0 } } },
      by_action: { freeze_agent: { was: 3, now: 0 }, block_ip: { was: 0, now: 2 }, log_alert: { was: 3, now: 1 } },
      refused: { protected: { was: 0, now: 1 } },
      protected: { count: 1, first: [{ action: 'block_ip', target: 'ip:10.0.0.1', was: 0, now: 1, with_approval: false }] },
      changed: { count: 3 },
    });
    const same = await fresh.post('/api/v1/policy/replay', { policy: IN_FORCE }).expect(200);
    expect(same.body.changed).toEqual({ count: 0, first: [] });
    await fresh.post('/api/v1/policy/check', { policy: CANDIDATE }).expect(200);
    await fresh.post('/api/v1/policy/explain', { report: aReport(), policy: CANDIDATE }).expect(200);
    expect(fresh.records()).toHaveLength(before);
  });

  it('refuses a bad policy with its place, and takes no other field', async () => {
    expect((await ask('replay', { policy: 'rules: {}\n' }).expect(400)).body).toMatchObject({
      code: 'invalid_configuration',
      errors: [{ line: 1 }],
    });
    expect((await ask('replay', { policy: CANDIDATE, limit: 5 }).expect(400)).body).toMatchObject({ errors: [{ pointer: '/limit' }] });
  });

  it('is of the last 1,000 incidents, one at a time, while others are served; who leaves ends it', async () => {
    await using full = await openTestHouse({ policy: IN_FORCE });
    const line = (i: number) =>
      JSON.stringify(aReport({ class: 'tool_call_burst', source: `source ${i}`, evidence: { n: i, text: 'x'.repeat(500) } }));
    for (let batch = 0; batch < 3; batch += 1) {
      const lines = Array.from({ length: 500 }, (_, i) => line(batch * 500 + i)).join('\n');
      await full.http
        .post('/api/v1/incidents/reports')
        .set({ authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': 'application/x-ndjson' })
        .send(lines)
        .expect(200);
    }
    const answers = await Promise.all(Array.from({ length: 4 }, async () => full.post('/api/v1/policy/replay', { policy: IN_FORCE })));
    const [taken, ...others] = answers.toSorted((a, b) => a.status - b.status);
    expect(taken?.body).toMatchObject({
      reports: 1000,
      incidents: { was: 1000, now: 1000 },
      records: { cut: true },
      changed: { count: 0 },
    });
    expect(others.at(-1)).toMatchObject({ status: 429, headers: { 'retry-after': '1' }, body: { code: 'rate_limited' } });

    const running = full.post('/api/v1/policy/replay', { policy: IN_FORCE }).then(({ status }) => status);
    expect(await Promise.all([running, full.http.get('/livez').then(({ status }) => status)])).toEqual([200, 200]);

    const gone = request({
      port: full.port,
      path: '/api/v1/policy/replay',
      method: 'POST',
      headers: { authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': 'application/json' },
    });
    gone.on('error', () => {});
    gone.end(JSON.stringify({ policy: IN_FORCE }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    gone.destroy();
    for (let status = 429; status === 429;) ({ status } = await full.post('/api/v1/policy/check', { policy: IN_FORCE }));
    expect(full.logged.filter(({ level }) => level === 'error' || level === 'critical')).toEqual([]);
  }, 60_000);
});
