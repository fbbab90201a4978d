// Callers without a good token: counted, recorded within bounds, told as one incident, and able to neither freeze the host nor fill its disk.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Reason, type Refusals, createRefusals } from '../../src/recorder/refusals.ts';
import { aReport, createClock, openTestHouse } from '../support/house.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const MINUTE_MS = 60_000;

function refusalsOf(path: WritePath): Refusals {
  return createRefusals({ queue: path.queue, log: path.log, monotonic: path.clock.monotonic });
}

/** Until everything that was submitted so far is written. */
async function written(path: WritePath): Promise<void> {
  await path.queue.submit(() => null);
}

function deny(refusals: Refusals, times: number, reason: Reason = 'unknown token'): void {
  for (let i = 0; i < times; i += 1) refusals.denied(reason);
}

const ownIncidents = (path: WritePath) => path.records('incident.reported').map(({ id }) => path.incident(String(id)).incident);

describe('refused tokens', () => {
  it('are recorded at once for the first of a minute, and by a summary when the minute is over', async () => {
    using path = openWritePath();
    const refusals = refusalsOf(path);
    refusals.denied('no token');
    await written(path);
    expect(path.records()).toMatchObject([
      { type: 'auth.denied', id: null, actor: 'recorder', data: { count: 1, reasons: { 'no token': 1 } } },
    ]);
    deny(refusals, 5, 'unknown token');
    deny(refusals, 2, 'malformed token');
    deny(refusals, 1, 'role');
    path.clock.advance(MINUTE_MS - 1);
    refusals.settle();
    await written(path);
    expect(path.records()).toHaveLength(1);
    path.clock.advance(1);
    refusals.settle();
    await written(path);
    expect(path.records('auth.denied')[1]?.data).toEqual({ count: 8, reasons: { 'unknown token': 5, 'malformed token': 2, role: 1 } });
    refusals.settle();
    await written(path);
    expect(path.records()).toHaveLength(2);
  });

  it('are summed up before the service ends', async () => {
    using path = openWritePath();
    const refusals = refusalsOf(path);
    deny(refusals, 4);
    refusals.settle(true);
    await written(path);
    expect(path.records('auth.denied').map(({ data }) => data['count'])).toEqual([1, 3]);
  });

  it('fewer than twenty in a minute are no incident, however many minutes', async () => {
    using path = openWritePath();
    const refusals = refusalsOf(path);
    for (let minute = 0; minute < 5; minute += 1) {
      deny(refusals, 19);
      path.clock.advance(MINUTE_MS);
    }
    refusals.settle();
    await written(path);
    expect(ownIncidents(path)).toEqual([]);
    expect(path.records('auth.denied').reduce((sum, { data }) => sum + Number(data['count']), 0)).toBe(95);
  });

  it('twenty in a minute are one incident of our own, medium whatever the policy, that orders and alarms nothing', async () => {
    const policy = `version: 1
rules:
  unauthorized_access:
    auto_contain: true
    actions: [freeze_agent, force_vault_relock, log_alert]
    default_severity: critical
    min_severity: critical
    escalate: {count: 2, window: 1h, to: critical}
`;
    using path = openWritePath({ policy });
    const refusals = refusalsOf(path);
    deny(refusals, 500);
    await written(path);
    expect(ownIncidents(path)).toMatchObject([
      {
        ...{
          class: 'unauthorized_access',
          source: 'incident-recorder',
          reported_by: 'incident-recorder',
          severity: 'medium',
          state: 'open',
          occurrences: 1,
        },
        ...{
          containment_actions: [],
          proposed_actions: [],
          containment: { status: 'none', actions: [] },
          decided_by: { severity_from: 'recorder' },
        },
      },
    ]);
    expect(path.records().map(({ type }) => type)).toEqual(['auth.denied', 'incident.reported']);
    expect(path.logged.filter(({ level }) => level === 'critical')).toEqual([]);
    expect(path.store.sightings.of('unauthorized_access', 'incident-recorder')).toEqual([]);
  });

  it('that go on join that incident once a minute, until it is resolved', async () => {
    using path = openWritePath();
    const refusals = refusalsOf(path);
    const minute = async () => {
      deny(refusals, 100);
      path.clock.advance(MINUTE_MS);
      refusals.settle();
      await written(path);
    };
    for (let i = 0; i < 3; i += 1) await minute();
    const [first] = ownIncidents(path);
    expect(first).toMatchObject({ occurrences: 3, severity: 'medium', state: 'open' });
    expect(path.records('incident.joined')).toHaveLength(2);
    await path.step('resolve', String(first?.id));
    await minute();
    expect(ownIncidents(path)).toMatchObject([{ state: 'resolved' }, { state: 'open', follows: first?.id, occurrences: 1 }]);
  });

  it('one million of them leave a bounded number of records, all of them counted, and nothing frozen', async () => {
    using path = openWritePath();
    const refusals = refusalsOf(path);
    const before = statSync(join(path.dir, 'incidents.db-wal')).size;
    for (let i = 0; i < 1_000_000; i += 1) {
      refusals.denied(i % 2 === 0 ? 'unknown token' : 'no token');
      if (i % 100_000 === 99_999) {
        path.clock.advance(MINUTE_MS / 2);
        refusals.settle(); // as the service does every second
        await written(path);
      }
    }
    refusals.settle(true);
    await written(path);

    const minutes = 5;
    const denied = path.records('auth.denied');
    expect(denied.length).toBeLessThanOrEqual(2 * minutes);
    expect(denied.reduce((sum, { data }) => sum + Number(data['count']), 0)).toBe(1_000_000);
    expect(ownIncidents(path)).toMatchObject([{ occurrences: minutes, severity: 'medium', containment: { actions: [] } }]);
    expect(path.records().length).toBeLessThanOrEqual(3 * minutes);
    expect(path.db.prepare('SELECT count(*) FROM holds').pluck().get()).toBe(0);
    expect(statSync(join(path.dir, 'incidents.db-wal')).size - before).toBeLessThan(1024 * 1024);
  });

  it('never leave more than two records in any minute, whatever their rhythm', async () => {
    using path = openWritePath();
    const refusals = refusalsOf(path);
    const seen: number[] = [];
    let records = 0;
    for (let second = 0; second < 600; second += 1) {
      if (second % 7 < 3) deny(refusals, 3);
      if (second % 11 === 0) refusals.limited('firewall');
      path.clock.advance(1000);
      refusals.settle();
      await written(path);
      const now = path.records('auth.denied').length;
      for (; records < now; records += 1) seen.push(second);
    }
    expect(seen.length).toBeGreaterThan(10);
    for (let from = 0; from < 600; from += 60)
      expect(seen.filter((second) => second >= from && second < from + 60).length).toBeLessThanOrEqual(2);
  });
});

describe('a token over its rate', () => {
  it('is recorded once a minute with how often, and so is each other token', async () => {
    using path = openWritePath();
    const refusals = refusalsOf(path);
    for (let i = 0; i < 1000; i += 1) refusals.limited('firewall');
    refusals.limited('monitor');
    await written(path);
    expect(path.records()).toEqual([]);
    path.clock.advance(MINUTE_MS);
    refusals.settle();
    await written(path);
    expect(path.records().map(({ type, data }) => [type, data])).toEqual([
      ['rate.limited', { token: 'firewall', refused: 1000 }],
      ['rate.limited', { token: 'monitor', refused: 1 }],
    ]);
  });

  it('is no refused token: it raises no incident', async () => {
    using path = openWritePath();
    const refusals = refusalsOf(path);
    for (let i = 0; i < 1000; i += 1) refusals.limited('firewall');
    refusals.settle(true);
    await written(path);
    expect(ownIncidents(path)).toEqual([]);
  });
});

describe('over HTTP', () => {
  it('twenty callers without a good token raise the incident that no token could report itself', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ now: clock.now, monotonic: clock.monotonic });
    for (let i = 0; i < 30; i += 1) await house.post('/api/v1/incidents/report', aReport(), `wrong${i}`.padEnd(64, '0')).expect(401);
    const { body: list } = await house.get('/api/v1/incidents?source=incident-recorder').expect(200);
    expect(list).toMatchObject([
      { class: 'unauthorized_access', severity: 'medium', state: 'open', containment_actions: [], occurrences: 1 },
    ]);
    expect(house.records().filter(({ type }) => type === 'auth.denied')).toHaveLength(1);
    await house.post('/api/v1/incidents/report', aReport({ source: 'incident-recorder' })).expect(403);
    const { body: stats } = await house.get('/api/v1/stats').expect(200);
    expect(stats.total_incidents).toBe(1);
    await house.close();
    expect(
      house
        .records()
        .filter(({ type }) => type === 'auth.denied')
        .map(({ data }) => data['count']),
    ).toEqual([1, 30]);
  });

  it('a reporter over its rate is told when to come again, and is in the log once the service ends', async () => {
    const clock = createClock();
    const token = 'b'.repeat(64);
    const tokens = { slow: { token, role: 'reporter', sources: ['*'], classes: ['*'], rate: '2/s', burst: 3 } };
    await using house = await openTestHouse({ now: clock.now, monotonic: clock.monotonic, tokens });
    const statuses: number[] = [];
    for (let i = 0; i < 10; i += 1) statuses.push((await house.post('/api/v1/incidents/report', aReport(), token)).status);
    expect(statuses).toEqual([201, 201, 201, 429, 429, 429, 429, 429, 429, 429]);
    clock.advance(500);
    await house.post('/api/v1/incidents/report', aReport(), token).expect(201);
    const { headers } = await house.post('/api/v1/incidents/report', aReport(), token).expect(429);
    expect(headers['retry-after']).toBe('1');
    await house.post('/api/v1/incidents/report', aReport()).expect(201);
    await house.close();
    expect(house.records().filter(({ type }) => type === 'rate.limited')).toMatchObject([{ data: { token: 'slow', refused: 8 } }]);
  });
});
