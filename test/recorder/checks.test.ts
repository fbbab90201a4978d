// What is found when an actuator is asked whether its holds still stand, and when that says nothing.
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
  operate,
  say,
  shown,
} from '../support/commanded.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const MODELS = 'auto_contain: true, actions: [quarantine_model]';
const model = (model_path: string) => ({ evidence: { model_path } });

async function requested(path: WritePath) {
  const { incident } = await path.report();
  return { incident, hold: holdOf(path, incident) };
}

describe('a hold that is found to stand', () => {
  it.each(['requested', 'accepted', 'enforced', 'drifted', 'failed', 'overdue'] as const)(
    'after it was %s is verified, contains its incidents, and nothing is left to be sent',
    async (status) => {
      using path = openWritePath({ policy: commanding(FREEZE) });
      const { incident, hold } = await requested(path);
      if (status === 'accepted' || status === 'enforced' || status === 'failed')
        await say(path, commandOf(path, hold), status, { attempts: 2 });
      if (status === 'drifted') {
        await say(path, commandOf(path, hold), 'enforced');
        await check(path, hold, false);
      }
      if (status === 'overdue') {
        path.clock.advance(10_000);
        await path.due.tick();
      }
      const before = holdOf(path, incident);
      path.clock.advance(1000);
      await check(path, before, true);
      const after = holdOf(path, incident);
      const since = status === 'enforced' ? before.completed_at : path.clock.now().toISOString();
      expect(after).toMatchObject({ status: 'verified', error: null, attempts: before.attempts, completed_at: since });
      expect(shown(path, incident)).toBe('contained: verified (verified)');
      expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
      expect(path.records('hold.moved').at(-1)).toMatchObject({ id: hold.id, actor: 'actuator:agent', data: { reason: 'verified' } });
      expectTruth(path);
      path.clock.advance(60_000);
      await path.due.tick();
      expect(shown(path, incident)).toBe('contained: verified (verified)');
      expectTruth(path);
    },
  );

  it('again says nothing new', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    await check(path, hold, true);
    const { version } = path.incident(incident.id);
    const records = path.records().length;
    for (let i = 0; i < 3; i += 1) await check(path, holdOf(path, incident), true);
    expect([path.incident(incident.id).version, path.records().length]).toEqual([version, records]);
  });

  it('stays verified whatever a command that was called back says later', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await requested(path);
    const command = commandOf(path, hold);
    await say(path, command, 'accepted');
    await check(path, hold, true);
    expect(path.store.commands.byId(command.id)).toMatchObject({ status: 'superseded', open: false });
    await say(path, command, 'failed', { error: 'late' });
    expect(shown(path, incident)).toBe('contained: verified (verified)');
    expect(path.records('alert.raised')).toEqual([]);
    expectTruth(path);
  });
});

describe('a hold that is found not to stand', () => {
  it.each(['enforced', 'verified'] as const)(
    'after it was %s has drifted, with why; it is alarmed and commanded again, once',
    async (status) => {
      using path = openWritePath({ policy: commanding(FREEZE) });
      const { incident, hold } = await enforced(path);
      if (status === 'verified') await check(path, hold, true);
      for (let i = 0; i < 3; i += 1) await check(path, holdOf(path, incident), false, i === 0 ? {} : { detail: 'again' });
      expect(holdOf(path, incident)).toMatchObject({ status: 'drifted', error: 'it is not in force any more' });
      expect(path.records('alert.raised')).toHaveLength(1);
      expect(commandsOf(path, hold)).toHaveLength(2);
      expect(shown(path, incident)).toBe('open: drifted (drifted)');
      expectTruth(path);
    },
  );

  it.each(['requested', 'accepted', 'failed'] as const)('while it is %s is no news: nobody has said that it stood', async (status) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await requested(path);
    if (status !== 'requested') await say(path, commandOf(path, hold), status);
    const before = [path.records().length, shown(path, incident)];
    await check(path, hold, false);
    expect([path.records().length, shown(path, incident)]).toEqual(before);
  });

  it('drifts again after it was mended', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    for (let i = 0; i < 3; i += 1) {
      await check(path, hold, false);
      await say(path, commandOf(path, hold), 'enforced');
      await check(path, hold, true);
    }
    expect(path.records('alert.raised')).toHaveLength(3);
    expect(commandsOf(path, hold)).toHaveLength(4);
    expect(shown(path, incident)).toBe('contained: verified (verified)');
    expectTruth(path);
  });

  it('is one of several that were looked at together: each is told by itself', async () => {
    using path = openWritePath({ policy: commanding(MODELS) });
    const incidents = [(await enforced(path, model('/a'))).incident, (await enforced(path, model('/b'))).incident];
    const [a, b] = incidents.map((incident) => holdOf(path, incident));
    if (!a || !b) throw new Error('no holds');
    const found = { detail: null, evidence: { listed: 1 }, commanded: null };
    await path.recorder.checked('registry', [
      { ...found, hold: a.seq, stands: true },
      { ...found, hold: b.seq, stands: false },
      { ...found, hold: 999_999, stands: false },
    ]);
    expect(incidents.map((incident) => shown(path, incident))).toEqual(['contained: verified (verified)', 'open: drifted (drifted)']);
    expect(path.records('hold.moved').map(({ data }) => data['evidence'])).toEqual([{ listed: 1 }, { listed: 1 }]);
    expectTruth(path);
  });
});

describe('a look at a hold', () => {
  it('that has moved since says nothing: neither way', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await requested(path);
    await say(path, commandOf(path, hold), 'enforced');
    const before = [path.records().length, shown(path, incident)];
    for (const stands of [true, false]) await check(path, hold, stands, { at: hold.version });
    expect([path.records().length, shown(path, incident)]).toEqual(before);
    await check(path, hold, true, { at: holdOf(path, incident).version });
    expect(shown(path, incident)).toBe('contained: verified (verified)');
  });

  it('twice at one version counts once', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { hold } = await enforced(path);
    const found = { hold: hold.seq, detail: null, evidence: null, commanded: hold.version };
    await path.recorder.checked('agent', [
      { ...found, stands: false },
      { ...found, stands: true },
    ]);
    expect(holdOf(path, path.incident(hold.incident_id).incident).status).toBe('drifted');
  });

  it('of another actuator says nothing', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    const before = [path.records().length, shown(path, incident)];
    for (const stands of [true, false]) await check(path, hold, stands, { actuator: 'registry' });
    expect([path.records().length, shown(path, incident)]).toEqual(before);
  });

  it.each(['releasing', 'released'] as const)('that is %s says nothing: nobody wants it', async (status) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    await operate(path, 'release', hold);
    if (status === 'released') await say(path, commandOf(path, hold), 'released');
    const before = [path.records().length, shown(path, incident)];
    for (const stands of [true, false]) await check(path, hold, stands);
    expect([path.records().length, shown(path, incident)]).toEqual(before);
    expectTruth(path);
  });

  it('whose actuator has left the policy meanwhile harms nobody', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    const gone = path.adopt(commanding(FREEZE, '', ''));
    const looked = check(path, hold, false);
    await Promise.all([gone, looked]);
    await path.due.reconcile();
    expect(holdOf(path, incident)).toMatchObject({ status: 'recorded', actuator: null });
    expectTruth(path);
  });
});
