// What actuators say came of a command: believed once, in any order, late or twice, and never where it is not theirs to say.
import { describe, expect, it } from 'vitest';
import { RESULT_STATUSES, type ResultStatus } from '../../src/incident/command.ts';
import {
  BLOCK,
  FREEZE,
  check,
  commandOf,
  commanding,
  commandsOf,
  enforced,
  expectTruth,
  holdOf,
  retry,
  say,
  shown,
} from '../support/commanded.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

async function requested(path: WritePath) {
  const { incident } = await path.report();
  return { incident, command: commandOf(path, holdOf(path, incident)) };
}

describe('a result', () => {
  it.each<[ResultStatus, string, string, string]>([
    ['accepted', 'accepted', 'accepted', 'open: accepted (accepted)'],
    ['enforced', 'succeeded', 'enforced', 'contained: enforced (enforced)'],
    ['failed', 'failed', 'failed', 'open: failed (failed)'],
    ['partial', 'failed', 'failed', 'open: failed (failed)'],
    ['unsupported', 'failed', 'failed', 'open: failed (failed)'],
  ])('"%s" makes the command %s and its hold %s, and shows in the incident', async (status, command, hold, incident) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident: reported, command: asked } = await requested(path);
    path.clock.advance(500);
    const at = path.clock.now().toISOString();
    const { command: told, repeated } = await say(path, asked, status, { evidence: { cgroup: 'frozen', tasks: [1, 2] }, attempts: 3 });
    const isEnd = status !== 'accepted';
    expect(repeated).toBe(false);
    expect(told).toMatchObject({
      status: command,
      attempts: 3,
      evidence: { cgroup: 'frozen', tasks: [1, 2] },
      open: false,
      overdue: false,
    });
    expect(told.completed_at).toBe(isEnd ? at : null);
    expect(holdOf(path, reported)).toMatchObject({ status: hold, attempts: 3, completed_at: isEnd ? at : null });
    expect(shown(path, reported)).toBe(incident);
    const { version, incident: now } = path.incident(reported.id);
    expect(version).toBe(path.records().at(-1)?.seq);
    expect(now.updated_at).toBe(at);
    expect(path.records('command.moved')).toMatchObject([
      { id: told.hold_id, actor: 'actuator:agent', data: { command_id: asked.id, op: 'apply', result: status, late: false } },
    ]);
    expectTruth(path);
  });

  it.each<[ResultStatus, string | null, string]>([
    ['failed', 'no such unit', 'no such unit'],
    ['failed', null, 'failed'],
    ['partial', null, 'done only in part'],
    ['partial', '3 of 5 tasks', '3 of 5 tasks'],
    ['unsupported', null, 'the actuator does not do this'],
  ])('"%s" with error %j tells %j, and raises one alert', async (status, error, told) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await say(path, command, status, { error });
    expect(path.incident(incident.id).incident.containment.actions).toMatchObject([{ status: 'failed', error: told }]);
    expect(path.records('alert.raised')).toMatchObject([{ actor: 'actuator:agent', data: { reason: `containment failed: ${told}` } }]);
    expect(path.logged.filter(({ level }) => level === 'critical')).toHaveLength(1);
    expectTruth(path);
  });

  it('comes after "accepted" as well: the incident is contained when it is done, and not before', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await say(path, command, 'accepted', { evidence: { job: 7 } });
    await say(path, command, 'enforced');
    expect(path.store.commands.byId(command.id)).toMatchObject({ status: 'succeeded', evidence: { job: 7 } });
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    expectTruth(path);
  });

  it('keeps the last evidence, and what it is told without stays', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { command } = await requested(path);
    await say(path, command, 'accepted', { evidence: { job: 7 } });
    await say(path, command, 'enforced', { evidence: { frozen: true } });
    expect(path.store.commands.byId(command.id)?.evidence).toEqual({ frozen: true });
  });

  it.each([
    [null, 1],
    [4, 4],
  ])('that came of %j attempts counts %i', async (attempts, counted) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await say(path, command, 'enforced', { attempts });
    expect(path.store.commands.byId(command.id)?.attempts).toBe(counted);
    expect(path.incident(incident.id).incident.containment.actions).toMatchObject([{ attempts: counted }]);
  });
});

describe('a result that is told again', () => {
  const ends = RESULT_STATUSES.filter((status) => status !== 'released');

  it.each(ends)('"%s" changes nothing, and is answered as if it did', async (status) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { command } = await requested(path);
    const first = await say(path, command, status, { evidence: { a: 1 } });
    const records = path.records().length;
    for (let i = 0; i < 3; i += 1) {
      expect(await say(path, command, status, { evidence: { b: 2 } })).toEqual({ ...first, repeated: true });
    }
    expect(path.records()).toHaveLength(records);
    expectTruth(path);
  });

  it.each(ends)('"%s" after its command was overdue moves the hold once, and is answered as before', async (status) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { command } = await requested(path);
    path.clock.advance(60_000);
    await path.due.tick();
    const first = await say(path, command, status);
    expect(first.repeated).toBe(false);
    const records = path.records().length;
    expect(await say(path, command, status)).toEqual({ ...first, repeated: true });
    expect(path.records()).toHaveLength(records);
    expectTruth(path);
  });

  it.each(ends.filter((status) => status !== 'accepted'))('"%s" after nobody wanted it any more is taken once', async (status) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await path.step('resolve', incident.id);
    const first = await say(path, command, status);
    expect(first).toMatchObject({ repeated: false, command: { status: 'superseded' } });
    const records = path.records().length;
    expect(await say(path, command, status)).toEqual({ ...first, repeated: true });
    expect(path.records()).toHaveLength(records);
    expectTruth(path);
  });

  it('"accepted" after nobody wanted it any more says nothing', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await path.step('resolve', incident.id);
    const records = path.records().length;
    expect(await say(path, command, 'accepted')).toMatchObject({ repeated: true, command: { status: 'superseded' } });
    expect(path.records()).toHaveLength(records);
  });

  it('to release is answered again too', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    await path.step('resolve', incident.id);
    const release = commandOf(path, hold);
    const first = await say(path, release, 'released');
    expect(await say(path, release, 'released')).toEqual({ ...first, repeated: true });
    expect(path.records('hold.released')).toHaveLength(1);
    expectTruth(path);
  });
});

describe('a result that comes out of order', () => {
  it.each<[ResultStatus]>([['enforced'], ['failed']])('"accepted" behind "%s" says nothing new', async (end) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await say(path, command, end);
    const before = shown(path, incident);
    expect(await say(path, command, 'accepted')).toMatchObject({ repeated: true });
    expect(shown(path, incident)).toBe(before);
    expectTruth(path);
  });

  it.each<[ResultStatus, ResultStatus]>([
    ['enforced', 'failed'],
    ['enforced', 'partial'],
    ['failed', 'enforced'],
    ['unsupported', 'enforced'],
  ])('and contradicts what was told: "%s", then "%s", is refused and changes nothing', async (first, then) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await say(path, command, first);
    const before = [shown(path, incident), path.records().length];
    const state = first === 'enforced' ? 'succeeded' : 'failed';
    await expect(say(path, command, then)).rejects.toMatchObject({ code: 'state_conflict', details: { state, allowed: [] } });
    expect([shown(path, incident), path.records().length]).toEqual(before);
  });

  it('of a command that was given again since moves nothing: the last word is awaited', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    path.clock.advance(60_000);
    await path.due.tick();
    const { command: again } = await retry(path, command);
    expect(await say(path, command, 'failed', { error: 'of yore' })).toMatchObject({ repeated: false });
    expect(shown(path, incident)).toBe('open: requested (requested)');
    expect(path.store.commands.byId(again.id)).toMatchObject({ status: 'pending', open: true });
    await say(path, again, 'enforced');
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    expectTruth(path);
  });
});

describe('a result that is not theirs to say', () => {
  it('of another actuator’s command is forbidden, whatever it says', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    for (const status of RESULT_STATUSES)
      await expect(say(path, command, status, { actuator: 'firewall' })).rejects.toMatchObject({ code: 'forbidden' });
    expect(shown(path, incident)).toBe('open: requested (requested)');
    expect(path.records('command.moved')).toEqual([]);
  });

  it('of a command that is not there is not found', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { command } = await requested(path);
    await expect(say(path, { ...command, id: 'CMD-000000000000' }, 'enforced')).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each<[ResultStatus, 'apply' | 'release']>([
    ['released', 'apply'],
    ['enforced', 'release'],
  ])('"%s" of a command to %s is a contradiction', async (status, op) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    if (op === 'release') await path.step('resolve', incident.id);
    const last = commandOf(path, holdOf(path, incident));
    expect(last.op).toBe(op);
    await expect(say(path, last, status)).rejects.toMatchObject({ code: 'state_conflict', details: { state: 'pending' } });
    expect(path.store.commands.byId(last.id)).toEqual(last);
    expect(command.op).toBe('apply');
  });
});

describe('what was done after nobody wanted it any more', () => {
  it.each(['superseded', 'overdue'] as const)('by a command that was %s is undone, though its release had come first', async (how) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    if (how === 'overdue') {
      path.clock.advance(60_000);
      await path.due.tick();
    }
    await path.step('resolve', incident.id);
    const hold = holdOf(path, incident);
    await say(path, commandOf(path, hold), 'released');
    expect(shown(path, incident)).toBe('resolved: released (released)');
    expect(await say(path, command, 'enforced')).toMatchObject({ repeated: false });
    expect(commandOf(path, hold)).toMatchObject({ op: 'release', reason: 'ended', status: 'pending', open: true });
    expect(shown(path, incident)).toBe('resolved: released (released)');
    expectTruth(path);
    await say(path, commandOf(path, hold), 'released');
    expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
    expect(commandsOf(path, hold).map(({ op, status }) => `${op} ${status}`)).toEqual([
      how === 'overdue' ? 'apply failed' : 'apply superseded',
      'release succeeded',
      'release succeeded',
    ]);
    expectTruth(path);
  });

  it('is left when somebody else wants the same by now', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await path.step('resolve', incident.id);
    await say(path, commandOf(path, holdOf(path, incident)), 'released');
    const { incident: next } = await path.report();
    await say(path, command, 'enforced');
    expect(path.store.commands.open('agent', 0, 10)).toMatchObject([{ op: 'apply', hold: holdOf(path, next).seq }]);
    expectTruth(path);
  });

  it('is left to a hand when no command undoes it', async () => {
    using path = openWritePath({ policy: commanding('auto_contain: true, actions: [quarantine_model]') });
    const { incident } = await path.report({ evidence: { model_path: '/m' } });
    const hold = holdOf(path, incident);
    await path.step('resolve', incident.id);
    await say(path, commandOf(path, hold), 'enforced');
    expect(commandsOf(path, hold).map(({ op }) => op)).toEqual(['apply']);
    expectTruth(path);
  });

  it('and is being released is not released a second time', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await path.step('resolve', incident.id);
    await say(path, command, 'enforced');
    const hold = holdOf(path, incident);
    expect(commandsOf(path, hold).map(({ op }) => op)).toEqual(['apply', 'release']);
    await say(path, commandOf(path, hold), 'released');
    expect(shown(path, incident)).toBe('resolved: released (released)');
    expectTruth(path);
  });
});

describe('a release', () => {
  it('that was given again ends the hold by whichever word comes first, and nothing is left to be sent', async () => {
    using path = openWritePath({ policy: commanding(BLOCK) });
    const { incident, hold } = await enforced(path, { evidence: { ip: '198.51.100.7' } });
    await path.step('resolve', incident.id);
    const first = commandOf(path, hold);
    path.clock.advance(60_000);
    await path.due.tick();
    const { command: again } = await retry(path, first);
    await say(path, first, 'released');
    expect(shown(path, incident)).toBe('resolved: released (released)');
    expect(path.store.commands.open('firewall', 0, 10)).toEqual([]);
    expect(await say(path, again, 'released')).toMatchObject({ command: { status: 'superseded' } });
    expect(path.records('hold.released')).toHaveLength(1);
    expectTruth(path);
  });

  it('that is refused is alarmed, and the hold is not said to be released', async () => {
    using path = openWritePath({ policy: commanding(BLOCK) });
    const { incident, hold } = await enforced(path, { evidence: { ip: '198.51.100.7' } });
    await path.step('resolve', incident.id);
    await say(path, commandOf(path, hold), 'unsupported');
    expect(shown(path, incident)).toBe('resolved: releasing (releasing)');
    expect(path.records('alert.raised')).toMatchObject([{ data: { reason: 'it could not be released: unsupported' } }]);
    expectTruth(path);
  });

  it('that is accepted is not the end of it', async () => {
    using path = openWritePath({ policy: commanding(BLOCK) });
    const { incident, hold } = await enforced(path, { evidence: { ip: '198.51.100.7' } });
    await path.step('resolve', incident.id);
    await say(path, commandOf(path, hold), 'accepted');
    expect(shown(path, incident)).toBe('resolved: releasing (releasing)');
    await say(path, commandOf(path, hold), 'released');
    expect(shown(path, incident)).toBe('resolved: released (released)');
    expectTruth(path);
  });

  it('of what was never known to stand needs no check to be believed', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, command } = await requested(path);
    await path.step('resolve', incident.id);
    await check(path, holdOf(path, incident), false);
    await say(path, commandOf(path, holdOf(path, incident)), 'released');
    expect([shown(path, incident), command.op]).toEqual(['resolved: released (released)', 'apply']);
    expectTruth(path);
  });
});
