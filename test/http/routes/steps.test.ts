// What an operator sends: the four steps and notes, and every way to send them wrongly.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestHouse, aReport, openTestHouse } from '../../support/house.ts';
import type { Parsed } from '../../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const API = '/api/v1/incidents';
const STEPS = ['contain', 'acknowledge', 'resolve', 'reopen'] as const;
const ALLOWED = {
  open: ['contain', 'acknowledge', 'resolve'],
  contained: ['acknowledge', 'resolve'],
  acknowledged: ['contain', 'resolve', 'reopen'],
  resolved: [],
} as const;
type State = keyof typeof ALLOWED;

let house: TestHouse;
beforeAll(async () => {
  house = await openTestHouse({ tokens: ROLE_TOKENS });
});
afterAll(async () => house[Symbol.asyncDispose]());

/** A fresh incident in a state. */
async function incidentIn(state: State): Promise<string> {
  const name = state === 'contained' ? 'tool_call_burst' : 'forbidden_airlock_request';
  const { body } = await house.post(`${API}/report`, aReport({ class: name })).expect(201);
  if (state === 'acknowledged') await house.post(`${API}/acknowledge`, { id: body.id }).expect(200);
  if (state === 'resolved') await house.post(`${API}/resolve`, { id: body.id }).expect(200);
  expect((await house.get(`${API}/${body.id}`)).body.state).toBe(state);
  return body.id as string;
}

describe('a step', () => {
  const table = (Object.keys(ALLOWED) as State[]).flatMap((state) =>
    STEPS.map((step) => ({ state, step, ok: (ALLOWED[state] as readonly string[]).includes(step) })),
  );

  it.each(table.filter(({ ok }) => ok))('$step is taken from $state, and answers the incident', async ({ state, step }) => {
    const id = await incidentIn(state);
    const answer = await house.post(`${API}/${step}`, { id, note: `to ${step}` }).expect(200);
    expect(answer.body.id).toBe(id);
    expect(answer.body.state).not.toBe(state);
    expect((await house.get(`${API}/${id}`)).body.state).toBe(answer.body.state);
  });

  it.each(table.filter(({ ok }) => !ok))(
    '$step is 409 from $state, with what that allows, and nothing is recorded',
    async ({ state, step }) => {
      const id = await incidentIn(state);
      const before = house.records().length;
      const answer = await house.post(`${API}/${step}`, { id }).expect(409);
      expect(answer.body).toMatchObject({ code: 'state_conflict', state, allowed: ALLOWED[state] });
      expect(faultOfProblem(answer)).toBeNull();
      expect(house.records()).toHaveLength(before);
    },
  );

  it('keeps who, when and why', async () => {
    const id = await incidentIn('open');
    await house.post(`${API}/acknowledge`, { id, note: '  on it  ' }, ROLE_TOKENS.operator.token).expect(200);
    expect(house.records().at(-1)).toMatchObject({
      type: 'incident.acknowledged',
      id,
      actor: 'operator:operator',
      data: { from: 'open', note: 'on it' },
    });
  });

  it.each(['true_positive', 'false_positive', 'expected', 'test', null])('resolve may carry the resolution %s', async (resolution) => {
    const id = await incidentIn('open');
    const { body } = await house.post(`${API}/resolve`, { id, resolution }).expect(200);
    expect(body).toMatchObject({ state: 'resolved', resolution, resolved_at: expect.any(String) });
  });

  it('needs no note, and null is none', async () => {
    const id = await incidentIn('open');
    await house.post(`${API}/acknowledge`, { id, note: null }).expect(200);
    expect(house.records().at(-1)?.data['note']).toBeNull();
  });

  it('may come from admins and the service token alike', async () => {
    const id = await incidentIn('open');
    await house.post(`${API}/acknowledge`, { id }, ROLE_TOKENS.admin.token).expect(200);
    await house.post(`${API}/reopen`, { id }).expect(200);
  });
});

describe('a step on nothing', () => {
  it.each([
    ['does not exist', 'INC-20260313-000000000000'],
    ['has SQL in it', "INC-20260313-000000' OR '1'='1"],
    ['has more SQL in it', "'; UPDATE incidents SET state='resolved'; --"],
    ['is of another form', '42'],
    ['is a word that objects have', '__proto__'],
  ])('by an id that %s is 404 at every step, and nothing is recorded', async (_, id) => {
    const stats = (await house.get('/api/v1/stats')).body;
    const before = house.records().length;
    for (const step of STEPS) {
      const answer = await house.post(`${API}/${step}`, { id }).expect(404);
      expect(faultOfProblem(answer)).toBeNull();
    }
    expect(house.records()).toHaveLength(before);
    expect((await house.get('/api/v1/stats')).body).toEqual(stats);
  });
});

describe('the body of a step', () => {
  it.each<[string, (id: string) => object, string]>([
    ['no id', () => ({ note: 'x' }), '/id'],
    ['an empty id', () => ({ id: '' }), '/id'],
    ['an id that is a number', () => ({ id: 7 }), '/id'],
    ['an id in a list', (id) => ({ id: [id] }), '/id'],
    ['an id under another case', (id) => ({ ID: id }), '/ID'],
    ['an unknown field', (id) => ({ id, reason: 'x' }), '/reason'],
    ['a field of somebody else', (id) => ({ id, actor: 'root' }), '/actor'],
    ['a state', (id) => ({ id, state: 'resolved' }), '/state'],
    ['a blank note', (id) => ({ id, note: '  ' }), '/note'],
    ['a note that is an object', (id) => ({ id, note: {} }), '/note'],
    ['a note of 4,097 characters', (id) => ({ id, note: 'x'.repeat(4097) }), '/note'],
    ['a note with a lone surrogate', (id) => ({ id, note: 'a\ud800b' }), '/note'],
    ['a note with NUL', (id) => ({ id, note: 'a\0b' }), '/note'],
    ['a control character in the id', (id) => ({ id: `${id}\u0007x` }), '/id'],
  ])('with %s is 400 at every step, names the field, and changes nothing', async (_, bodyOf, pointer) => {
    const id = await incidentIn('open');
    const before = house.records().length;
    for (const step of STEPS) {
      const answer = await house.post(`${API}/${step}`, bodyOf(id)).expect(400);
      expect(answer.body.code).toBe('invalid_request');
      expect(answer.body.errors.map((fault: Parsed) => fault.pointer)).toContain(pointer);
    }
    expect(house.records()).toHaveLength(before);
  });

  it('with __proto__ is 400, and no object has changed', async () => {
    const answer = await house.post(`${API}/acknowledge`, '{"id":"x","__proto__":{"note":"y"}}').type('application/json').expect(400);
    expect(answer.body.detail).toContain('__proto__');
    expect(({} as Record<string, unknown>)['note']).toBeUndefined();
  });

  it.each(['true-positive', 'TEST', 'false', '', 1, {}])('with the resolution %j is 400', async (resolution) => {
    const id = await incidentIn('open');
    const answer = await house.post(`${API}/resolve`, { id, resolution }).expect(400);
    expect(answer.body.errors[0].pointer).toBe('/resolution');
  });

  it.each(['contain', 'acknowledge', 'reopen'])('of %s takes no resolution', async (step) => {
    const id = await incidentIn('open');
    const answer = await house.post(`${API}/${step}`, { id, resolution: 'test' }).expect(400);
    expect(answer.body.errors).toMatchObject([{ pointer: '/resolution' }]);
  });
});

describe('a note', () => {
  it('goes onto the timeline in every state, and leaves the state as it is', async () => {
    for (const state of Object.keys(ALLOWED) as State[]) {
      const id = await incidentIn(state);
      const before = (await house.get(`${API}/${id}`)).body;
      const { body } = await house.post(`${API}/${id}/notes`, { note: `seen in ${state}` }, ROLE_TOKENS.operator.token).expect(200);
      expect(body).toEqual({ ...before, updated_at: body.updated_at, audit: body.audit });
      const timeline = (await house.get(`${API}/${id}/timeline`)).body;
      expect(timeline.at(-1)).toMatchObject({ type: 'incident.noted', actor: 'operator:operator', data: { note: `seen in ${state}` } });
    }
  });

  it('of 4,096 characters is the longest', async () => {
    const id = await incidentIn('open');
    await house.post(`${API}/${id}/notes`, { note: 'x'.repeat(4096) }).expect(200);
    await house.post(`${API}/${id}/notes`, { note: 'x'.repeat(4097) }).expect(400);
  });

  it('keeps its lines, its control characters and its directions as they are', async () => {
    const id = await incidentIn('open');
    const note = 'line\none\u0007 \u202eright to left\u202c \u{1f600}';
    await house.post(`${API}/${id}/notes`, { note }).expect(200);
    expect((await house.get(`${API}/${id}/timeline`)).body.at(-1).data.note).toBe(note);
  });

  it.each([
    ['nothing', {}],
    ['an empty note', { note: '' }],
    ['null', { note: null }],
    ['an id too', { note: 'x', id: 'INC-20260313-000000000000' }],
    ['a lone surrogate', { note: '\udc00' }],
  ])('with %s is 400, and nothing is recorded', async (_, body) => {
    const id = await incidentIn('open');
    const before = house.records().length;
    await house.post(`${API}/${id}/notes`, body).expect(400);
    expect(house.records()).toHaveLength(before);
  });

  it('on an incident that is not there is 404', async () => {
    await house.post(`${API}/INC-20260313-000000000000/notes`, { note: 'x' }).expect(404);
  });
});
