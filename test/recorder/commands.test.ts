// Commands: recorded before anything is sent, delayed by a cooldown, overdue, called back, and given again by an operator.
import { describe, expect, it } from 'vitest';
import { createDue } from '../../src/recorder/due.ts';
import { createBell } from '../../src/recorder/bell.ts';
import { BLOCK, FREEZE, check, commandOf, commanding, enforced, expectTruth, holdOf, say, shown } from '../support/commanded.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const IP = { evidence: { ip: '198.51.100.7' } };

/** Lets the deadline of what was commanded pass. */
async function overdue(path: WritePath): Promise<void> {
  path.clock.advance(60_000);
  await path.due.tick();
}

describe('a command', () => {
  it('is recorded behind all that led to it, for each action that somebody can be asked to do', async () => {
    const rule = 'auto_contain: true, actions: [freeze_agent, log_alert, suspend_user, {action: block_ip, target: evidence.ip}]';
    using path = openWritePath({ policy: commanding(rule) });
    const { incident, version } = await path.report({ ...IP, subject: { type: 'user', id: 'mallory' } });
    expect(path.records().map(({ type }) => type)).toEqual([
      ...['incident.reported', 'hold.recorded', 'command.requested', 'hold.recorded', 'hold.recorded', 'command.requested', 'alert.raised'],
    ]);
    expect(shown(path, incident)).toBe('open: recorded (requested, verified, recorded, requested)');
    expect(version).toBe(path.records().at(-1)?.seq);
    expectTruth(path);
  });

  it('has an id of its own, and of each actuator a later one has a higher seq', async () => {
    using path = openWritePath({ policy: commanding(BLOCK) });
    for (const ip of ['198.51.100.1', '198.51.100.2', '198.51.100.3']) await path.report({ evidence: { ip } });
    const open = path.store.commands.open('firewall', 0, 10);
    expect(open.map(({ target }) => target.id)).toEqual(['198.51.100.1', '198.51.100.2', '198.51.100.3']);
    expect(open.map(({ seq }) => seq)).toEqual(open.map(({ seq }) => seq).toSorted((a, b) => a - b));
    expect(new Set(open.map(({ id }) => id)).size).toBe(3);
    for (const { id } of open) expect(id).toMatch(/^CMD-[0-9a-f]{12}$/);
    expect(path.store.commands.open('firewall', open[1]?.seq ?? 0, 10)).toEqual(open.slice(2));
    expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
  });

  it('has the deadline of its actuator', async () => {
    using path = openWritePath({
      policy: commanding('auto_contain: true, actions: [freeze_agent, {action: block_ip, target: evidence.ip}]'),
    });
    const { incident } = await path.report(IP);
    const deadlines = [0, 1].map((n) => commandOf(path, holdOf(path, incident, n)).deadline_at);
    expect(deadlines).toEqual(['2026-03-13T08:15:40.123Z', '2026-03-13T08:15:50.123Z']);
  });

  it('after a restart is still to be delivered, as it was', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    const before = commandOf(path, holdOf(path, incident));
    path.restart();
    await path.due.reconcile();
    await path.due.tick();
    expect(path.store.commands.open('agent', 0, 10)).toEqual([before]);
    expectTruth(path);
  });
});

describe('a cooldown', () => {
  const policy = commanding({ prompt_injection: `${BLOCK}, cooldown: 30s` });
  /** Blocks, and unblocks it again. */
  async function once(path: WritePath): Promise<void> {
    const { incident, hold } = await enforced(path, IP);
    await path.step('resolve', incident.id);
    await say(path, commandOf(path, hold), 'released');
  }

  it.each([
    [1000, 30_000],
    [29_999, 30_000],
    [30_000, 30_000],
    [45_000, 45_000],
  ])('%i ms after the last command for the same target delays the next to %i ms after it, and its deadline', async (ms, delayed) => {
    using path = openWritePath({ policy });
    const began = path.clock.now().getTime();
    await once(path);
    path.clock.advance(ms);
    const { incident } = await path.report(IP);
    const { not_before, deadline_at, created_at } = commandOf(path, holdOf(path, incident));
    expect(Date.parse(created_at) - began).toBe(ms);
    expect(Date.parse(not_before) - began).toBe(delayed);
    expect(Date.parse(deadline_at) - Date.parse(not_before)).toBe(20_000);
    expectTruth(path);
  });

  it('does not delay what undoes it, nor the same for another target', async () => {
    using path = openWritePath({ policy });
    const { incident, hold } = await enforced(path, IP);
    const now = path.clock.now().toISOString();
    const { incident: other } = await path.report({ evidence: { ip: '198.51.100.8' } });
    expect(commandOf(path, holdOf(path, other)).not_before).toBe(now);
    await path.step('resolve', incident.id);
    expect(commandOf(path, hold)).toMatchObject({ op: 'release', not_before: now });
  });

  it('keeps it from being delivered until then, and from being overdue until its deadline has passed since', async () => {
    using path = openWritePath({ policy });
    await once(path);
    await path.report(IP);
    path.clock.advance(29_999);
    await path.due.tick();
    expect(path.store.commands.open('firewall', 0, 10)).toEqual([]);
    path.clock.advance(1);
    await path.due.tick();
    expect(path.store.commands.open('firewall', 0, 10)).toMatchObject([{ op: 'apply', status: 'pending' }]);
    path.clock.advance(19_999);
    await path.due.tick();
    expect(path.records('alert.raised')).toEqual([]);
    path.clock.advance(1);
    await path.due.tick();
    expect(path.records('alert.raised')).toHaveLength(1);
  });

  it.each([3_600_000, -3_600_000])('is kept to, no more and no less, when the clock is set by %i ms meanwhile', async (ms) => {
    using path = openWritePath({ policy });
    await path.due.reconcile();
    await once(path);
    await path.report(IP);
    path.clock.set(new Date(path.clock.now().getTime() + ms).toISOString());
    path.clock.advance(29_999);
    await path.due.tick();
    expect(path.store.commands.open('firewall', 0, 10)).toEqual([]);
    path.clock.advance(1);
    await path.due.tick();
    expect(path.store.commands.open('firewall', 0, 10)).toHaveLength(1);
    path.clock.advance(19_999);
    await path.due.tick();
    expect(path.records('alert.raised')).toEqual([]);
    path.clock.advance(1);
    await path.due.tick();
    expect(path.records('alert.raised')).toHaveLength(1);
    expectTruth(path);
  });

  it('is over after a restart as well, and the sooner the longer it was down', async () => {
    using path = openWritePath({ policy });
    await once(path);
    await path.report(IP);
    path.restart();
    await path.due.tick();
    expect(path.store.commands.open('firewall', 0, 10)).toEqual([]);
    path.clock.advance(30_000);
    path.restart();
    await path.due.tick();
    expect(path.store.commands.open('firewall', 0, 10)).toHaveLength(1);
    expectTruth(path);
  });
});

describe('a command past its deadline', () => {
  it('has failed, an alert is raised, and it goes on being tried as long as its hold is wanted', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report({ severity: 'critical' });
    const hold = holdOf(path, incident);
    path.clock.advance(9_999);
    await path.due.tick();
    expect(shown(path, incident)).toBe('open: requested (requested)');
    path.clock.advance(1);
    await path.due.tick();
    const command = commandOf(path, hold);
    const error = 'overdue: no end within 10 s';
    expect(command).toMatchObject({ status: 'failed', overdue: true, open: true, error, completed_at: '2026-03-13T08:15:40.123Z' });
    expect(holdOf(path, incident)).toMatchObject({ status: 'failed', error, completed_at: '2026-03-13T08:15:40.123Z' });
    expect(shown(path, incident)).toBe('open: failed (failed)');
    const alert = { reason: `containment failed: ${error}`, class: 'prompt_injection', severity: 'critical', source: 'tool-firewall' };
    expect(path.records('alert.raised')).toMatchObject([{ id: hold.id, actor: 'recorder', data: alert }]);
    expect(path.logged.filter(({ level }) => level === 'critical')).toMatchObject([{ message: 'alert raised', hold: hold.id }]);
    expect(path.store.commands.open('agent', 0, 10)).toEqual([command]);
    expect(path.store.holds.desired('agent', 0, 10)).toMatchObject([{ id: hold.id }]);
    await overdue(path);
    expect(path.records('alert.raised')).toHaveLength(1);
    path.restart();
    await path.due.reconcile();
    await overdue(path);
    expect(path.store.commands.open('agent', 0, 10)).toEqual([command]);
    expectTruth(path);
  });

  it('moves the hold, never itself, when its actuator comes back: for a day down, it is told what is wanted now', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    await overdue(path);
    path.clock.advance(86_400_000);
    await path.due.tick();
    const [told] = path.store.commands.open('agent', 0, 10);
    if (!told) throw new Error('it is not told');
    const { command, repeated } = await say(path, told, 'enforced', { attempts: 40, evidence: { frozen: true } });
    expect(repeated).toBe(false);
    expect(command).toMatchObject({
      status: 'failed',
      overdue: true,
      open: false,
      completed_at: told.completed_at,
      evidence: { frozen: true },
    });
    expect(holdOf(path, incident)).toMatchObject({
      status: 'enforced',
      attempts: 40,
      error: null,
      completed_at: path.clock.now().toISOString(),
    });
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    expect(path.records('command.moved').at(-1)?.data).toMatchObject({ late: true, status: 'failed', result: 'enforced' });
    expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
    expectTruth(path);
  });

  it('that was accepted and came to nothing is overdue too', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    await say(path, commandOf(path, holdOf(path, incident)), 'accepted');
    expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
    await overdue(path);
    expect(shown(path, incident)).toBe('open: failed (failed)');
    expect(path.store.commands.open('agent', 0, 10)).toMatchObject([{ overdue: true }]);
    expectTruth(path);
  });

  it('tells how often it was sent, and what came of that last', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    const { store, queue, log, clock } = path;
    const triedOf = () => ({ attempts: 7, error: 'connect ECONNREFUSED' });
    const due = createDue({ queue, store, bell: createBell(), triedOf, log, now: clock.now });
    clock.advance(10_000);
    await due.tick();
    due.close();
    expect(holdOf(path, incident)).toMatchObject({ attempts: 7, error: 'overdue: no end within 10 s; last: connect ECONNREFUSED' });
    expectTruth(path);
  });

  it('that was to undo something is alarmed, and goes on being tried', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    await path.step('resolve', incident.id);
    await overdue(path);
    expect(shown(path, incident)).toBe('resolved: releasing (releasing)');
    expect(path.records('alert.raised')).toMatchObject([{ data: { reason: 'it could not be released: overdue: no end within 10 s' } }]);
    expect(path.store.commands.open('agent', 0, 10)).toMatchObject([{ op: 'release', overdue: true }]);
    expectTruth(path);
    await say(path, commandOf(path, hold), 'released');
    expect(shown(path, incident)).toBe('resolved: released (released)');
    expect(commandOf(path, hold)).toMatchObject({ status: 'failed', open: false });
    expectTruth(path);
  });

  it('is not overdue when it is found to be done before', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    await say(path, commandOf(path, holdOf(path, incident)), 'accepted');
    await check(path, holdOf(path, incident), true);
    await overdue(path);
    expect(shown(path, incident)).toBe('contained: verified (verified)');
    expect(path.records('alert.raised')).toEqual([]);
    expectTruth(path);
  });
});
