// Holds that an actuator carries out: opened, shared, bounded, let go, and undone when the last incident that wants them ends.
import { describe, expect, it } from 'vitest';
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
  operate,
  say,
  settled,
  shown,
} from '../support/commanded.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const types = (path: WritePath) => path.records().map(({ type }) => type);
const liveIn = ({ db }: WritePath) => db.prepare<[], number>('SELECT count(*) FROM holds WHERE live = 1').pluck().get();

describe('a hold', () => {
  it('is on record with its command before anybody can be asked, and its incident is open until it is done', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, version } = await path.report();
    expect(types(path)).toEqual(['incident.reported', 'hold.recorded', 'command.requested']);
    const hold = holdOf(path, incident);
    const command = commandOf(path, hold);
    expect(path.records('hold.recorded')[0]?.data).toEqual({
      ...{ action: 'freeze_agent', target: { type: 'agent', id: '*' }, rule: 'prompt_injection', source: 'tool-firewall' },
      ...{ incident_id: incident.id, status: 'requested', params: {}, actuator: 'agent', expires_at: null },
    });
    expect(path.records('command.requested')[0]).toMatchObject({
      ...{ id: hold.id, actor: 'reporter:firewall' },
      data: { command_id: command.id, op: 'apply', actuator: 'agent', incident_id: incident.id, reason: 'ordered' },
    });
    expect(hold).toMatchObject({ status: 'requested', actuator: 'agent', attempts: 0, error: null, completed_at: null, ending: null });
    expect(hold.version).toBe(command.seq);
    expect(version).toBe(command.seq);
    expect(command).toMatchObject({
      ...{ op: 'apply', status: 'pending', open: true, overdue: false, hold_id: hold.id, incident_id: incident.id },
      ...{ not_before: path.clock.now().toISOString(), deadline_at: '2026-03-13T08:15:40.123Z', attempts: 0, completed_at: null },
    });
    expect(shown(path, incident)).toBe('open: requested (requested)');
    expect(path.incident(incident.id)).toEqual({ incident, version });
    expectTruth(path);
  });

  it('has the params of its rule, and they are told with its command', async () => {
    const rule = 'auto_contain: true, actions: [{action: rate_limit, target: subject, params: {limit: 9, window: 60s}, ttl: 15m}]';
    const gateway = 'actuators: {gateway: {actions: [rate_limit], pull: true}}\n';
    using path = openWritePath({ policy: commanding(rule, '', gateway) });
    const { incident } = await path.report({ subject: { type: 'user', id: 'mallory' } });
    const params = { limit: 9, window: '60s' };
    expect(holdOf(path, incident)).toMatchObject({
      target: { type: 'user', id: 'mallory' },
      params,
      expires_at: '2026-03-13T08:30:30.123Z',
    });
    expect(commandOf(path, holdOf(path, incident))).toMatchObject({ params, expires_at: '2026-03-13T08:30:30.123Z' });
    expectTruth(path);
  });

  it.each(['requested', 'accepted', 'enforced', 'verified', 'drifted'] as const)(
    'that is %s is joined as it is, and commanded no second time',
    async (status) => {
      using path = openWritePath({ policy: commanding({ prompt_injection: FREEZE, tool_call_burst: FREEZE }) });
      const { incident } = await path.report();
      const command = commandOf(path, holdOf(path, incident));
      if (status !== 'requested') await say(path, command, status === 'accepted' ? status : 'enforced', { attempts: 2 });
      if (status === 'verified' || status === 'drifted') await check(path, holdOf(path, incident), status === 'verified');
      const before = holdOf(path, incident);
      const commands = commandsOf(path, before).length;
      expect(before.status).toBe(status);
      const joined = await path.report({ class: 'tool_call_burst' });
      const [action] = joined.incident.containment.actions;
      const { attempts, error, completed_at } = before;
      expect(action).toEqual({
        action: 'freeze_agent',
        target: 'agent:*',
        hold_id: before.id,
        status,
        actuator: 'agent',
        attempts,
        error,
        completed_at,
      });
      expect(joined.incident.state).toBe(status === 'enforced' || status === 'verified' ? 'contained' : 'open');
      expect(commandsOf(path, before)).toHaveLength(commands);
      expect(path.incident(joined.incident.id)).toEqual({ incident: joined.incident, version: joined.version });
      expectTruth(path);
    },
  );

  it('that a thousand incidents want is one hold and one command; they are contained in slices, and it ends with the last of them', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const incidents = await Promise.all(Array.from({ length: 1000 }, async () => (await path.report()).incident));
    const [first] = incidents;
    if (!first) throw new Error('none');
    const hold = holdOf(path, first);
    expect([path.records('hold.recorded'), path.records('command.requested')].map(({ length }) => length)).toEqual([1, 1]);
    expect(path.store.holds.owners(hold.seq, 100)).toEqual({ count: 1000, ids: incidents.slice(0, 100).map(({ id }) => id) });

    const { command } = await say(path, commandOf(path, hold), 'enforced');
    const byThen = path.store.statistics.tallies().find(({ state }) => state === 'contained')?.n ?? 0;
    expect(byThen).toBeLessThan(1000);
    await settled(path);
    expect(command.status).toBe('succeeded');
    expect(path.store.statistics.tallies()).toMatchObject([{ state: 'contained', n: 1000 }]);
    expect(path.records('command.moved')).toHaveLength(1);
    expect(path.incident(first.id).version).toBeLessThan(path.incident(incidents.at(-1)?.id ?? '').version);

    const last = incidents.pop();
    await Promise.all(incidents.map(async ({ id }) => path.step('resolve', id)));
    expect(holdOf(path, first).status).toBe('enforced');
    await path.step('resolve', last?.id ?? '');
    expect(holdOf(path, first).status).toBe('releasing');
    expect(commandsOf(path, hold).map(({ op }) => op)).toEqual(['apply', 'release']);
  });

  it('that drifts drags all that want it with it, also those that are looked at later', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { hold } = await enforced(path);
    await Promise.all(Array.from({ length: 250 }, async () => path.report()));
    expect(path.store.statistics.tallies()).toMatchObject([{ state: 'contained', n: 251 }]);
    await check(path, hold, false);
    await settled(path);
    const counted = path.store.statistics.tallies().filter(({ n }) => n > 0);
    expect(counted).toMatchObject([{ state: 'open', n: 251 }]);
    expect(path.records('alert.raised')).toHaveLength(1);
    expectTruth(path);
  });
});

describe('the holds of one rule for one source', () => {
  const block = async (path: WritePath, n: number, more = {}) =>
    (await path.report({ evidence: { ip: `198.51.${n >> 8}.${n & 255}` }, ...more })).incident;

  it('are bounded: of 100,000 that one reporter asks for, no more than that are commanded, and the rest refused', async () => {
    const keys = Array.from({ length: 16 }, (_, i) => `ip_${i}`);
    const rule = `auto_contain: true, max_holds: 50, actions: [${keys.map((key) => `{action: block_ip, target: evidence.${key}}`).join(', ')}]`;
    using path = openWritePath({ policy: commanding(rule) });
    for (let asked = 0; asked < 100_000; asked += 125 * 16) {
      const answers = await Promise.all(
        Array.from({ length: 125 }, async (_, report) => {
          const ips = keys.map((key, i) => [key, `2001:db8::${(asked + report * 16 + i + 1).toString(16)}`]);
          return (await path.report({ evidence: Object.fromEntries(ips) })).incident;
        }),
      );
      expect(answers.every(({ state }) => state === 'open')).toBe(true);
      if (asked > 0) expect(answers.every(({ containment }) => containment.status === 'failed')).toBe(true);
    }
    const count = (sql: string) => path.db.prepare<[], number>(`SELECT count(*) FROM ${sql}`).pluck().get();
    expect([liveIn(path), count('commands'), count(`records WHERE line LIKE '%"action.refused"%'`)]).toEqual([50, 50, 100_000 - 50]);
    expect(path.store.commands.open('firewall', 0, 1000)).toHaveLength(50);
    expect(path.store.holds.list({ status: null, action: null, actuator: null }, Number.MAX_SAFE_INTEGER, 1000)).toHaveLength(50);
  }, 120_000);

  it('are counted for each rule and each source by itself', async () => {
    using path = openWritePath({
      policy: commanding({ prompt_injection: `${BLOCK}, max_holds: 1`, tool_call_burst: `${BLOCK}, max_holds: 1` }),
    });
    const asked = [{}, {}, { source: 'other' }, { class: 'tool_call_burst' }, { class: 'tool_call_burst' }, { source: 'other' }];
    const statuses: string[] = [];
    for (const [n, more] of asked.entries()) statuses.push((await block(path, n, more)).containment.status);
    expect(statuses).toEqual(['requested', 'failed', 'requested', 'requested', 'failed', 'failed']);
    expectTruth(path);
  });

  it('have room again when one of them is let go, though its actuator has still to undo it', async () => {
    using path = openWritePath({ policy: commanding(`${BLOCK}, max_holds: 1`) });
    const { incident } = await enforced(path, { evidence: { ip: '198.51.100.1' } });
    expect((await block(path, 2)).containment.status).toBe('failed');
    await path.step('resolve', incident.id);
    expect(holdOf(path, incident).status).toBe('releasing');
    expect((await block(path, 3)).containment.status).toBe('requested');
    expectTruth(path);
  });

  it('are not counted anew by an incident that wants a hold which stands', async () => {
    using path = openWritePath({ policy: commanding(`${BLOCK}, max_holds: 1`) });
    const first = await block(path, 1);
    const second = await block(path, 1);
    expect(holdOf(path, second)).toEqual(holdOf(path, first));
    expectTruth(path);
  });
});

describe('the end of a hold', () => {
  it.each([
    ['the first one first', 0],
    ['the second one first', 1],
  ])('is commanded exactly when the last of its owners is resolved: %s', async (_, first) => {
    using path = openWritePath({ policy: commanding({ prompt_injection: FREEZE, tool_call_burst: FREEZE }) });
    const { incident: a, hold } = await enforced(path);
    const { incident: b } = await path.report({ class: 'tool_call_burst' });
    const [early, late] = first === 0 ? [a, b] : [b, a];
    await path.step('resolve', early.id);
    expect([shown(path, early), shown(path, late)]).toEqual(['resolved: released (released)', 'contained: enforced (enforced)']);
    expect(commandsOf(path, hold).map(({ op }) => op)).toEqual(['apply']);
    const { incident } = await path.step('resolve', late.id);
    expect(incident).toMatchObject({ state: 'resolved', containment: { status: 'releasing' } });
    expect(path.records('hold.releasing')).toMatchObject([{ id: hold.id, data: { reason: 'last owner ended', incident_id: late.id } }]);
    const release = commandOf(path, hold);
    expect(release).toMatchObject({ op: 'release', reason: 'ended', incident_id: late.id, status: 'pending' });
    expectTruth(path);
    path.clock.advance(1000);
    await say(path, release, 'released');
    expect([shown(path, early), shown(path, late)]).toEqual(['resolved: released (released)', 'resolved: released (released)']);
    expect(holdOf(path, a)).toMatchObject({ status: 'released', ending: 'released', released_at: '2026-03-13T08:15:31.123Z' });
    expect(path.records('hold.released')).toMatchObject([{ data: { reason: 'released', status: 'released', by_hand: false } }]);
    expect(path.records('hold.moved')).toEqual([]);
    expectTruth(path);
  });

  it.each<[string, string, Record<string, unknown>, boolean]>([
    ['of what can be undone', 'freeze_agent', {}, false],
    ['of what nobody can undo by a command', 'force_vault_relock', {}, true],
    ['of what is in quarantine', 'quarantine_model', { model_path: '/m' }, true],
    ['at an actuator that knows no release', 'disable_airlock', {}, true],
  ])('%s (%s) is left to a hand: %j %s', async (_, action, evidence, byHand) => {
    using path = openWritePath({ policy: commanding(`auto_contain: true, actions: [${action}]`) });
    const { incident, hold } = await enforced(path, { evidence });
    expect(shown(path, incident)).toBe('contained: enforced (enforced)');
    const { incident: resolved } = await path.step('resolve', incident.id);
    expect(resolved.containment.status).toBe(byHand ? 'released' : 'releasing');
    expect(commandsOf(path, hold).map(({ op }) => op)).toEqual(byHand ? ['apply'] : ['apply', 'release']);
    if (byHand) expect(path.records('hold.released')).toMatchObject([{ data: { by_hand: true, status: 'released' } }]);
    expectTruth(path);
  });

  it('of what was only on record needs nobody’s hand', async () => {
    using path = openWritePath({ policy: commanding(FREEZE, '', '') });
    const { incident } = await path.report();
    await path.step('resolve', incident.id);
    expect(path.records('hold.released')).toMatchObject([{ data: { by_hand: false } }]);
    expectTruth(path);
  });

  it.each(['pending', 'accepted', 'overdue'] as const)(
    'calls back a command that is %s, and is told to its actuator all the same',
    async (how) => {
      using path = openWritePath({ policy: commanding(FREEZE) });
      const { incident } = await path.report();
      const hold = holdOf(path, incident);
      const apply = commandOf(path, hold);
      if (how === 'accepted') await say(path, apply, 'accepted');
      if (how === 'overdue') {
        path.clock.advance(10_000);
        await path.due.tick();
      }
      await path.step('resolve', incident.id);
      expect(path.records('command.superseded')).toMatchObject([{ id: hold.id, data: { command_id: apply.id } }]);
      expect(path.store.commands.byId(apply.id)).toMatchObject({ status: how === 'overdue' ? 'failed' : 'superseded', open: false });
      expect(path.store.commands.open('agent', 0, 10)).toMatchObject([{ op: 'release' }]);
      path.clock.advance(1000);
      await say(path, commandOf(path, hold), 'released');
      expect(shown(path, incident)).toBe('resolved: released (released)');
      path.clock.advance(60_000);
      await path.due.tick();
      expect(path.store.commands.open('agent', 0, 10)).toEqual([]);
      expect(path.records('alert.raised')).toHaveLength(how === 'overdue' ? 1 : 0);
      expectTruth(path);
    },
  );

  it('by an operator ends it for all incidents that want it, which are open again', async () => {
    using path = openWritePath({ policy: commanding({ prompt_injection: FREEZE, tool_call_burst: FREEZE }) });
    const { incident: a } = await enforced(path);
    const { incident: b } = await path.report({ class: 'tool_call_burst' });
    const { hold, receipt } = await operate(path, 'release', holdOf(path, a), { note: 'a mistake' });
    expect(hold).toMatchObject({ status: 'releasing', ending: 'released' });
    expect(path.records('hold.releasing')).toMatchObject([
      { seq: receipt.seq, actor: 'operator:alice', data: { reason: 'operator', note: 'a mistake', incident_id: null } },
    ]);
    expect([shown(path, a), shown(path, b)]).toEqual(['open: releasing (releasing)', 'open: releasing (releasing)']);
    await say(path, commandOf(path, hold), 'released');
    expect([shown(path, a), shown(path, b)]).toEqual(['open: released (released)', 'open: released (released)']);
    await expect(operate(path, 'release', hold)).rejects.toMatchObject({
      code: 'state_conflict',
      details: { state: 'released', allowed: [] },
    });
    expectTruth(path);
  });
});

describe('what an operator does to a hold', () => {
  it('is done once for one request, and answered with what the hold is by then', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { hold } = await enforced(path);
    const mark = { token: 't', key_sha256: 'k', body_sha256: 'b' };
    const first = await operate(path, 'release', hold, { mark });
    await say(path, commandOf(path, hold), 'released');
    const again = await operate(path, 'release', hold, { mark });
    expect(again).toMatchObject({ replayed: true, receipt: first.receipt, hold: { status: 'released' } });
    expect(path.records('hold.releasing')).toMatchObject([{ data: { request: mark } }]);
    await expect(operate(path, 'extend', hold, { mark: { ...mark, body_sha256: 'c' } })).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    });
    expectTruth(path);
  });

  it('is done at the version that was seen only', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { hold } = await enforced(path);
    await check(path, hold, true);
    await expect(operate(path, 'release', hold, { ifMatch: [hold.version] })).rejects.toMatchObject({ code: 'precondition_failed' });
    const { version } = holdOf(path, path.incident(hold.incident_id).incident);
    expect((await operate(path, 'release', hold, { ifMatch: [version] })).hold.version).toBeGreaterThan(version);
  });
});

describe('a hold that is wanted again', () => {
  it('while it is being released overtakes the release: what is wanted now is the last that is commanded', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident: a, hold: old } = await enforced(path);
    await path.step('resolve', a.id);
    const release = commandOf(path, old);
    const { incident: b } = await path.report();
    const hold = holdOf(path, b);
    expect(hold.id).not.toBe(old.id);
    expect(holdOf(path, a)).toMatchObject({ status: 'released', released_at: path.clock.now().toISOString() });
    expect(path.store.commands.byId(release.id)).toMatchObject({ status: 'superseded', open: false });
    expect(path.records('hold.released')).toMatchObject([{ id: old.id, data: { reason: 'superseded' } }]);
    expect(path.store.commands.open('agent', 0, 10)).toMatchObject([{ op: 'apply', hold: hold.seq }]);
    expect([shown(path, a), shown(path, b)]).toEqual(['resolved: released (released)', 'open: requested (requested)']);
    expectTruth(path);

    await say(path, release, 'released');
    expect([holdOf(path, a).status, shown(path, b)]).toEqual(['released', 'open: requested (requested)']);
    await say(path, commandOf(path, hold), 'enforced');
    expect(shown(path, b)).toBe('contained: enforced (enforced)');
    expectTruth(path);
  });

  it.each([
    [0, 30_000],
    [29_999, 30_000],
    [30_000, 30_000],
    [45_000, 45_000],
  ])('%i ms after it was last commanded, and had failed, is commanded again, to be sent %i ms after that', async (ms, sent) => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const began = path.clock.now().getTime();
    const { incident } = await path.report();
    const hold = holdOf(path, incident);
    await say(path, commandOf(path, hold), 'failed', { error: 'no such cgroup' });
    path.clock.advance(ms);
    const { incident: next } = await path.report();
    await path.report();
    expect(commandsOf(path, hold)).toHaveLength(2);
    const again = commandOf(path, hold);
    expect(again).toMatchObject({ op: 'apply', reason: 'ordered', incident_id: next.id, status: 'pending' });
    expect(Date.parse(again.not_before) - began).toBe(sent);
    expect([shown(path, incident), shown(path, next)]).toEqual(['open: failed (failed)', 'open: failed (failed)']);
    expectTruth(path);
    await say(path, again, 'enforced');
    expect([shown(path, incident), shown(path, next)]).toEqual(['contained: enforced (enforced)', 'contained: enforced (enforced)']);
    expectTruth(path);
  });

  it('while its overdue command is still tried is not commanded a second time', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident } = await path.report();
    path.clock.advance(60_000);
    await path.due.tick();
    expect(shown(path, incident)).toBe('open: failed (failed)');
    path.clock.advance(60_000);
    await path.report();
    expect(commandsOf(path, holdOf(path, incident))).toHaveLength(1);
    expectTruth(path);
  });

  it('after it was released is ordered anew for the incident that is reported again', async () => {
    using path = openWritePath({ policy: commanding(FREEZE) });
    const { incident, hold } = await enforced(path, { dedup_key: 'k' });
    await operate(path, 'release', hold);
    const joined = await path.report({ dedup_key: 'k' });
    expect(joined.how).toBe('joined');
    expect(shown(path, incident)).toBe('open: requested (released, requested)');
    await say(path, commandOf(path, holdOf(path, joined.incident, 1)), 'enforced');
    expect(shown(path, incident)).toBe('contained: enforced (released, enforced)');
    expectTruth(path);
  });
});
