// What operators do with an incident: the whole lifecycle table, versions, notes, and what the timeline keeps of it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StepName } from '../../src/incident/lifecycle.ts';
import type { State } from '../../src/incident/vocabulary.ts';
import { aReport, openTestHouse } from '../support/house.ts';
import { type WritePath, OPERATOR, aPolicy, openWritePath } from '../support/write-path.ts';

const POLICY =
  'version: 1\nrules:\n  prompt_injection: {auto_contain: true, actions: [freeze_agent]}\n  tool_call_burst: {auto_contain: false, actions: [freeze_agent]}\n';

/** How an incident comes into each state. `acknowledged, contained`: acknowledged while its containment stands. */
const WAYS = {
  open: ['tool_call_burst'],
  contained: ['prompt_injection'],
  acknowledged: ['tool_call_burst', 'acknowledge'],
  'acknowledged, contained': ['prompt_injection', 'acknowledge'],
  resolved: ['prompt_injection', 'resolve'],
} as const satisfies Record<string, readonly [string, ...StepName[]]>;
type Way = keyof typeof WAYS;

async function reach(path: WritePath, way: Way): Promise<string> {
  const [reported, ...steps] = WAYS[way];
  const { incident } = await path.report({ class: reported });
  for (const step of steps) await path.step(step, incident.id);
  return incident.id;
}

/** The table of the contract, cell by cell; null = the state does not allow it. */
const TABLE: [Way, StepName, State | null][] = [
  ['open', 'contain', 'contained'],
  ['open', 'acknowledge', 'acknowledged'],
  ['open', 'resolve', 'resolved'],
  ['open', 'reopen', null],
  ['contained', 'contain', null],
  ['contained', 'acknowledge', 'acknowledged'],
  ['contained', 'resolve', 'resolved'],
  ['contained', 'reopen', null],
  ['acknowledged', 'contain', 'contained'],
  ['acknowledged', 'acknowledge', null],
  ['acknowledged', 'resolve', 'resolved'],
  ['acknowledged', 'reopen', 'open'],
  ['acknowledged, contained', 'contain', 'contained'],
  ['acknowledged, contained', 'acknowledge', null],
  ['acknowledged, contained', 'resolve', 'resolved'],
  ['acknowledged, contained', 'reopen', 'contained'],
  ['resolved', 'contain', null],
  ['resolved', 'acknowledge', null],
  ['resolved', 'resolve', null],
  ['resolved', 'reopen', null],
];
const ALLOWED: Record<Way, StepName[]> = {
  open: ['contain', 'acknowledge', 'resolve'],
  contained: ['acknowledge', 'resolve'],
  acknowledged: ['contain', 'resolve', 'reopen'],
  'acknowledged, contained': ['contain', 'resolve', 'reopen'],
  resolved: [],
};
const LAST_RECORD: Record<StepName, string> = {
  contain: 'incident.contained',
  acknowledge: 'incident.acknowledged',
  resolve: 'incident.resolved',
  reopen: 'incident.reopened',
};

describe('the life of an incident', () => {
  it.each(TABLE.filter(([, , to]) => to !== null))('leads from %s by %s to %s', async (way, step, to) => {
    using path = openWritePath({ policy: POLICY });
    const id = await reach(path, way);
    path.clock.advance(1000);
    const before = path.incident(id).incident;
    const { incident, version, receipt } = await path.step(step, id, { note: 'because' });
    expect(incident.state).toBe(to);
    expect(incident.updated_at).toBe('2026-03-13T08:15:31.123Z');
    expect(path.incident(id)).toEqual({ incident, version });
    const record = path.records(LAST_RECORD[step]).at(-1);
    expect(record).toMatchObject({
      id,
      actor: 'operator:alice',
      ts: '2026-03-13T08:15:31.123Z',
      data: { from: before.state, note: 'because' },
    });
    expect(path.records().find(({ seq }) => seq === receipt.seq)).toMatchObject({ id, hash: receipt.hash, data: { note: 'because' } });
    expect(path.store.statistics.tallies()).toMatchObject([{ state: to, n: 1 }]);
  });

  it.each(TABLE.filter(([, , to]) => to === null))(
    'does not lead from %s by %s: it is refused with what is allowed, and nothing changes',
    async (way, step) => {
      using path = openWritePath({ policy: POLICY });
      const id = await reach(path, way);
      const before = path.incident(id);
      const records = path.records().length;
      await expect(path.step(step, id)).rejects.toMatchObject({
        code: 'state_conflict',
        details: { state: before.incident.state, allowed: ALLOWED[way] },
      });
      expect(path.incident(id)).toEqual(before);
      expect(path.records()).toHaveLength(records);
    },
  );

  it('tells a refusal as 409 with state and allowed', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    await house.post('/api/v1/incidents/resolve', { id: body.id }).expect(200);
    const refused = await house.post('/api/v1/incidents/acknowledge', { id: body.id }).expect(409);
    expect(refused.headers['content-type']).toBe('application/problem+json');
    expect(refused.body).toMatchObject({ code: 'state_conflict', status: 409, state: 'resolved', allowed: [] });
    expect(refused.body.error).toBe(refused.body.detail);
  });

  it('ends for good with resolve, which keeps when and how', async () => {
    using path = openWritePath();
    const { incident } = await path.report();
    path.clock.advance(5000);
    const resolved = await path.step('resolve', incident.id, { resolution: 'false_positive', note: 'a test' });
    expect(resolved.incident).toMatchObject({ state: 'resolved', resolved_at: '2026-03-13T08:15:35.123Z', resolution: 'false_positive' });
    expect(path.records('incident.resolved')[0]?.data).toEqual({
      from: 'contained',
      note: 'a test',
      resolution: 'false_positive',
      status: 'released',
      ending: [incident.containment.actions[0]?.hold_id],
      let_go: [],
      request: null,
    });
  });

  it('does not exist for an id that is not there', async () => {
    using path = openWritePath();
    await expect(path.step('resolve', 'INC-20260313-000000000000')).rejects.toMatchObject({ code: 'not_found' });
    await expect(path.step('resolve', "' OR 1=1 --")).rejects.toMatchObject({ code: 'not_found' });
    await expect(path.note('INC-20260313-000000000000', 'x')).rejects.toMatchObject({ code: 'not_found' });
    expect(path.records()).toEqual([]);
  });

  it('goes one step when two operators ask for the same at once, and the second is told', async () => {
    using path = openWritePath();
    const { incident } = await path.report();
    const [first, second] = await Promise.allSettled([
      path.step('acknowledge', incident.id),
      path.step('acknowledge', incident.id, { caller: { name: 'bob', actor: 'operator:bob' } }),
    ]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'state_conflict' } });
    expect(path.records('incident.acknowledged').map(({ actor }) => actor)).toEqual(['operator:alice']);
  });
});

describe("an operator's contain", () => {
  it('orders what the policy had proposed, as its own record, and then contains', async () => {
    using path = openWritePath({ policy: POLICY });
    const id = await reach(path, 'open');
    const { incident, receipt, version } = await path.step('contain', id, { note: 'now' });
    expect(incident).toMatchObject({
      state: 'contained',
      containment_actions: ['freeze_agent'],
      proposed_actions: [],
      containment: { status: 'recorded', reached_at: incident.updated_at },
    });
    const hold = incident.containment.actions[0]?.hold_id;
    expect(
      path
        .records()
        .slice(1)
        .map(({ type, id: about, actor }) => [type, about, actor]),
    ).toEqual([
      ['incident.ordered', id, 'operator:alice'],
      ['hold.recorded', hold, 'operator:alice'],
      ['incident.contained', id, 'operator:alice'],
    ]);
    expect(path.records('incident.ordered')[0]?.data).toMatchObject({
      note: 'now',
      actions: [{ action: 'freeze_agent', hold_id: hold, status: 'recorded' }],
    });
    expect(path.records('incident.contained')[0]?.data).toMatchObject({ by: 'operator', status: 'recorded' });
    expect([receipt.seq, version]).toEqual([2, 4]);
  });

  it('contains at once when there is nothing to do', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: false') });
    const { incident } = await path.report({ class: 'manifest_mismatch' });
    const contained = await path.step('contain', incident.id);
    expect(contained.incident).toMatchObject({ state: 'contained', containment: { status: 'none', actions: [] } });
    expect(path.records().map(({ type }) => type)).toEqual(['incident.reported', 'incident.contained']);
  });

  it('under without_actuator: never orders, and is answered with an incident that is open still', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: false, actions: [freeze_agent]', 'without_actuator: never') });
    const { incident } = await path.report();
    const ordered = await path.step('contain', incident.id);
    expect(ordered.incident).toMatchObject({
      state: 'open',
      containment_actions: ['freeze_agent'],
      containment: { status: 'recorded', reached_at: null },
    });
    expect(path.records().map(({ type }) => type)).toEqual(['incident.reported', 'incident.ordered', 'hold.recorded']);
    expect(path.store.statistics.tallies()).toMatchObject([{ state: 'open' }]);
  });

  it.each([
    ['open', [], ['acknowledge', 'resolve']],
    ['acknowledged', ['acknowledge'], ['resolve', 'reopen']],
  ] as [State, StepName[], StepName[]][])(
    'under without_actuator: never is refused from %s when all is ordered already, with what is allowed',
    async (state, steps, allowed) => {
      using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent]', 'without_actuator: never') });
      const { incident } = await path.report();
      for (const step of steps) await path.step(step, incident.id);
      await expect(path.step('contain', incident.id)).rejects.toMatchObject({ code: 'state_conflict', details: { state, allowed } });
      for (const step of allowed) {
        using other = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent]', 'without_actuator: never') });
        const { incident: again } = await other.report();
        for (const before of steps) await other.step(before, again.id);
        expect((await other.step(step, again.id)).incident.state).not.toBe(state);
      }
    },
  );
});

describe('If-Match', () => {
  it('lets a step through on the version that it names, and refuses it on another, inside the change', async () => {
    using path = openWritePath();
    const { incident, version } = await path.report();
    const [first, second] = await Promise.allSettled([
      path.step('acknowledge', incident.id, { ifMatch: [version] }),
      path.step('resolve', incident.id, { ifMatch: [version] }),
    ]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'precondition_failed' } });
    await expect(path.note(incident.id, 'x', { ifMatch: [] })).rejects.toMatchObject({ code: 'precondition_failed' });
    expect(path.incident(incident.id).incident.state).toBe('acknowledged');
  });

  it('holds with the ETag of any answer: each change moves it on, to the seq of the last record', async () => {
    await using house = await openTestHouse();
    const etags: string[] = [];
    const reported = await house.post('/api/v1/incidents/report', aReport({ dedup_key: 'k' })).expect(201);
    const { id } = reported.body;
    etags.push(String(reported.headers['etag']));
    const next = async (path: string, body: unknown) => {
      await house.post(path, body).set('If-Match', '"1"').expect(412);
      const { headers } = await house
        .post(path, body)
        .set('If-Match', `"7", ${etags.at(-1)}`)
        .expect(200);
      const { headers: read } = await house.get(`/api/v1/incidents/${id}`).expect(200);
      expect(read['etag']).toBe(headers['etag']);
      expect(headers['etag']).toBe(`"${house.records().at(-1)?.seq}"`);
      etags.push(String(headers['etag']));
    };
    await next(`/api/v1/incidents/${id}/notes`, { note: 'a' });
    await next('/api/v1/incidents/acknowledge', { id });
    await next('/api/v1/incidents/reopen', { id });
    await house.post('/api/v1/incidents/report', aReport({ dedup_key: 'k' })).expect(200);
    await house
      .post('/api/v1/incidents/resolve', { id })
      .set('If-Match', String(etags.at(-1)))
      .expect(412);
    await house.post('/api/v1/incidents/resolve', { id }).set('If-Match', '*').expect(200);
    expect(new Set(etags).size).toBe(etags.length);
  });
});

describe('a note', () => {
  it('stands on the timeline with who and when, in every state, and changes nothing else', async () => {
    using path = openWritePath();
    const { incident } = await path.report();
    await path.step('resolve', incident.id);
    const before = path.incident(incident.id).incident;
    path.clock.advance(1000);
    const noted = await path.note(incident.id, 'line one\nline two \u202e');
    expect(noted.incident).toEqual({ ...before, updated_at: '2026-03-13T08:15:31.123Z' });
    const [record] = path.records('incident.noted');
    expect(record).toMatchObject({ id: incident.id, actor: 'operator:alice', data: { note: 'line one\nline two \u202e', request: null } });
    expect(noted.version).toBe(record?.seq);
  });
});

describe('the timeline', () => {
  interface Told {
    type: string;
    id: string | null;
  }
  const timeline = (path: WritePath, id: string): Told[] =>
    path.store.records.timeline(path.incident(id).incident.audit.seq, 0, 1000, 1e9).map(({ line }) => JSON.parse(line) as Told);
  const types = (path: WritePath, id: string) => timeline(path, id).map(({ type }) => type);

  it('is every record of the incident and of the holds that it owned, oldest first', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report({ dedup_key: 'k' });
    await path.report({ class: 'manifest_mismatch' });
    await path.report({ dedup_key: 'k' });
    await path.step('acknowledge', incident.id);
    await path.note(incident.id, 'x');
    await path.step('reopen', incident.id);
    await path.step('resolve', incident.id);
    expect(types(path, incident.id)).toEqual([
      ...['incident.reported', 'hold.recorded', 'incident.contained', 'incident.joined', 'incident.acknowledged'],
      ...['incident.noted', 'incident.reopened', 'incident.resolved', 'hold.released'],
    ]);
    for (const { id } of timeline(path, incident.id)) expect([incident.id, incident.containment.actions[0]?.hold_id]).toContain(id);
  });

  it('holds the records of a shared hold only while the incident owns it', async () => {
    using path = openWritePath({ policy: POLICY });
    const a = (await path.report()).incident.id;
    const b = (await path.report()).incident.id;
    await path.step('resolve', a);
    await path.step('resolve', b);
    expect(types(path, a)).toEqual(['incident.reported', 'hold.recorded', 'incident.contained', 'incident.resolved']);
    expect(types(path, b)).toEqual(['incident.reported', 'incident.contained', 'incident.resolved', 'hold.released']);
  });

  it('does not hold what became of a hold before the incident owned it', async () => {
    using path = openWritePath({ policy: POLICY });
    const proposed = (await path.report({ class: 'tool_call_burst' })).incident.id;
    const holder = (await path.report()).incident.id;
    await path.step('contain', proposed);
    expect(types(path, proposed)).toEqual(['incident.reported', 'incident.ordered', 'incident.contained']);
    await path.step('resolve', holder);
    await path.step('resolve', proposed);
    expect(types(path, proposed)).toEqual([
      'incident.reported',
      'incident.ordered',
      'incident.contained',
      'incident.resolved',
      'hold.released',
    ]);
    expect(types(path, holder)).not.toContain('hold.released');
  });
});

describe('who does a step', () => {
  it('is in its record by role and name', async () => {
    const alice = 'a'.repeat(64);
    await using house = await openTestHouse({ tokens: { alice: { token: alice, role: 'operator' } } });
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    await house.post('/api/v1/incidents/acknowledge', { id: body.id, note: 'mine' }, alice).expect(200);
    await house.post('/api/v1/incidents/resolve', { id: body.id }).expect(200);
    const told = house.records().filter(({ type }) => /acknowledged|resolved/.test(type));
    expect(told.map(({ actor, data }) => [actor, data['note']])).toEqual([
      [OPERATOR.actor, 'mine'],
      ['service:service', null],
    ]);
  });
});

describe('an incident whose rule has left the policy', () => {
  it('is contained by an operator all the same, with what was proposed', async () => {
    await using house = await openTestHouse({ policy: POLICY });
    const { body: incident } = await house.post('/api/v1/incidents/report', aReport({ class: 'tool_call_burst' })).expect(201);
    writeFileSync(join(house.dir, 'policy.yaml'), POLICY.replace(/ {2}tool_call_burst.*\n/, ''));
    await house.reload();
    const { body: contained } = await house.post('/api/v1/incidents/contain', { id: incident.id }).expect(200);
    expect(contained).toMatchObject({
      state: 'contained',
      containment: { status: 'recorded', actions: [{ action: 'freeze_agent', error: null }] },
    });
  });
});
