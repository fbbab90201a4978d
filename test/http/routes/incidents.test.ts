// Reading incidents: one of them in the form of the contract, and its timeline.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestHouse, aReport, createClock, openTestHouse } from '../../support/house.ts';
import type { Parsed } from '../../support/raw.ts';
import { faultOfProblem } from '../../support/routes.ts';

const API = '/api/v1/incidents';
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('an incident', () => {
  it('has every field of the contract, with what the report and the decision made of it', async () => {
    const clock = createClock('2026-03-13T08:15:30.123Z');
    await using house = await openTestHouse({ now: clock.now });
    const { body } = await house
      .post(`${API}/report`, {
        class: 'attestation_failure',
        source: 'runtime-attestor',
        description: 'TPM2 PCR mismatch detected on PCR 7',
        evidence: { expected_pcr7: 'abc123', actual_pcr7: 'def456' },
      })
      .expect(201);
    const action = (name: string, target: string) => ({
      ...{ action: name, target, hold_id: expect.stringMatching(/^HLD-[0-9a-f]{12}$/), status: 'recorded' },
      ...{ actuator: null, attempts: 0, error: null, completed_at: null },
    });
    expect(body).toEqual({
      id: expect.stringMatching(/^INC-20260313-[0-9a-f]{6,}$/),
      created_at: '2026-03-13T08:15:30.123Z',
      updated_at: '2026-03-13T08:15:30.123Z',
      occurred_at: null,
      class: 'attestation_failure',
      severity: 'critical',
      state: 'contained',
      source: 'runtime-attestor',
      reported_by: 'service',
      description: 'TPM2 PCR mismatch detected on PCR 7',
      evidence: { expected_pcr7: 'abc123', actual_pcr7: 'def456' },
      subject: null,
      dedup_key: null,
      occurrences: 1,
      last_seen_at: '2026-03-13T08:15:30.123Z',
      follows: null,
      confidence: null,
      attack: null,
      trace_id: null,
      containment_actions: ['freeze_agent', 'disable_airlock', 'force_vault_relock'],
      proposed_actions: [],
      containment: {
        status: 'recorded',
        reached_at: '2026-03-13T08:15:30.123Z',
        actions: [action('freeze_agent', 'agent:*'), action('disable_airlock', 'airlock:*'), action('force_vault_relock', 'vault:*')],
      },
      containment_results: [],
      resolved_at: null,
      resolution: null,
      decided_by: {
        policy_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        rule: 'attestation_failure',
        line: null,
        severity_from: 'rule',
      },
      audit: { seq: expect.any(Number), hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      hash: body.audit.hash,
    });
  });

  it('keeps all that a report may hold', async () => {
    await using house = await openTestHouse();
    const report = aReport({
      severity: 'low',
      evidence: { text: 'a', number: 1.5, nothing: null, yes: true, list: [1, 'two', { three: 3 }], nested: { deep: { deeper: [] } } },
      subject: { type: 'agent', id: 'agent-7' },
      dedup_key: 'k',
      confidence: 0.25,
      occurred_at: '2026-03-13T09:15:30+01:00',
      trace_id: 't-1',
      attack: { atlas: ['AML.T0051'], owasp_llm: ['LLM01'], mitre: ['T1059'] },
    });
    const { body } = await house.post(`${API}/report`, report).expect(201);
    expect(body).toMatchObject({ ...report, occurred_at: '2026-03-13T08:15:30.000Z' });
    expect((await house.get(`${API}/${body.id}`)).body).toEqual(body);
  });

  it('is the same by both paths and in the list, with its ETag', async () => {
    await using house = await openTestHouse();
    const { body: made, headers } = await house.post(`${API}/report`, aReport()).expect(201);
    const byPath = await house.http.get(`${API}/${made.id}`).expect(200);
    const byQuery = await house.http.get(`${API}/get?id=${made.id}`).expect(200);
    expect(byPath.body).toEqual(made);
    expect(byQuery.body).toEqual(made);
    expect((await house.http.get(API)).body).toEqual([made]);
    for (const answer of [byPath, byQuery]) expect(answer.headers['etag']).toBe(headers['etag']);
  });

  it('keeps its hash for ever, while audit is the receipt of the change that was just made', async () => {
    await using house = await openTestHouse();
    const { body: made } = await house.post(`${API}/report`, aReport()).expect(201);
    expect(made.hash).toBe(made.audit.hash);
    expect(house.records().find(({ seq }) => seq === made.audit.seq)).toMatchObject({
      type: 'incident.reported',
      id: made.id,
      hash: made.hash,
    });
    const { body: done } = await house.post(`${API}/acknowledge`, { id: made.id }).expect(200);
    expect(done.hash).toBe(made.hash);
    expect(house.records().find(({ seq }) => seq === done.audit.seq)).toMatchObject({
      type: 'incident.acknowledged',
      hash: done.audit.hash,
    });
    expect((await house.get(`${API}/${made.id}`)).body).toMatchObject({ hash: made.hash, audit: made.audit });
  });

  it('has an ETag that is the seq of its last record', async () => {
    await using house = await openTestHouse();
    const { body, headers } = await house.post(`${API}/report`, aReport()).expect(201);
    const last = () => house.records().findLast(({ id }) => id === body.id)?.seq;
    expect(headers['etag']).toBe(`"${last()}"`);
    const noted = await house.post(`${API}/${body.id}/notes`, { note: 'x' }).expect(200);
    expect(noted.headers['etag']).toBe(`"${last()}"`);
  });

  it('whose class only proposes is open, and says what contain would do', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post(`${API}/report`, aReport({ class: 'forbidden_airlock_request' })).expect(201);
    expect(body).toMatchObject({
      state: 'open',
      containment_actions: [],
      proposed_actions: ['log_alert'],
      containment: { status: 'none', reached_at: null },
    });
    // log_alert is done at commit, whether anything is contained or not.
    expect(house.records().map(({ type }) => type)).toContain('alert.raised');
  });

  it('lists in containment_results finished actions only, and an action that is only recorded is not', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post(`${API}/report`, aReport({ class: 'prompt_injection' })).expect(201);
    expect(body.containment_actions).toEqual(['freeze_agent', 'log_alert']);
    expect(body.containment_results).toEqual([{ action: 'log_alert', success: true, completed_at: expect.stringMatching(ISO) }]);
  });

  it('has an id that is never used again', async () => {
    await using house = await openTestHouse();
    const ids = await Promise.all(Array.from({ length: 50 }, async () => (await house.post(`${API}/report`, aReport())).body.id));
    expect(new Set(ids).size).toBe(50);
    for (const id of ids) expect(id).toMatch(/^INC-\d{8}-[0-9a-f]{6,}$/);
  });
});

describe('what cannot be found', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse();
    await house.post(`${API}/report`, aReport()).expect(201);
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it.each([
    ['does not exist', 'INC-20260313-000000000000'],
    ['is of another form', 'INC-1'],
    ['has SQL in it', "INC-20260313-000000' OR '1'='1"],
    ['has SQL of more than one statement in it', "x'; DROP TABLE incidents; --"],
    ['is a wildcard', '%'],
    ['has NUL in it', 'INC-20260313-000000\0'],
    ['is a path', '../../etc/passwd'],
    ['is a word that objects have', '__proto__'],
    ['is very long', `INC-20260313-${'a'.repeat(4000)}`],
  ])('by an id that %s is 404, and everything is still there', async (_, id) => {
    for (const target of [
      `${API}/get?id=${encodeURIComponent(id)}`,
      `${API}/${encodeURIComponent(id)}`,
      `${API}/${encodeURIComponent(id)}/timeline`,
    ]) {
      const answer = await house.get(target).expect(404);
      expect(answer.body.code).toBe('not_found');
      expect(faultOfProblem(answer)).toBeNull();
    }
    expect((await house.get('/api/v1/stats')).body.total_incidents).toBe(1);
  });

  it.each([
    ['no id', ''],
    ['an empty id', '?id='],
    ['two ids', '?id=INC-20260313-000000000000&id=INC-20260313-000000000001'],
    ['an unknown parameter', '?id=INC-20260313-000000000000&x=1'],
    ['an id under another name', '?ID=INC-20260313-000000000000'],
  ])('by get with %s is 400', async (_, query) => {
    expect((await house.get(`${API}/get${query}`).expect(400)).body.code).toBe('invalid_parameter');
  });
});

describe('the timeline', () => {
  it("is the incident's audit records, whole and oldest first, with those of the holds it owns", async () => {
    await using house = await openTestHouse();
    const { body: other } = await house.post(`${API}/report`, aReport({ class: 'forbidden_airlock_request' })).expect(201);
    const { body: made } = await house.post(`${API}/report`, aReport()).expect(201);
    await house.post(`${API}/${made.id}/notes`, { note: 'a look' }).expect(200);
    await house.post(`${API}/${other.id}/notes`, { note: 'not of this one' }).expect(200);
    await house.post(`${API}/resolve`, { id: made.id, note: 'a drill', resolution: 'test' }).expect(200);
    const { body } = await house.get(`${API}/${made.id}/timeline`).expect(200);
    expect(body.map(({ type }: Parsed) => type)).toEqual([
      ...['incident.reported', 'hold.recorded', 'incident.contained', 'alert.raised'],
      ...['incident.noted', 'incident.resolved', 'hold.released'],
    ]);
    const written = house.records();
    expect(body).toEqual(written.filter(({ seq }) => body.some((record: Parsed) => record.seq === seq)));
    expect(body.find(({ type }: Parsed) => type === 'incident.resolved')).toMatchObject({
      actor: 'service:service',
      ts: expect.stringMatching(ISO),
      data: { from: 'contained', note: 'a drill', resolution: 'test' },
    });
  });

  it('comes in pages of at most 200, 100 when no limit is asked for, each with a next but the last', async () => {
    await using house = await openTestHouse();
    const { body: made } = await house.post(`${API}/report`, aReport({ class: 'forbidden_airlock_request' })).expect(201);
    for (let i = 0; i < 203; i += 50) {
      await Promise.all(
        Array.from({ length: Math.min(50, 203 - i) }, async (_, n) =>
          house.post(`${API}/${made.id}/notes`, { note: `${i + n}` }).expect(200),
        ),
      );
    }
    const all = house
      .records()
      .filter(({ id }) => id === made.id)
      .map(({ seq }) => seq);
    expect(all).toHaveLength(205);
    for (const [limit, sizes] of [
      [null, [100, 100, 5]],
      [200, [200, 5]],
      [103, [103, 102]],
      [205 - 5, [200, 5]],
    ] as const) {
      const pages: number[][] = [];
      let next: string | undefined = `${API}/${made.id}/timeline${limit === null ? '' : `?limit=${limit}`}`;
      while (next !== undefined) {
        const answer: { body: Parsed[]; headers: Record<string, string> } = await house.get(next).expect(200);
        pages.push(answer.body.map(({ seq }) => seq));
        next = /^<(\/[^>]+)>; rel="next"$/.exec(answer.headers['link'] ?? '')?.[1];
      }
      expect(pages.map(({ length }) => length)).toEqual(sizes);
      expect(pages.flat()).toEqual(all);
    }
  });

  it.each(['limit=201', 'limit=0', 'cursor=x', 'since=2026-03-13', 'q=x'])('with %s is 400', async (query) => {
    await using house = await openTestHouse();
    const { body } = await house.post(`${API}/report`, aReport()).expect(201);
    const answer = await house.get(`${API}/${body.id}/timeline?${query}`).expect(400);
    expect(answer.body.code).toBe('invalid_parameter');
  });

  it('has cursors of its own: that of another incident, or of the list, is 400', async () => {
    await using house = await openTestHouse();
    const { body: one } = await house.post(`${API}/report`, aReport()).expect(201);
    const { body: two } = await house.post(`${API}/report`, aReport()).expect(201);
    const cursorOf = async (target: string) =>
      new URL(/<([^>]+)>/.exec((await house.get(target).expect(200)).headers['link'] ?? '')?.[1] ?? '', house.url).searchParams.get(
        'cursor',
      );
    const ofOne = await cursorOf(`${API}/${one.id}/timeline?limit=1`);
    const ofList = await cursorOf(`${API}?limit=1`);
    await house.get(`${API}/${one.id}/timeline?cursor=${ofOne}`).expect(200);
    await house.get(`${API}/${two.id}/timeline?cursor=${ofOne}`).expect(400);
    await house.get(`${API}/${one.id}/timeline?cursor=${ofList}`).expect(400);
    await house.get(`${API}?cursor=${ofOne}`).expect(400);
  });
});
