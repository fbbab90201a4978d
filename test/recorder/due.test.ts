// What time brings to holds: they end by themselves when their time is over by every clock, whatever the wall clock is set to.
import { describe, expect, it } from 'vitest';
import { FREEZE, commandOf, commanding, commandsOf, enforced, expectTruth, holdOf, operate, say, shown } from '../support/commanded.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const IP = { evidence: { ip: '198.51.100.7' } };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const BEGAN = Date.parse('2026-03-13T08:15:30.123Z');
const blocking = (ttl: string) => `auto_contain: true, actions: [{action: block_ip, target: evidence.ip, ttl: ${ttl}}]`;
const TEN_MINUTES = commanding(blocking('10m'));

const isWanted = (path: WritePath) => path.db.prepare<[], number>('SELECT sum(live) FROM holds').pluck().get() === 1;

/** As a start leaves it, which puts what it finds onto the clock of its run. */
async function started(options: { policy: string }): Promise<WritePath> {
  const path = openWritePath(options);
  await path.due.reconcile();
  return path;
}

async function passes(path: WritePath, ms: number): Promise<void> {
  path.clock.advance(ms);
  await path.due.tick();
}

describe('a hold with a ttl', () => {
  it('ends by itself, is undone, and its incident is open again as expired', async () => {
    using path = await started({ policy: TEN_MINUTES });
    const { incident, hold } = await enforced(path, IP);
    expect(hold.expires_at).toBe('2026-03-13T08:25:30.123Z');
    await passes(path, 10 * MINUTE - 1);
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    await passes(path, 1);
    expect(shown(path, incident)).toBe('open: releasing (releasing)');
    expect(path.records('hold.releasing')).toMatchObject([
      { actor: 'recorder', data: { reason: 'expired', ending: 'expired', incident_id: null } },
    ]);
    expect(commandOf(path, hold)).toMatchObject({ op: 'release', reason: 'ended' });
    expectTruth(path);
    await say(path, commandOf(path, hold), 'released');
    expect(shown(path, incident)).toBe('open: expired (expired)');
    expect(holdOf(path, incident)).toMatchObject({ status: 'expired', ending: 'expired' });
    expectTruth(path);
    expect((await path.step('resolve', incident.id)).incident.containment.status).toBe('expired');
    expectTruth(path);
  });

  it('of which nobody was ever told ends at once', async () => {
    using path = await started({ policy: commanding(blocking('10m'), '', '') });
    const { incident } = await path.report(IP);
    expect(shown(path, incident)).toBe('contained: recorded (recorded)');
    await passes(path, 10 * MINUTE);
    expect(shown(path, incident)).toBe('open: expired (expired)');
    expect(path.records('hold.released')).toMatchObject([{ data: { reason: 'expired', status: 'expired', by_hand: false } }]);
    expectTruth(path);
  });

  it('ends once for all incidents that want it', async () => {
    using path = await started({ policy: TEN_MINUTES });
    const { incident: a, hold } = await enforced(path, IP);
    const { incident: b } = await path.report(IP);
    await path.step('acknowledge', b.id);
    await passes(path, 10 * MINUTE);
    expect([shown(path, a), shown(path, b)]).toEqual(['open: releasing (releasing)', 'acknowledged: releasing (releasing)']);
    expect(commandsOf(path, hold)).toHaveLength(2);
    expectTruth(path);
  });

  it('holds a repeated offender for the next step of its ladder, and for the last again and again', async () => {
    using path = await started({ policy: commanding(blocking('[1h, 4h, 24h]')) });
    const hours: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      const { incident, hold } = await enforced(path, IP);
      hours.push((Date.parse(hold.expires_at ?? '') - path.clock.now().getTime()) / HOUR);
      await path.step('resolve', incident.id);
      await say(path, commandOf(path, hold), 'released');
    }
    expect(hours).toEqual([1, 4, 24, 24]);
    const { hold: other } = await enforced(path, { evidence: { ip: '198.51.100.8' } });
    expect(Date.parse(other.expires_at ?? '') - path.clock.now().getTime()).toBe(HOUR);
    expectTruth(path);
  });
});

describe('the end of a shared hold', () => {
  it.each<[string, string, number, string | null]>([
    ['moves out to a later one', '30m', 5, '2026-03-13T08:50:30.123Z'],
    ['does not move in to an earlier one', '1m', 5, '2026-03-13T08:25:30.123Z'],
    ['stays at the very same', '10m', 0, '2026-03-13T08:25:30.123Z'],
  ])('%s (%s, %i minutes later)', async (_, ttl, minutes, expires_at) => {
    using path = await started({ policy: commanding({ prompt_injection: blocking('10m'), tool_call_burst: blocking(ttl) }) });
    const { incident, hold } = await enforced(path, IP);
    path.clock.advance(minutes * MINUTE);
    const { incident: joined, version } = await path.report({ ...IP, class: 'tool_call_burst' });
    expect(holdOf(path, incident).expires_at).toBe(expires_at);
    expect(path.incident(joined.id).version).toBe(version);
    const extended = path.records('hold.extended');
    expect(extended).toHaveLength(expires_at === hold.expires_at ? 0 : 1);
    if (extended.length > 0) expect(extended).toMatchObject([{ id: hold.id, data: { expires_at, incident_id: joined.id } }]);
    expect(commandsOf(path, hold)).toHaveLength(1);
    expectTruth(path);
  });

  it('is none when one of those who want it wants it without an end', async () => {
    const forever = 'auto_contain: true, actions: [{action: block_ip, target: evidence.ip}]';
    using path = await started({ policy: commanding({ prompt_injection: blocking('10m'), tool_call_burst: forever }) });
    const { incident } = await enforced(path, IP);
    await path.report({ ...IP, class: 'tool_call_burst' });
    expect(holdOf(path, incident).expires_at).toBeNull();
    await path.report(IP);
    expect(holdOf(path, incident).expires_at).toBeNull();
    await passes(path, 24 * HOUR);
    expect(isWanted(path)).toBe(true);
    expectTruth(path);
  });

  it('that was moved out by one more report is kept to by the monotonic clock as well', async () => {
    using path = await started({ policy: TEN_MINUTES });
    await enforced(path, IP);
    path.clock.advance(9 * MINUTE);
    await path.report(IP);
    path.clock.set(new Date(BEGAN + HOUR).toISOString());
    await passes(path, 10 * MINUTE - 1);
    expect(isWanted(path)).toBe(true);
    await passes(path, 1);
    expect(isWanted(path)).toBe(false);
  });
});

describe('a clock that is set', () => {
  it.each<[string, (path: WritePath) => void]>([
    ['an hour forward', ({ clock }) => clock.set(new Date(clock.now().getTime() + HOUR).toISOString())],
    ['an hour back', ({ clock }) => clock.set(new Date(clock.now().getTime() - HOUR).toISOString())],
    [
      'an hour forward and back again',
      ({ clock }) => {
        const was = clock.now().toISOString();
        clock.set(new Date(clock.now().getTime() + HOUR).toISOString());
        clock.advance(MINUTE);
        clock.set(was);
      },
    ],
    [
      'an hour back and forward again',
      ({ clock }) => {
        const was = clock.now().toISOString();
        clock.set(new Date(clock.now().getTime() - HOUR).toISOString());
        clock.advance(MINUTE);
        clock.set(was);
      },
    ],
  ])('%s, within one run, frees nobody before the time has passed', async (_, set) => {
    for (const when of [0, 3, 9]) {
      using path = await started({ policy: TEN_MINUTES });
      await enforced(path, IP);
      await passes(path, when * MINUTE);
      const ticks = path.clock.monotonic();
      set(path);
      await path.due.tick();
      const passed = path.clock.monotonic() - ticks + when * MINUTE;
      await passes(path, 10 * MINUTE - passed - 1);
      expect([when, isWanted(path)]).toEqual([when, true]);
      expectTruth(path);
      await passes(path, 3 * HOUR);
      expect([when, isWanted(path)]).toEqual([when, false]);
    }
  });

  it.each<[string, number]>([
    ['an hour forward', HOUR],
    ['an hour back', -HOUR],
  ])('%s, after a restart, frees nobody before the time has passed', async (_, ms) => {
    using path = await started({ policy: TEN_MINUTES });
    await enforced(path, IP);
    await passes(path, 3 * MINUTE);
    path.restart();
    await path.due.reconcile();
    await path.due.tick();
    path.clock.set(new Date(path.clock.now().getTime() + ms).toISOString());
    await path.due.tick();
    await passes(path, 7 * MINUTE - 1);
    expect(isWanted(path)).toBe(true);
    await passes(path, 2 * HOUR);
    expect(isWanted(path)).toBe(false);
  });

  it('forward frees no one who is held anew after it either', async () => {
    using path = await started({ policy: TEN_MINUTES });
    path.clock.set(new Date(BEGAN + HOUR).toISOString());
    await enforced(path, IP);
    path.clock.set(new Date(BEGAN).toISOString());
    await passes(path, 10 * MINUTE - 1);
    expect(isWanted(path)).toBe(true);
    path.clock.set(new Date(BEGAN + 2 * HOUR).toISOString());
    await path.due.tick();
    expect(isWanted(path)).toBe(true);
    await passes(path, 1);
    expect(isWanted(path)).toBe(false);
  });

  it('back does not keep what is commanded then from being sent at once', async () => {
    using path = await started({ policy: commanding(FREEZE) });
    await path.report({ class: 'manifest_mismatch' });
    path.clock.set(new Date(BEGAN - HOUR).toISOString());
    const { incident } = await path.report();
    const { not_before, created_at, deadline_at } = commandOf(path, holdOf(path, incident));
    // No time is recorded before that of the last record: what is not delayed is known by that it was not, not by the clock.
    expect(not_before).toBe(created_at);
    expect(Date.parse(deadline_at) - Date.parse(not_before)).toBe(10_000);
  });

  it('back does not keep a command from being overdue when its time has passed', async () => {
    using path = await started({ policy: commanding(FREEZE) });
    await path.report({ class: 'manifest_mismatch' });
    path.clock.set(new Date(BEGAN - HOUR).toISOString());
    const { incident } = await path.report();
    await passes(path, 10_000);
    expect(commandOf(path, holdOf(path, incident)).overdue).toBe(true);
  });
});

describe('a hold that ended while the service was down', () => {
  it('is released at the first look after the start, and not before its time', async () => {
    using path = await started({ policy: TEN_MINUTES });
    const { incident, hold } = await enforced(path, IP);
    path.restart();
    path.clock.advance(10 * MINUTE - 1);
    path.restart();
    await path.due.tick();
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    path.clock.advance(HOUR);
    path.restart();
    await path.due.tick();
    expect(shown(path, incident)).toBe('open: releasing (releasing)');
    expect(commandOf(path, hold)).toMatchObject({ op: 'release' });
    expectTruth(path);
  });

  it('by the hundred is released all the same', async () => {
    using path = await started({ policy: commanding(`${blocking('10m')}, max_holds: 250`) });
    await Promise.all(Array.from({ length: 250 }, async (_, n) => path.report({ evidence: { ip: `198.51.100.${n}` } })));
    path.clock.advance(HOUR);
    path.restart();
    await path.due.tick();
    expect(path.db.prepare<[], number>('SELECT sum(live) FROM holds').pluck().get()).toBe(0);
    expect(path.records('hold.releasing')).toHaveLength(250);
  });
});

describe('a hold that an operator extends', () => {
  it.each<[string, { ttl_ms: number | null; expires_at: string | null }, string]>([
    ['for so long from now on', { ttl_ms: HOUR, expires_at: null }, '2026-03-13T09:20:30.123Z'],
    ['until then', { ttl_ms: null, expires_at: '2026-03-13T12:00:00.000Z' }, '2026-03-13T12:00:00.000Z'],
  ])('%s ends then', async (_, until, expires_at) => {
    using path = await started({ policy: TEN_MINUTES });
    const { incident } = await enforced(path, IP);
    path.clock.advance(5 * MINUTE);
    const before = path.incident(incident.id).version;
    const { hold, receipt } = await operate(path, 'extend', holdOf(path, incident), { ...until, note: 'still at it' });
    expect(hold).toMatchObject({ status: 'enforced', expires_at, version: receipt.seq });
    expect(path.records('hold.extended')).toMatchObject([
      { actor: 'operator:alice', data: { expires_at, note: 'still at it', incident_id: null } },
    ]);
    expect(path.incident(incident.id).version).toBeGreaterThan(before);
    const left = Date.parse(expires_at) - path.clock.now().getTime();
    path.clock.set(new Date(path.clock.now().getTime() + 24 * HOUR).toISOString());
    await passes(path, left - 1);
    expect(isWanted(path)).toBe(true);
    await passes(path, 1);
    expect(isWanted(path)).toBe(false);
    expectTruth(path);
  });

  it.each<[string, { ttl_ms: number | null; expires_at: string | null }]>([
    ['for less than it has', { ttl_ms: MINUTE, expires_at: null }],
    ['to the very end that it has', { ttl_ms: null, expires_at: '2026-03-13T08:25:30.123Z' }],
    ['into the past', { ttl_ms: null, expires_at: '2026-03-13T08:00:00.000Z' }],
  ])('%s is refused, with when it ends', async (_, until) => {
    using path = await started({ policy: TEN_MINUTES });
    const { hold } = await enforced(path, IP);
    await expect(operate(path, 'extend', hold, until)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('2026-03-13T08:25:30.123Z'),
    });
    expect(holdOf(path, path.incident(hold.incident_id).incident)).toEqual(hold);
  });

  it('without an end, or over, is refused', async () => {
    using path = await started({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    const until = { ttl_ms: HOUR };
    await expect(operate(path, 'extend', hold, until)).rejects.toMatchObject({
      ...{ code: 'state_conflict', details: { state: 'enforced', allowed: ['release', 'extend'] } },
    });
    await path.step('resolve', incident.id);
    await expect(operate(path, 'extend', hold, until)).rejects.toMatchObject({
      ...{ code: 'state_conflict', details: { state: 'releasing', allowed: [] } },
    });
  });
});
