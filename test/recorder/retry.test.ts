// What an operator asks for again: a command that has failed, and a hold of which nobody was ever told.
import { describe, expect, it } from 'vitest';
import {
  FREEZE,
  commandOf,
  commanding,
  commandsOf,
  enforced,
  expectTruth,
  holdOf,
  operate,
  retry,
  say,
  shown,
} from '../support/commanded.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

/** Lets the deadline of what was commanded pass. */
async function overdue(path: WritePath): Promise<void> {
  path.clock.advance(60_000);
  await path.due.tick();
}

describe('a command that has failed', () => {
  it.each(['failed', 'partial', 'unsupported'] as const)('with "%s" is given again by an operator, under a new id', async (status) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    const hold = holdOf(path, incident);
    const dead = commandOf(path, hold);
    await say(path, dead, status);
    const { command, receipt, replayed } = await retry(path, dead, 'cgroup mounted');
    expect(replayed).toBe(false);
    expect(command).toMatchObject({ op: 'apply', reason: 'retried', status: 'pending', open: true, incident_id: incident.id });
    expect([command.id === dead.id, command.seq]).toEqual([false, receipt.seq]);
    expect(path.records('command.requested').at(-1)).toMatchObject({
      actor: 'operator:alice',
      data: { note: 'cgroup mounted', request: null },
    });
    expect(shown(path, incident)).toBe('open: requested (requested)');
    expectTruth(path);
    await say(path, command, 'enforced');
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    expectTruth(path);
  });

  it('in time is given again, and what was still tried is called back', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    await overdue(path);
    const dead = commandOf(path, holdOf(path, incident));
    const { command } = await retry(path, dead);
    expect(path.store.commands.byId(dead.id)).toMatchObject({ status: 'failed', open: false });
    expect(path.store.commands.open('agent', 0, 10)).toEqual([command]);
    expectTruth(path);
  });

  it('to undo something is given again too', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    await path.step('resolve', incident.id);
    await say(path, commandOf(path, hold), 'failed', { error: 'busy' });
    expect(path.records('alert.raised')).toMatchObject([{ data: { reason: 'it could not be released: busy' } }]);
    expect(holdOf(path, incident)).toMatchObject({ status: 'releasing', error: null });
    expect(commandOf(path, hold)).toMatchObject({ status: 'failed', error: 'busy' });
    const { command } = await retry(path, commandOf(path, hold));
    expect(command).toMatchObject({ op: 'release', status: 'pending' });
    await say(path, command, 'released');
    expect(shown(path, incident)).toBe('resolved: released (released)');
    expectTruth(path);
  });

  it('is given again once for one request, and is answered as it was then', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    const dead = commandOf(path, holdOf(path, incident));
    await say(path, dead, 'failed');
    const mark = { token: 't', key_sha256: 'k', body_sha256: 'b' };
    const asked = { id: dead.id, note: null, caller: { name: 'alice', actor: 'operator:alice' }, mark };
    const first = await path.recorder.retry(asked);
    const again = await path.recorder.retry(asked);
    expect(again).toEqual({ ...first, replayed: true });
    await expect(path.recorder.retry({ ...asked, mark: { ...mark, body_sha256: 'c' } })).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    });
    expect(commandsOf(path, holdOf(path, incident))).toHaveLength(2);
    expectTruth(path);
  });

  it.each<[string, string, (path: WritePath, id: string) => Promise<unknown>]>([
    ['is pending', 'pending', async () => null],
    ['is accepted', 'accepted', async (path) => say(path, lastIn(path), 'accepted')],
    ['has succeeded', 'succeeded', async (path) => say(path, lastIn(path), 'enforced')],
    ['is superseded', 'superseded', async (path, id) => path.step('resolve', id)],
    [
      'has failed, and was given again since',
      'failed',
      async (path) => {
        await say(path, lastIn(path), 'failed');
        await retry(path, lastIn(path));
      },
    ],
    [
      'has failed, and is wanted by nobody any more',
      'failed',
      async (path, id) => {
        await say(path, lastIn(path), 'failed');
        await path.step('resolve', id);
      },
    ],
    [
      'has failed, and whose actuator is not in the policy any more',
      'failed',
      async (path) => {
        await say(path, lastIn(path), 'failed');
        await path.adopt(commanding(FREEZE, '', ''));
        await path.due.reconcile();
      },
    ],
    [
      'has failed, and whose actuator is there again, but was not asked to do anything since',
      'failed',
      async (path) => {
        await say(path, lastIn(path), 'failed');
        await path.adopt(commanding(FREEZE, '', ''));
        await path.due.reconcile();
        await path.adopt(commanding(FREEZE));
        await path.due.reconcile();
      },
    ],
  ])('is not given again when it %s', async (_, state, come) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    const first = lastIn(path);
    await come(path, incident.id);
    const records = path.records().length;
    await expect(retry(path, first)).rejects.toMatchObject({ code: 'state_conflict', details: { state, allowed: [] } });
    expect(path.records()).toHaveLength(records);
  });

  it('does not exist for an id that is not there', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    await expect(retry(path, { id: 'CMD-000000000000' })).rejects.toMatchObject({ code: 'not_found' });
  });
});

/** The last command that there is. */
function lastIn({ store }: WritePath) {
  const [command] = store.commands.list({}, Number.MAX_SAFE_INTEGER, 1);
  if (!command) throw new Error('nothing was commanded');
  return command;
}

describe('a hold that was only on record', () => {
  it('stays so when an actuator appears, until an operator applies it', async () => {
    using path = openWritePath({ policy: commanding(FREEZE, '', '') });
    const { incident } = await path.report();
    await path.adopt(commanding(FREEZE));
    await path.due.reconcile();
    await path.due.tick();
    expect(shown(path, incident)).toBe('contained: recorded (recorded)');
    expect(path.records('command.requested')).toEqual([]);
    const { hold, receipt } = await operate(path, 'apply', holdOf(path, incident), { note: 'now' });
    expect(hold).toMatchObject({ status: 'requested', actuator: 'agent' });
    expect(path.records('hold.moved')).toMatchObject([{ seq: receipt.seq, actor: 'operator:alice', data: { note: 'now' } }]);
    expect(commandOf(path, hold)).toMatchObject({ reason: 'applied', incident_id: incident.id });
    expect(shown(path, incident)).toBe('open: requested (requested)');
    await say(path, commandOf(path, hold), 'enforced');
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    await expect(operate(path, 'apply', hold)).rejects.toMatchObject({
      code: 'state_conflict',
      details: { allowed: ['release', 'extend'] },
    });
    expectTruth(path);
  });

  it('is not applied while nobody is known who could', async () => {
    using path = openWritePath({ policy: commanding(FREEZE, '', '') });
    const { incident } = await path.report();
    await expect(operate(path, 'apply', holdOf(path, incident))).rejects.toMatchObject({
      ...{ code: 'state_conflict', details: { state: 'recorded', allowed: ['release', 'extend', 'apply'] } },
    });
    await expect(operate(path, 'apply', { id: 'HLD-000000000000' })).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is applied at the version that was seen only', async () => {
    using path = openWritePath({ policy: commanding(FREEZE, '', '') });
    const { incident } = await path.report();
    await path.adopt(commanding(FREEZE));
    const { version } = holdOf(path, incident);
    await expect(operate(path, 'apply', holdOf(path, incident), { ifMatch: [version + 1] })).rejects.toMatchObject({
      code: 'precondition_failed',
    });
    expect((await operate(path, 'apply', holdOf(path, incident), { ifMatch: [version] })).hold.version).toBeGreaterThan(version);
  });
});
