// A policy that is in force now, and holds of one that was: whoever carried them out may be gone, and what counts as contained another.
import { describe, expect, it } from 'vitest';
import {
  FREEZE,
  check,
  commandOf,
  commanding,
  commandsOf,
  enforced,
  expectTruth,
  holdOf,
  say,
  settled,
  shown,
} from '../support/commanded.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const NOBODY = commanding(FREEZE, '', '');
const OTHER = commanding(FREEZE, '', 'actuators: {cgroups: {actions: [freeze_agent], pull: true, deadline: 40s}}\n');
/** The same actuator, which does something else now. */
const BUSY = commanding(FREEZE, '', 'actuators: {agent: {actions: [disable_airlock], pull: true}}\n');

/** As a reload does it. */
async function reload(path: WritePath, policy: string): Promise<void> {
  await path.adopt(policy);
  await path.due.reconcile();
  await settled(path);
}

/** As a start does it. */
async function restart(path: WritePath, policy: string): Promise<void> {
  path.restart(policy);
  await path.adopt(policy);
  await path.due.reconcile();
  await settled(path);
}

const WAYS = [
  ['a reload', reload],
  ['a start', restart],
] as const;

describe.each(WAYS)('%s under a policy without the actuator', (_, come) => {
  it.each(['requested', 'accepted', 'enforced', 'verified', 'drifted', 'failed'] as const)(
    'leaves a hold that is %s on record, tells nobody any more, and takes no word for it',
    async (status) => {
      using path = openWritePath({ policy: commanding(FREEZE) });
      const { incident } = await path.report();
      const hold = holdOf(path, incident);
      const command = commandOf(path, hold);
      if (['enforced', 'verified', 'drifted'].includes(status)) await say(path, command, 'enforced');
      if (status === 'accepted' || status === 'failed') await say(path, command, status);
      if (status === 'verified' || status === 'drifted') await check(path, hold, status === 'verified');
      expect(holdOf(path, incident).status).toBe(status);
      await come(path, NOBODY);
      const error = 'its actuator agent is not in the policy any more';
      expect(holdOf(path, incident)).toMatchObject({ status: 'recorded', actuator: null, error });
      expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
      expect(path.store.holds.desired('agent', 0, 10)).toEqual([]);
      expect(shown(path, incident)).toBe('contained: recorded (recorded)');
      expectTruth(path);
      path.clock.advance(120_000);
      await path.due.tick();
      expect(shown(path, incident)).toBe('contained: recorded (recorded)');
      await path.step('resolve', incident.id);
      expect(path.records('hold.released')).toMatchObject([{ data: { by_hand: true } }]);
      expectTruth(path);
    },
  );

  it('ends what was being released: nobody is left to be told, and it is left to a hand', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await enforced(path);
    await path.step('resolve', incident.id);
    await come(path, NOBODY);
    expect(shown(path, incident)).toBe('resolved: released (released)');
    expect(path.records('hold.released')).toMatchObject([{ actor: 'recorder', data: { by_hand: true, status: 'released' } }]);
    expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
    expectTruth(path);
  });

  it('is told in the incident: contained no more where nobody knows', async () => {
    using path = openWritePath({ policy: commanding(FREEZE, 'without_actuator: never') });
    const { incident } = await enforced(path);
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    await come(path, commanding(FREEZE, 'without_actuator: never', ''));
    expect(shown(path, incident)).toBe('open: recorded (recorded)');
    expectTruth(path);
  });
});

describe.each(WAYS)('%s under a policy in which another actuator does it', (_, come) => {
  it.each(['requested', 'accepted', 'enforced', 'verified', 'failed'] as const)('commands a hold that is %s there', async (status) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    const hold = holdOf(path, incident);
    const old = commandOf(path, hold);
    if (status === 'enforced' || status === 'verified') await say(path, old, 'enforced');
    if (status === 'accepted' || status === 'failed') await say(path, old, status);
    if (status === 'verified') await check(path, hold, true);
    await come(path, OTHER);
    expect(holdOf(path, incident)).toMatchObject({ status: 'requested', actuator: 'cgroups', error: null });
    expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
    expect(path.store.commands.open('cgroups', 0, 10)).toMatchObject([{ op: 'apply', reason: 'reconciled', hold: hold.seq }]);
    expect(shown(path, incident)).toBe('open: requested (requested)');
    expectTruth(path);
    // What the first one says later is not about it any more.
    if (status === 'requested' || status === 'accepted') await say(path, old, 'failed', { error: 'gone' });
    expect(shown(path, incident)).toBe('open: requested (requested)');
    await say(path, commandOf(path, hold), 'enforced');
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    expectTruth(path);
    await path.step('resolve', incident.id);
    expect(commandOf(path, hold)).toMatchObject({ op: 'release', actuator: 'cgroups' });
    expectTruth(path);
  });
});

describe('an actuator that does something else now', () => {
  it('is not told of the hold any more, and goes on being told to undo what it was told to', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident: a } = await enforced(path);
    await path.step('resolve', a.id);
    await reload(path, BUSY);
    expect(path.store.commands.open('agent', 0, 10)).toMatchObject([{ op: 'release' }]);
    expect(shown(path, a)).toBe('resolved: releasing (releasing)');
    expectTruth(path);
    await say(path, commandOf(path, holdOf(path, a)), 'released');
    expect(shown(path, a)).toBe('resolved: released (released)');

    await reload(path, commanding(FREEZE));
    const { incident: b } = await enforced(path);
    await reload(path, BUSY);
    expect(holdOf(path, b)).toMatchObject({ status: 'recorded', actuator: null });
    expectTruth(path);
  });
});

describe('an actuator that comes back', () => {
  it('is told nothing of what is only recorded by then', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await enforced(path);
    await reload(path, NOBODY);
    await reload(path, commanding(FREEZE));
    expect(shown(path, incident)).toBe('contained: recorded (recorded)');
    expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
    expectTruth(path);
  });
});

describe('a policy that says otherwise what counts as contained', () => {
  it.each<[string, string, string]>([
    ['contained_when: accepted', 'contained', 'open'],
    ['contained_when: enforced', 'open', 'contained'],
  ])('has all incidents looked at again: %s', async (more, accepted, word) => {
    const other = more.endsWith('accepted') ? 'contained_when: enforced' : 'contained_when: accepted';
    using path = openWritePath({ policy: commanding(FREEZE, other) });
    await path.adopt(commanding(FREEZE, other));
    const incidents = await Promise.all(Array.from({ length: 250 }, async () => (await path.report()).incident));
    const [first] = incidents;
    if (!first) throw new Error('none');
    await say(path, commandOf(path, holdOf(path, first)), 'accepted');
    await settled(path);
    expect(shown(path, first)).toBe(`${word}: accepted (accepted)`);
    await path.step('acknowledge', first.id);
    await reload(path, commanding(FREEZE, more));
    expect(shown(path, first)).toBe('acknowledged: accepted (accepted)');
    expect(path.incident(first.id).incident.containment.reached_at !== null).toBe(accepted === 'contained');
    expect(path.store.statistics.tallies().filter(({ n }) => n > 0)).toMatchObject(
      [
        { state: 'acknowledged', n: 1 },
        { state: accepted, n: 249 },
      ].toSorted((a, b) => a.state.localeCompare(b.state)),
    );
    expectTruth(path);
  });

  it('at a start too, and of what is only on record', async () => {
    const never = commanding(FREEZE, 'without_actuator: never', '');
    using path = openWritePath({ policy: NOBODY });
    await path.adopt(NOBODY);
    const { incident } = await path.report();
    expect(shown(path, incident)).toBe('contained: recorded (recorded)');
    await restart(path, never);
    expect(shown(path, incident)).toBe('open: recorded (recorded)');
    await restart(path, NOBODY);
    expect(shown(path, incident)).toBe('contained: recorded (recorded)');
    expectTruth(path);
  });

  it('looks at none again when it says the same', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    await path.adopt(commanding(FREEZE));
    const { incident } = await enforced(path);
    const { version } = path.incident(incident.id);
    await reload(path, commanding(FREEZE, 'approvals: {timeout: 5m}'));
    expect(path.incident(incident.id).version).toBe(version);
  });

  it('moves none that is resolved', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    await path.adopt(commanding(FREEZE));
    const { incident } = await enforced(path);
    await path.step('resolve', incident.id);
    const before = path.incident(incident.id);
    await reload(
      path,
      commanding(FREEZE, 'contained_when: verified', 'actuators: {agent: {actions: [freeze_agent], pull: true, heartbeat: 9s}}\n'),
    );
    expect(path.incident(incident.id)).toEqual(before);
    expectTruth(path);
  });
});

describe('what a log that was cut short can leave', () => {
  it('a hold that nobody owns is ended', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    path.db.prepare('UPDATE incident_actions SET ended = 1').run();
    await path.due.reconcile();
    expect(path.records('hold.releasing')).toMatchObject([{ id: hold.id, actor: 'recorder', data: { reason: 'last owner ended' } }]);
    expect(commandOf(path, hold)).toMatchObject({ op: 'release' });
    await say(path, commandOf(path, hold), 'released');
    expect(holdOf(path, incident).status).toBe('released');
  });

  it.each([
    ['requested', 0],
    ['accepted', 0],
    ['drifted', 60_000],
  ] as const)('a hold that is %s, and of which nobody is told, is commanded again %i ms after it was found', async (status, ms) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    const hold = holdOf(path, incident);
    path.db.prepare('DELETE FROM commands').run();
    path.db.prepare('UPDATE holds SET status = ?').run(status);
    await path.due.mend();
    expect(commandsOf(path, hold)).toHaveLength(ms === 0 ? 1 : 0);
    path.clock.advance(ms);
    await path.due.mend();
    expect(commandsOf(path, hold)).toMatchObject([
      { op: 'apply', status: 'pending', reason: status === 'drifted' ? 'drifted' : 'reconciled' },
    ]);
    path.clock.advance(ms);
    await path.due.mend();
    expect(commandsOf(path, hold)).toHaveLength(1);
  });
});

describe('a start', () => {
  it('looks at the incidents that were left to be looked at when the service ended', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const incidents = await Promise.all(Array.from({ length: 250 }, async () => (await path.report()).incident));
    const [first] = incidents;
    if (!first) throw new Error('none');
    await say(path, commandOf(path, holdOf(path, first)), 'enforced');
    path.restart();
    expect(path.store.settling.next(1)).toHaveLength(1);
    await path.due.reconcile();
    await settled(path);
    expect(path.store.statistics.tallies().filter(({ n }) => n > 0)).toMatchObject([{ state: 'contained', n: 250 }]);
    expectTruth(path);
  });
});

describe('a reload', () => {
  it('holds all holds against the policy, also those of many pages, by itself', async () => {
    using path = openWritePath({
      policy: commanding('auto_contain: true, actions: [{action: block_ip, target: evidence.ip}], max_holds: 500'),
    });
    await Promise.all(Array.from({ length: 450 }, async (_, n) => path.report({ evidence: { ip: `198.51.${n >> 8}.${n & 255}` } })));
    await path.adopt(commanding(FREEZE, '', ''));
    const left = () => path.db.prepare<[], number>(`SELECT count(*) FROM holds WHERE status <> 'recorded'`).pluck().get();
    while (left() !== 0) await new Promise((resolve) => setImmediate(resolve));
    await settled(path);
    expect(path.store.statistics.tallies().filter(({ n }) => n > 0)).toMatchObject([{ state: 'contained', n: 450 }]);
    expect(path.store.commands.open('firewall', 0, 1000)).toEqual([]);
  });
});
