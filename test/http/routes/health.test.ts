// Health: one word for each part, and 503 exactly when the next ordinary report would get it.

import { describe, expect, it } from 'vitest';
import { type TestHouse, aReport, openTestHouse } from '../../support/house.ts';
import { faultOfProblem } from '../../support/routes.ts';

const REPORT = '/api/v1/incidents/report';

describe('health', () => {
  it('is open to anyone, and says one word for each part', async () => {
    await using house = await openTestHouse({ env: { REQUIRE_READ_TOKEN: '1' } });
    const answer = await house.http.get('/health').expect(200);
    expect(answer.body).toEqual({
      status: 'ok',
      open_incidents: 0,
      total_incidents: 0,
      checks: {
        ...{ store: 'ok', audit: expect.stringMatching(/^(verifying|ok)$/), witness: 'none', policy: 'built_in' },
        ...{ disk: 'ok', outbox: 'none', containment: 'unverified', notices: 'none' },
      },
    });
  });

  it('counts open and contained incidents as open, and all as total', async () => {
    await using house = await openTestHouse();
    const ids: string[] = [];
    for (const name of ['prompt_injection', 'forbidden_airlock_request', 'tool_call_burst', 'tool_call_burst']) {
      ids.push((await house.post(REPORT, aReport({ class: name })).expect(201)).body.id);
    }
    await house.post('/api/v1/incidents/acknowledge', { id: ids[2] }).expect(200);
    await house.post('/api/v1/incidents/resolve', { id: ids[3] }).expect(200);
    expect((await house.http.get('/health')).body).toMatchObject({ open_incidents: 2, total_incidents: 4 });
  });

  it.each([
    ['a file', 'version: 1\nrules: {}\n', { policy: 'ok', containment: 'ok' }],
    ['observe mode', 'version: 1\nmode: observe\nrules: {}\n', { policy: 'ok', containment: 'observing' }],
    [
      'orders that count when recorded',
      'version: 1\nrules: {tool_call_burst: {auto_contain: true, actions: [freeze_agent]}}\n',
      { containment: 'unverified' },
    ],
    [
      'orders that never count unverified',
      'version: 1\nwithout_actuator: never\nrules: {tool_call_burst: {auto_contain: true, actions: [freeze_agent]}}\n',
      { containment: 'ok' },
    ],
    ['no orders but alerts', 'version: 1\nrules: {tool_call_burst: {auto_contain: true, actions: [log_alert]}}\n', { containment: 'ok' }],
  ])('says what the policy is: %s', async (_, policy, checks) => {
    await using house = await openTestHouse({ policy });
    expect((await house.http.get('/health').expect(200)).body.checks).toMatchObject(checks);
  });

  it.each(['/livez', '/readyz'])('%s is 200 in one word, and names each check when asked to be verbose', async (path) => {
    await using house = await openTestHouse({ env: { REQUIRE_READ_TOKEN: '1' } });
    expect((await house.http.get(path).expect(200)).body).toEqual({ status: 'ok' });
    for (const query of ['?verbose', '?verbose=1', '?verbose=']) {
      const { body } = await house.http.get(path + query).expect(200);
      expect(Object.keys(body.checks).sort()).toEqual(['audit', 'containment', 'disk', 'notices', 'outbox', 'policy', 'store', 'witness']);
    }
    expect((await house.http.get(`${path}?verbos`).expect(400)).body.detail).toContain('did you mean "verbose"');
  });
});

describe('a store over its bound', () => {
  const MIB = 1024 * 1024;
  const ORDINARY = aReport({ class: 'forbidden_airlock_request', evidence: { a: 'x'.repeat(16_000), b: 'x'.repeat(16_000) } });

  async function filled(): Promise<TestHouse> {
    const house = await openTestHouse({ env: { STORE_MAX_BYTES: String(MIB) } });
    for (let i = 0; i < 200; i += 1) if ((await house.post(REPORT, ORDINARY)).status === 503) return house;
    throw new Error('it is never full');
  }

  it('refuses ordinary reports with 503 and Retry-After, and records nothing of them', async () => {
    await using house = await filled();
    const before = house.records().length;
    const answer = await house.post(REPORT, ORDINARY).expect(503);
    expect(answer.body).toMatchObject({ code: 'storage_full' });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.records()).toHaveLength(before);
  });

  it('takes reports that contain, and what operators do', async () => {
    await using house = await filled();
    const { body } = await house.post(REPORT, aReport({ class: 'attestation_failure' })).expect(201);
    expect(body.state).toBe('contained');
    await house.post(`/api/v1/incidents/${body.id}/notes`, { note: 'full' }).expect(200);
    await house.post('/api/v1/incidents/acknowledge', { id: body.id }).expect(200);
    await house.post('/api/v1/incidents/resolve', { id: body.id }).expect(200);
  });

  it('is critical in health, 503 there and in readyz, and alive', async () => {
    await using house = await filled();
    const health = await house.http.get('/health').expect(503);
    expect(health.body).toMatchObject({ status: 'critical', checks: { disk: 'full', store: 'ok' } });
    expect((await house.http.get('/readyz').expect(503)).body).toEqual({ status: 'unavailable' });
    expect((await house.http.get('/readyz?verbose').expect(503)).body.checks).toMatchObject({ disk: 'full' });
    await house.http.get('/livez').expect(200);
  });

  it('shows in health before the first report is refused for it: health is 503 exactly when that report is', async () => {
    await using house = await openTestHouse({ env: { STORE_MAX_BYTES: String(MIB) } });
    for (let i = 0, refused = 0; refused < 2; i += 1) {
      const health = (await house.http.get('/health')).status;
      const { status } = await house.post(REPORT, ORDINARY);
      expect([i, health]).toEqual([i, status === 503 ? 503 : 200]);
      if (status === 503) refused += 1;
      if (i > 200) throw new Error('it is never full');
    }
  });
});
