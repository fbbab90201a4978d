// What request headers ask for: once only, only of this version, in this trace, after so long a wait.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVICE_TOKEN, type TestHouse, aReport, createClock, openTestHouse } from '../support/house.ts';
import { exchange, requestText } from '../support/raw.ts';
import { ROLE_TOKENS, ROUTES, faultOfProblem, pathOf } from '../support/routes.ts';

const API = '/api/v1/incidents';
const POLICY = 'version: 1\nrules: {prompt_injection: {auto_contain: true, actions: [freeze_agent]}}\n';

async function newIncident(house: TestHouse, more: object = {}): Promise<{ id: string; etag: string }> {
  const { body, headers } = await house.post(`${API}/report`, aReport({ ...more })).expect(201);
  return { id: body.id, etag: headers['etag'] ?? '' };
}

describe('If-Match', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse();
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it('with the ETag that the incident has lets a step through, and the step makes another ETag', async () => {
    const { id, etag } = await newIncident(house);
    expect(etag).toMatch(/^"\d+"$/);
    expect((await house.get(`${API}/${id}`)).headers['etag']).toBe(etag);
    const done = await house.post(`${API}/acknowledge`, { id }).set('If-Match', etag).expect(200);
    expect(done.headers['etag']).not.toBe(etag);
    for (const path of [`${API}/${id}`, `${API}/get?id=${id}`]) {
      expect((await house.get(path)).headers['etag']).toBe(done.headers['etag']);
    }
  });

  it('with an older one is 412 at every step, and nothing is recorded', async () => {
    const { id, etag } = await newIncident(house);
    await house.post(`${API}/${id}/notes`, { note: 'meanwhile' }).expect(200);
    const before = house.records().length;
    const requests: [string, object][] = [
      [`${API}/contain`, { id }],
      [`${API}/acknowledge`, { id }],
      [`${API}/resolve`, { id }],
      [`${API}/reopen`, { id }],
      [`${API}/${id}/notes`, { note: 'late' }],
    ];
    for (const [path, body] of requests) {
      const answer = await house.post(path, body).set('If-Match', etag).expect(412);
      expect(answer.body).toMatchObject({ code: 'precondition_failed' });
      expect(faultOfProblem(answer)).toBeNull();
    }
    expect(house.records()).toHaveLength(before);
  });

  it('lets exactly one of many at the same time through', async () => {
    const { id, etag } = await newIncident(house);
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => house.post(`${API}/${id}/notes`, { note: 'me' }).set('If-Match', etag)),
    );
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, ...Array.from({ length: 9 }, () => 412)]);
  });

  it.each([
    ['any', '*', 200],
    ['one of several', '"0", ETAG , "1"', 200],
    ['a weak one', 'W/ETAG', 412],
    ['one without quotes', 'BARE', 412],
    ['one of somebody else', '"abc"', 412],
    ['a number that no record has', '"99999999999999999999"', 412],
    ['nothing', '', 412],
  ])('that names %s: %s is %i', async (_, header, status) => {
    const { id, etag } = await newIncident(house);
    const value = header.replace('ETAG', etag).replace('BARE', etag.replaceAll('"', ''));
    await house.post(`${API}/acknowledge`, { id }).set('If-Match', value).expect(status);
  });
});

describe('Idempotency-Key', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse({
      policy: POLICY,
      tokens: { ...ROLE_TOKENS, other: { ...ROLE_TOKENS.reporter, token: 'other---'.repeat(4) } },
    });
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  const report = async (key: string, body: object = aReport(), token = SERVICE_TOKEN) =>
    house.post(`${API}/report`, body, token).set('Idempotency-Key', key);

  it('makes a report once: the second answer is 200, replayed, with the incident as it is now and the first receipt', async () => {
    const first = await report('k1');
    expect(first.status).toBe(201);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    await house.post(`${API}/acknowledge`, { id: first.body.id }).expect(200);
    const before = house.records().length;
    const second = await report('k1');
    expect(second.status).toBe(200);
    expect(second.headers['idempotent-replayed']).toBe('true');
    expect(second.body).toMatchObject({ id: first.body.id, state: 'acknowledged', audit: first.body.audit, occurrences: 1 });
    expect(house.records()).toHaveLength(before);
  });

  it('with another body is 422, be it by one blank, and nothing is recorded', async () => {
    const first = await report('k2');
    const before = house.records().length;
    const other = await report('k2', aReport({ description: 'other' }));
    expect(other.body).toMatchObject({ status: 422, code: 'idempotency_mismatch' });
    expect(faultOfProblem(other)).toBeNull();
    const text = `${JSON.stringify(aReport())} `;
    const headers = { authorization: `Bearer ${SERVICE_TOKEN}`, 'idempotency-key': 'k2', 'content-length': String(text.length) };
    expect((await exchange(house.port, requestText('POST', `${API}/report`, { headers, body: text }))).status).toBe(422);
    expect(house.records()).toHaveLength(before);
    expect((await report('k2')).body.id).toBe(first.body.id);
  });

  it('of another token is another key', async () => {
    const mine = await report('k3', aReport(), ROLE_TOKENS.reporter.token);
    const theirs = await report('k3', aReport(), 'other---'.repeat(4));
    expect([mine.status, theirs.status]).toEqual([201, 201]);
    expect(theirs.body.id).not.toBe(mine.body.id);
  });

  it('of another route is another key', async () => {
    const { id } = await newIncident(house);
    const step = async (name: string, body: object) => house.post(`${API}/${name}`, body).set('Idempotency-Key', 'k4');
    expect((await step('acknowledge', { id })).headers['idempotent-replayed']).toBeUndefined();
    expect((await step('reopen', { id })).headers['idempotent-replayed']).toBeUndefined();
    expect((await step(`${id}/notes`, { note: 'x' })).headers['idempotent-replayed']).toBeUndefined();
    expect((await report('k4')).status).toBe(201);
  });

  it('of another case is another key', async () => {
    const [upper, lower] = [await report('K5'), await report('k5')];
    expect(lower.body.id).not.toBe(upper.body.id);
  });

  it('makes every changing request once, reload and notes too', async () => {
    const { id } = await newIncident(house);
    const requests: [string, object][] = [
      ['/api/v1/reload', {}],
      [`${API}/${id}/notes`, { note: 'once' }],
      [`${API}/acknowledge`, { id }],
      [`${API}/contain`, { id }],
      [`${API}/acknowledge`, { id, note: 'again' }],
      [`${API}/reopen`, { id }],
      [`${API}/resolve`, { id, resolution: 'test' }],
    ];
    for (const [i, [path, body]] of requests.entries()) {
      const first = await house.post(path, body).set('Idempotency-Key', `every-${i}`).expect(200);
      const before = house.records().length;
      const second = await house.post(path, body).set('Idempotency-Key', `every-${i}`).expect(200);
      expect([path, first.headers['idempotent-replayed'], second.headers['idempotent-replayed']]).toEqual([path, undefined, 'true']);
      expect(house.records()).toHaveLength(before);
      if (path.startsWith(API)) expect(second.body.audit).toEqual(first.body.audit);
    }
  });

  it('makes a report once however many come at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, async () => report('k6')));
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([...Array.from({ length: 11 }, () => 200), 201]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  it('of a request that was refused may be used again', async () => {
    expect((await report('k7', aReport({ class: 'unheard_of' }))).status).toBe(400);
    expect((await report('k7', aReport())).status).toBe(201);
    const { id } = await newIncident(house);
    await house.post(`${API}/reopen`, { id }).set('Idempotency-Key', 'k7').expect(409);
    await house.post(`${API}/acknowledge`, { id }).expect(200);
    await house.post(`${API}/reopen`, { id }).set('Idempotency-Key', 'k7').expect(200);
  });

  it('is asked before If-Match: what was done is answered again though the version has moved on', async () => {
    const { id, etag } = await newIncident(house);
    const step = async () => house.post(`${API}/acknowledge`, { id }).set('Idempotency-Key', 'k8').set('If-Match', etag);
    expect((await step()).status).toBe(200);
    expect((await step()).status).toBe(200);
  });

  it('holds through a restart, and for 24 hours', async () => {
    const clock = createClock();
    await using own = await openTestHouse({ now: clock.now });
    const send = async () => own.post(`${API}/report`, aReport()).set('Idempotency-Key', 'day');
    const first = await send();
    await own.restart();
    expect((await send()).body.id).toBe(first.body.id);
    clock.advance(24 * 3_600_000 - 1);
    expect((await send()).body.id).toBe(first.body.id);
    clock.advance(1);
    const next = await send();
    expect(next.status).toBe(201);
    expect(next.body.id).not.toBe(first.body.id);
  });

  it('is nowhere in clear: not in the audit log', async () => {
    await report('a-key-to-look-for');
    expect(JSON.stringify(house.records())).not.toContain('a-key-to-look-for');
  });

  it.each([
    ['1 character', 'x'],
    ['255 characters', 'x'.repeat(255)],
    ['any visible ASCII', `!"#$%&'()*+,-./09:;<=>?@AZ[\\]^_\`az{|}~`],
  ])('of %s is taken', async (_, key) => {
    expect((await report(key, aReport({ description: key.slice(0, 9) }))).status).toBe(201);
  });

  it.each([
    ['is empty', ['']],
    ['is 256 characters long', ['x'.repeat(256)]],
    ['has a blank in it', ['a b']],
    ['has a tab in it', ['a\tb']],
    ['is not ASCII', ['\u00e9']],
    ['is given twice', ['a', 'b']],
  ])('that %s is 400 at every changing route, and nothing is recorded', async (_, keys) => {
    const { id } = await newIncident(house);
    const before = house.records().length;
    for (const route of ROUTES.filter(({ method, type, changes }) => method === 'POST' && type === undefined && changes !== false)) {
      const body = JSON.stringify(route.body?.(id));
      const lines = [
        `authorization: Bearer ${SERVICE_TOKEN}`,
        `content-length: ${body.length}`,
        ...keys.map((key) => `idempotency-key: ${key}`),
        ...Object.entries(route.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
      ];
      const head = `POST ${pathOf(route, id)} HTTP/1.1\r\nhost: localhost\r\n${lines.join('\r\n')}\r\n\r\n`;
      const answer = await exchange(house.port, Buffer.from(head + body, 'latin1'));
      expect([route.path, answer.status, answer.json().code]).toEqual([route.path, 400, 'invalid_parameter']);
    }
    expect(house.records()).toHaveLength(before);
  });

  it('is not taken with a batch', async () => {
    const answer = await house.post(`${API}/reports`, JSON.stringify(aReport())).type('application/x-ndjson').set('Idempotency-Key', 'k');
    expect(answer.body).toMatchObject({ status: 400, code: 'invalid_parameter' });
  });
});

describe('traceparent', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse();
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it.each([
    ['is kept as trace_id', `00-${TRACE}-00f067aa0ba902b7-01`, {}, TRACE],
    ['of a later version is kept too', `01-${TRACE}-00f067aa0ba902b7-01-more`, {}, TRACE],
    ['does not overrule a trace_id in the report', `00-${TRACE}-00f067aa0ba902b7-01`, { trace_id: 'mine' }, 'mine'],
    ['without a trace is ignored', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, {}, null],
    ['without a parent is ignored', `00-${TRACE}-${'0'.repeat(16)}-01`, {}, null],
    ['of the forbidden version is ignored', `ff-${TRACE}-00f067aa0ba902b7-01`, {}, null],
    ['in upper case is ignored', `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01`, {}, null],
    ['that is something else is ignored, not refused', 'rubbish', {}, null],
  ])('%s', async (_, header, more, traceId) => {
    const { body } = await house.post(`${API}/report`, aReport(more)).set('traceparent', header).expect(201);
    expect(body.trace_id).toBe(traceId);
    expect((await house.get(`${API}/${body.id}`)).body.trace_id).toBe(traceId);
  });
});

describe('Prefer', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse();
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it.each([
    ['wait=0', 'wait=0'],
    ['wait=1', 'wait=1'],
    ['wait=30', 'wait=30'],
    ['respond-async', undefined],
    ['wait=5, wait=7', 'wait=5'],
  ])(': %s is accepted, and with no actuator to wait for the answer comes when the report is durable', async (preference, applied) => {
    const began = performance.now();
    const answer = await house.post(`${API}/report`, aReport()).set('Prefer', preference).expect(201);
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(answer.headers['preference-applied']).toBe(applied);
    expect(answer.body).toMatchObject({ state: 'contained', containment: { status: 'recorded' } });
    expect(house.records().map(({ id }) => id)).toContain(answer.body.id);
  });

  it.each(['wait=31', 'wait=-1', 'wait=soon'])(': %s is 400, and nothing is recorded', async (preference) => {
    const before = house.records().length;
    const answer = await house.post(`${API}/report`, aReport()).set('Prefer', preference).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_parameter', detail: expect.stringContaining('from 0 to 30') });
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.records()).toHaveLength(before);
  });
});
