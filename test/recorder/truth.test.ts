// What an incident is called is true whenever it is read: contained exactly when all that is wanted has come as far as the policy demands.
import { describe, expect, it } from 'vitest';
import type { ResultStatus } from '../../src/incident/command.ts';
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
  settled,
  shown,
} from '../support/commanded.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const IP = { evidence: { ip: '198.51.100.7' } };
const TWO = 'auto_contain: true, actions: [freeze_agent, quarantine_model]';
const BOTH = { evidence: { model_path: '/m' } };

async function requested(path: WritePath, more = {}) {
  const { incident } = await path.report(more);
  return incident;
}
const actuatorSays = async (path: WritePath, incident: Parameters<typeof holdOf>[1], status: ResultStatus, n = 0) =>
  say(path, commandOf(path, holdOf(path, incident, n)), status);

describe('an incident is contained', () => {
  it.each<[string, string[]]>([
    ['accepted', ['open', 'contained', 'contained', 'contained']],
    ['enforced', ['open', 'open', 'contained', 'contained']],
    ['verified', ['open', 'open', 'open', 'contained']],
  ])('from %s on, when the policy says so, and not before', async (level, states) => {
    const agent = 'actuators: {agent: {actions: [freeze_agent], pull: true, heartbeat: 30s}}\n';
    using path = openWritePath({ policy: commanding(FREEZE, `contained_when: ${level}`, agent) });
    const incident = await requested(path);
    const seen = [path.incident(incident.id).incident.state];
    const see = () => seen.push(path.incident(incident.id).incident.state);
    await actuatorSays(path, incident, 'accepted');
    see();
    expectTruth(path);
    await actuatorSays(path, incident, 'enforced');
    see();
    expectTruth(path);
    await check(path, holdOf(path, incident), true);
    see();
    expect(seen).toEqual(states);
    expect(path.records('incident.contained')).toMatchObject([{ actor: 'recorder', data: { from: 'open', by: 'policy', note: null } }]);
    expectTruth(path);
  });

  it('when the last of its actions has come that far, in whatever order they do', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      using path = openWritePath({ policy: commanding(TWO) });
      const incident = await requested(path, BOTH);
      await actuatorSays(path, incident, 'enforced', order[0]);
      expect(path.incident(incident.id).incident).toMatchObject({ state: 'open', containment: { status: 'requested', reached_at: null } });
      path.clock.advance(1000);
      await actuatorSays(path, incident, 'enforced', order[1]);
      expect(shown(path, incident)).toBe('contained: enforced (enforced, enforced)');
      expect(path.incident(incident.id).incident.containment.reached_at).toBe('2026-03-13T08:15:31.123Z');
      expectTruth(path);
    }
  });

  it('with what is only on record beside it, if the policy takes that, and else not', async () => {
    for (const [word, state] of [
      ['recorded', 'contained'],
      ['never', 'open'],
    ] as const) {
      const rule = 'auto_contain: true, actions: [freeze_agent, {action: suspend_user, target: subject}]';
      using path = openWritePath({ policy: commanding(rule, `without_actuator: ${word}`) });
      const incident = await requested(path, { subject: { type: 'user', id: 'mallory' } });
      await actuatorSays(path, incident, 'enforced');
      expect(shown(path, incident)).toBe(`${state}: recorded (enforced, recorded)`);
      expectTruth(path);
    }
  });

  it('by an operator when what was proposed is done, and until then it stays what it was', async () => {
    using path = openWritePath({ policy: commanding('actions: [freeze_agent]') });
    const incident = await requested(path);
    const answer = await path.step('contain', incident.id, { note: 'do it' });
    expect(answer.incident).toMatchObject({ state: 'open', proposed_actions: [], containment: { status: 'requested', reached_at: null } });
    expect(path.incident(incident.id)).toEqual({ incident: answer.incident, version: answer.version });
    expect(path.records('command.requested')).toMatchObject([
      { actor: 'operator:alice', data: { reason: 'ordered', incident_id: incident.id } },
    ]);
    await expect(path.step('contain', incident.id)).rejects.toMatchObject({
      ...{ code: 'state_conflict', message: expect.stringContaining('when that has come far enough') },
    });
    await actuatorSays(path, answer.incident, 'enforced');
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    expectTruth(path);
  });

  it('again by an operator, when what contained it has ended and nobody else orders it', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    await operate(path, 'release', hold);
    await actuatorSays(path, incident, 'released');
    expect(shown(path, incident)).toBe('open: released (released)');
    const answer = await path.step('contain', incident.id);
    expect(answer.incident).toMatchObject({
      state: 'open',
      containment_actions: ['freeze_agent', 'freeze_agent'],
      containment: { status: 'requested' },
    });
    await actuatorSays(path, answer.incident, 'enforced', 1);
    expect(shown(path, incident)).toBe('contained: enforced (released, enforced)');
    expectTruth(path);
  });

  it('at once by an operator, when what was proposed stands already', async () => {
    using path = openWritePath({ policy: commanding({ prompt_injection: FREEZE, tool_call_burst: 'actions: [freeze_agent]' }) });
    await enforced(path);
    const { incident } = await path.report({ class: 'tool_call_burst' });
    const answer = await path.step('contain', incident.id);
    expect(answer.incident).toMatchObject({ state: 'contained', containment: { status: 'enforced' } });
    expect(path.incident(incident.id)).toEqual({ incident: answer.incident, version: answer.version });
    expectTruth(path);
  });
});

describe('an incident whose containment fails', () => {
  it('is open, failed, and alarmed', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const incident = await requested(path);
    await actuatorSays(path, incident, 'failed');
    expect(shown(path, incident)).toBe('open: failed (failed)');
    expect(path.records('alert.raised')).toHaveLength(1);
    expectTruth(path);
  });

  it('in part is open and partial', async () => {
    using path = openWritePath({ policy: commanding(TWO) });
    const incident = await requested(path, BOTH);
    await actuatorSays(path, incident, 'enforced', 0);
    await actuatorSays(path, incident, 'failed', 1);
    expect(shown(path, incident)).toBe('open: partial (enforced, failed)');
    expectTruth(path);
  });

  it('is one of many whose hold it is: each is open again', async () => {
    using path = openWritePath({ policy: commanding({ prompt_injection: FREEZE, tool_call_burst: FREEZE }, 'contained_when: accepted') });
    const a = await requested(path);
    await actuatorSays(path, a, 'accepted');
    const b = await requested(path, { class: 'tool_call_burst' });
    expect([shown(path, a), shown(path, b)]).toEqual(['contained: accepted (accepted)', 'contained: accepted (accepted)']);
    await actuatorSays(path, a, 'failed');
    expect([shown(path, a), shown(path, b)]).toEqual(['open: failed (failed)', 'open: failed (failed)']);
    expect(path.records('incident.reopened').map(({ data }) => data)).toEqual([
      { from: 'contained', to: 'open', status: 'failed', note: null, request: null },
      { from: 'contained', to: 'open', status: 'failed', note: null, request: null },
    ]);
    expectTruth(path);
  });
});

describe('an incident whose containment drifts', () => {
  it('is open again, alarmed, and commanded again; one that can be verified is contained when it is, and not when it is only said', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    path.clock.advance(5000);
    await check(path, hold, false, { detail: 'state says frozen: false' });
    expect(shown(path, incident)).toBe('open: drifted (drifted)');
    expect(path.incident(incident.id).incident.containment).toMatchObject({
      ...{ reached_at: null, actions: [{ error: 'state says frozen: false', completed_at: '2026-03-13T08:15:35.123Z' }] },
    });
    expect(path.records('alert.raised')).toMatchObject([{ data: { reason: 'containment drifted: state says frozen: false' } }]);
    expect(commandOf(path, hold)).toMatchObject({ op: 'apply', reason: 'drifted', status: 'pending' });
    expectTruth(path);
    await actuatorSays(path, incident, 'enforced');
    expect(shown(path, incident)).toBe('open: drifted (drifted)');
    expectTruth(path);
    await check(path, hold, true);
    expect(shown(path, incident)).toBe('contained: verified (verified)');
    expectTruth(path);
  });

  it('and is not mended is commanded again, a minute after that was found', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    await check(path, hold, false);
    await actuatorSays(path, incident, 'enforced');
    await path.due.tick();
    expect(commandsOf(path, hold)).toHaveLength(2);
    path.clock.advance(59_999);
    await path.due.tick();
    expect(commandsOf(path, hold)).toHaveLength(2);
    path.clock.advance(11_000);
    await path.due.tick();
    expect(commandsOf(path, hold)).toHaveLength(3);
    expect(commandOf(path, hold)).toMatchObject({ reason: 'drifted', status: 'pending' });
    expectTruth(path);
  });

  it('where nobody can verify it is taken at its actuator’s word', async () => {
    using path = openWritePath({ policy: commanding('auto_contain: true, actions: [{action: block_ip, target: evidence.ip}]') });
    const { incident, hold } = await enforced(path, IP);
    await check(path, hold, false);
    await actuatorSays(path, incident, 'enforced');
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    expectTruth(path);
  });

  it('and cannot be mended is failed', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path);
    await check(path, hold, false);
    await actuatorSays(path, incident, 'failed');
    expect(shown(path, incident)).toBe('open: failed (failed)');
    expectTruth(path);
  });
});

describe('an incident that an operator has acknowledged', () => {
  it('stays acknowledged, whatever becomes of its containment; only its status moves', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const incident = await requested(path);
    await path.step('acknowledge', incident.id);
    const seen: string[] = [];
    const see = async (come: () => Promise<unknown>) => {
      await come();
      seen.push(shown(path, incident));
      expectTruth(path);
    };
    await see(async () => actuatorSays(path, incident, 'accepted'));
    await see(async () => actuatorSays(path, incident, 'enforced'));
    await see(async () => check(path, holdOf(path, incident), false));
    await see(async () => check(path, holdOf(path, incident), true));
    await see(async () => operate(path, 'release', holdOf(path, incident)));
    expect(seen).toEqual([
      ...['acknowledged: accepted (accepted)', 'acknowledged: enforced (enforced)', 'acknowledged: drifted (drifted)'],
      ...['acknowledged: verified (verified)', 'acknowledged: releasing (releasing)'],
    ]);
    expect(path.records('containment.moved').map(({ data }) => [data['status'], data['reached']])).toEqual([
      ['accepted', false],
      ['enforced', true],
      ['drifted', false],
      ['verified', true],
      ['releasing', false],
    ]);
  });

  it.each([
    ['enforced', 'contained'],
    ['failed', 'open'],
  ] as const)('goes back to what it is now: %s, %s', async (status, state) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const incident = await requested(path);
    await path.step('acknowledge', incident.id);
    await actuatorSays(path, incident, status);
    expect((await path.step('reopen', incident.id)).incident.state).toBe(state);
    expectTruth(path);
  });
});

describe('the version of an incident', () => {
  it('rises with all that becomes of its holds, and each answer carries the one that is read afterwards', async () => {
    using path = openWritePath({ policy: commanding({ prompt_injection: FREEZE, tool_call_burst: FREEZE }) });
    const first = await path.report({ dedup_key: 'k' });
    const { id } = first.incident;
    const versions = [first.version];
    const rises = async (come: () => Promise<unknown>) => {
      const answer = await come();
      await settled(path);
      const { version } = path.incident(id);
      expect(version).toBeGreaterThan(versions.at(-1) ?? 0);
      expect(version).toBe(path.records().at(-1)?.seq);
      versions.push(version);
      const told = answer as { incident?: { id: string } } | undefined;
      if (told?.incident?.id === id) expect(told).toMatchObject(path.incident(id));
    };
    const hold = () => holdOf(path, first.incident);
    await rises(async () => say(path, commandOf(path, hold()), 'accepted'));
    await rises(async () => say(path, commandOf(path, hold()), 'enforced'));
    await rises(async () => check(path, hold(), true));
    await rises(async () => check(path, hold(), false));
    await rises(async () => path.report({ dedup_key: 'k' }));
    await rises(async () => say(path, commandOf(path, hold()), 'failed'));
    await rises(async () => path.recorder.retry({ ...commandOf(path, hold()), note: null, caller: { name: 'a', actor: 'a' }, mark: null }));
    await rises(async () => say(path, commandOf(path, hold()), 'enforced'));
    await rises(async () => path.step('acknowledge', id));
    await rises(async () => path.note(id, 'n'));
    await rises(async () => path.step('resolve', id));
    await rises(async () => say(path, commandOf(path, hold()), 'released'));
    expectTruth(path);
  });

  it('stays where it is for a change of a hold that it has let go', async () => {
    using path = openWritePath({ policy: commanding({ prompt_injection: FREEZE, tool_call_burst: FREEZE }) });
    const { incident, hold } = await enforced(path);
    const { incident: other } = await path.report({ class: 'tool_call_burst' });
    await path.step('resolve', incident.id);
    const before = path.incident(incident.id);
    await check(path, hold, false);
    await path.step('resolve', other.id);
    await say(path, commandOf(path, hold), 'released');
    expect(path.incident(incident.id)).toEqual(before);
    expectTruth(path);
  });

  it('is refused by If-Match when only a hold has moved since', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, version } = await path.report();
    await actuatorSays(path, incident, 'accepted');
    await expect(path.step('resolve', incident.id, { ifMatch: [version] })).rejects.toMatchObject({ code: 'precondition_failed' });
    await path.step('resolve', incident.id, { ifMatch: [path.incident(incident.id).version] });
  });
});

describe('resolve', () => {
  it('answers with what is left to be done, and what others still want goes on without it as it was then', async () => {
    using path = openWritePath({ policy: commanding({ prompt_injection: TWO, tool_call_burst: FREEZE }) });
    const incident = await requested(path, BOTH);
    for (const n of [0, 1]) await actuatorSays(path, incident, 'enforced', n);
    const { incident: other } = await path.report({ class: 'tool_call_burst' });
    const before = path.incident(incident.id).incident.containment.actions;
    path.clock.advance(1000);
    const answer = await path.step('resolve', incident.id);
    expect(path.incident(incident.id)).toEqual({ incident: answer.incident, version: answer.version });
    expect(path.records('incident.resolved')).toMatchObject([
      { data: { status: 'released', ending: [before[1]?.hold_id], let_go: [{ hold_id: before[0]?.hold_id, attempts: 1, error: null }] } },
    ]);
    expect(answer.incident.containment.actions).toEqual(before.map((action) => ({ ...action, status: 'released' })));
    await check(path, holdOf(path, other), false);
    await say(path, commandOf(path, holdOf(path, other)), 'failed', { error: 'broken' });
    expect(path.incident(incident.id).incident.containment.actions).toEqual(answer.incident.containment.actions);
    expect(shown(path, other)).toBe('open: failed (failed)');
    expectTruth(path);
  });

  it.each<[string, string, string]>([
    ['of what is only on record', 'suspend_user', 'released'],
    ['of what is to be undone', 'freeze_agent', 'releasing'],
    ['of what nobody can undo', 'force_vault_relock', 'released'],
  ])('%s answers what is then read: %s is %s', async (_, action, status) => {
    using path = openWritePath({ policy: commanding(`auto_contain: true, actions: [log_alert, {action: ${action}}]`) });
    const incident = await requested(path, { subject: { type: 'user', id: 'mallory' } });
    const answer = await path.step('resolve', incident.id);
    expect(answer.incident.containment.status).toBe(status);
    expect(path.incident(incident.id)).toEqual({ incident: answer.incident, version: answer.version });
    expectTruth(path);
  });
});
