// Idempotency-Key: a request that was done is answered again, and not done again.
import { describe, expect, it } from 'vitest';
import { SERVICE_TOKEN, aReport, createClock, openTestHouse } from '../support/house.ts';

const HOUR_MS = 3_600_000;
const OTHER = 'b'.repeat(64);
const tokens = { other: { token: OTHER, role: 'reporter', sources: ['*'], classes: ['*'] } };

describe('a report with an Idempotency-Key', () => {
  it('is kept once: the same request again is answered with the incident as it is now', async () => {
    await using house = await openTestHouse();
    const send = () => house.post('/api/v1/incidents/report', aReport()).set('Idempotency-Key', 'k1');
    const first = await send().expect(201);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    await house.post('/api/v1/incidents/acknowledge', { id: first.body.id }).expect(200);
    const records = house.records().length;
    const again = await send().expect(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body).toMatchObject({ id: first.body.id, state: 'acknowledged', audit: first.body.audit, occurrences: 1 });
    expect(again.headers['etag']).toBe(`"${records}"`);
    expect(house.records()).toHaveLength(records);
  });

  it('is refused with another body, were it by one space, and nothing is done', async () => {
    await using house = await openTestHouse();
    const headers = { Authorization: `Bearer ${SERVICE_TOKEN}`, 'Content-Type': 'application/json', 'Idempotency-Key': 'k1' };
    const send = (body: string) => house.http.post('/api/v1/incidents/report').set(headers).send(body);
    await send(JSON.stringify(aReport())).expect(201);
    const records = house.records().length;
    const { body } = await send(`${JSON.stringify(aReport())} `).expect(422);
    expect(body.code).toBe('idempotency_mismatch');
    expect(house.records()).toHaveLength(records);
    await send(JSON.stringify(aReport())).expect(200);
  });

  it('of another token or another route is another request', async () => {
    await using house = await openTestHouse({ tokens, policy: 'version: 1\nrules: {}\n' });
    const keyed = (path: string, body: unknown, token?: string) => house.post(path, body, token).set('Idempotency-Key', 'k1');
    const mine = await keyed('/api/v1/incidents/report', aReport()).expect(201);
    const theirs = await keyed('/api/v1/incidents/report', aReport(), OTHER).expect(201);
    expect(theirs.body.id).not.toBe(mine.body.id);
    await keyed('/api/v1/incidents/acknowledge', { id: mine.body.id }).expect(200);
    await keyed('/api/v1/incidents/resolve', { id: mine.body.id }).expect(200);
    await keyed(`/api/v1/incidents/${mine.body.id}/notes`, { note: 'a' }).expect(200);
    await keyed(`/api/v1/incidents/${theirs.body.id}/notes`, { note: 'a' }).expect(200);
    const reloaded = await keyed('/api/v1/reload', {}).expect(200);
    expect(reloaded.headers['idempotent-replayed']).toBeUndefined();
  });

  it('that was refused was not done, and may be sent again under its key', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    const resolve = () => house.post('/api/v1/incidents/resolve', { id: body.id }).set('Idempotency-Key', 'k1');
    await resolve().set('If-Match', '"99999"').expect(412);
    await resolve().expect(200);
  });

  it('sent many times at once is kept once', async () => {
    await using house = await openTestHouse();
    const all = await Promise.all(
      Array.from({ length: 20 }, async () => house.post('/api/v1/incidents/report', aReport()).set('Idempotency-Key', 'k1')),
    );
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(all.filter(({ status }) => status === 200)).toHaveLength(19);
    expect(new Set(all.map(({ body }) => body.id)).size).toBe(1);
    expect(house.records().filter(({ type }) => type === 'incident.reported')).toHaveLength(1);
  });

  it('is known after a restart, for 24 hours', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ now: clock.now });
    const send = () => house.post('/api/v1/incidents/report', aReport()).set('Idempotency-Key', 'k1');
    const first = await send().expect(201);
    await house.restart();
    clock.advance(24 * HOUR_MS - 1);
    await send().expect(200);
    clock.advance(1);
    const later = await send().expect(201);
    expect(later.body.id).not.toBe(first.body.id);
  });

  it('that joined is answered with the receipt of its joining', async () => {
    await using house = await openTestHouse();
    await house.post('/api/v1/incidents/report', aReport({ dedup_key: 'p' })).expect(201);
    const send = () => house.post('/api/v1/incidents/report', aReport({ dedup_key: 'p' })).set('Idempotency-Key', 'k1');
    const joined = await send().expect(200);
    expect(joined.headers['idempotent-replayed']).toBeUndefined();
    await house.post('/api/v1/incidents/report', aReport({ dedup_key: 'p' })).expect(200);
    const again = await send().expect(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body.audit).toEqual(joined.body.audit);
    expect(again.body.occurrences).toBe(3);
    const record = house.records().find(({ seq }) => seq === joined.body.audit.seq);
    expect(record).toMatchObject({ type: 'incident.joined', hash: joined.body.audit.hash });
  });
});

describe('a step with an Idempotency-Key', () => {
  it('is taken once, and is answered again although the state no longer allows it and the version has moved on', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    const { headers } = await house.get(`/api/v1/incidents/${body.id}`).expect(200);
    const resolve = () =>
      house.post('/api/v1/incidents/resolve', { id: body.id }).set('Idempotency-Key', 'k1').set('If-Match', String(headers['etag']));
    const first = await resolve().expect(200);
    const records = house.records().length;
    const again = await resolve().expect(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body).toEqual(first.body);
    expect(house.records()).toHaveLength(records);
  });

  it('is in its record by the hashes of key and body only', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post('/api/v1/incidents/report', aReport()).set('Idempotency-Key', 'secret-key').expect(201);
    await house.post('/api/v1/incidents/acknowledge', { id: body.id }).set('Idempotency-Key', 'secret-key').expect(200);
    for (const type of ['incident.reported', 'incident.acknowledged']) {
      const record = house.records().find((each) => each.type === type);
      expect(record?.data['request']).toEqual({
        token: 'service',
        key_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        body_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    }
    expect(JSON.stringify(house.records())).not.toContain('secret-key');
  });
});

describe('a reload with an Idempotency-Key', () => {
  it('is done once', async () => {
    await using house = await openTestHouse({ policy: 'version: 1\nrules: {}\n' });
    const reload = () => house.post('/api/v1/reload', {}).set('Idempotency-Key', 'k1');
    await reload().expect(200);
    const records = house.records().length;
    const again = await reload().expect(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(house.records()).toHaveLength(records);
  });
});
