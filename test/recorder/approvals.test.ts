// What waits for an operator's word: bound to exactly what will be commanded, never decided by who reported it, and closed when nothing waits.
import { describe, expect, it } from 'vitest';
import type { Caller } from '../../src/recorder/caller.ts';
import {
  ACTUATORS,
  FREEZE,
  approvalOf,
  check,
  commandOf,
  commanding,
  commandsOf,
  decide,
  expectTruth,
  holdOf,
  operate,
  say,
  shown,
} from '../support/commanded.ts';
import { OPERATOR, type WritePath, openWritePath } from '../support/write-path.ts';

const IP = { evidence: { ip: '198.51.100.7' } };
const UNSURE = { ...IP, confidence: 0.5 };
const MINUTE = 60_000;
/** Two actions, of which the second needs an approval when the reporter is not sure. */
const RULE = 'auto_contain: true, actions: [freeze_agent, {action: block_ip, target: evidence.ip, ttl: 1h, approve: confidence < 0.85}]';
const POLICY = commanding(RULE);
const commands = (path: WritePath) => path.store.commands.list({}, Number.MAX_SAFE_INTEGER, 100).map(({ action }) => action);

describe('what needs an approval', () => {
  it('waits for it, and is not commanded; what needs none is', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident, version } = await path.report(UNSURE);
    expect(shown(path, incident)).toBe('open: awaiting_approval (requested, awaiting_approval)');
    expect(commands(path)).toEqual(['freeze_agent']);
    const hold = holdOf(path, incident, 1);
    expect(hold).toMatchObject({ status: 'awaiting_approval', actuator: 'firewall', expires_at: null });
    const approval = approvalOf(path, incident);
    expect(approval).toMatchObject({
      ...{ incident_id: incident.id, status: 'pending', reason: 'approve: confidence < 0.85', requested_by: 'firewall' },
      proposals: [{ hold_id: hold.id, action: 'block_ip', target: 'ip:198.51.100.7', params: {}, actuator: 'firewall', ttl_ms: 3_600_000 }],
      ...{ escalated: false, decided_at: null, decided_by: null, note: null },
      outcome: [{ hold_id: hold.id, status: 'awaiting_approval', error: null }],
    });
    expect(approval.id).toMatch(/^APR-[0-9a-f]{12}$/);
    expect(approval.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(path.records('approval.requested')).toMatchObject([
      { id: incident.id, data: { approval_id: approval.id, digest: approval.digest } },
    ]);
    expect(path.incident(incident.id)).toEqual({ incident, version });
    expectTruth(path);
  });

  it('is not asked for by who is sure', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report({ ...IP, confidence: 0.85 });
    expect(shown(path, incident)).toBe('open: requested (requested, requested)');
    expect(path.store.approvals.list(null, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    expect((await path.report(IP)).incident.containment.status).toBe('requested');
  });

  it('is all that a report orders, under mode: approve, in one approval', async () => {
    using path = openWritePath({ policy: commanding(RULE.replace('freeze_agent', 'freeze_agent, log_alert'), 'mode: approve') });
    const { incident } = await path.report(UNSURE);
    expect(shown(path, incident)).toBe('open: awaiting_approval (awaiting_approval, verified, awaiting_approval)');
    const approval = approvalOf(path, incident);
    expect(approval.proposals.map(({ action }) => action)).toEqual(['freeze_agent', 'block_ip']);
    expect(approval.reason).toBe('mode: approve; mode: approve; approve: confidence < 0.85');
    expect(commands(path)).toEqual([]);
    await decide(path, approval, 'approve');
    expect(commands(path)).toEqual(['block_ip', 'freeze_agent']);
    expectTruth(path);
  });

  it('is what is protected, where an approval is all that is asked; what is protected without a word is refused', async () => {
    const protect = `protect:
  - {actions: [suspend_user], targets: [root], allow: with_approval}
  - {actions: [block_ip], targets: [198.51.100.0/24]}`;
    const rule = 'auto_contain: true, actions: [{action: suspend_user, target: subject}, {action: block_ip, target: evidence.ip}]';
    using path = openWritePath({ policy: commanding(rule, protect) });
    const { incident } = await path.report({ ...IP, subject: { type: 'user', id: 'root' } });
    expect(shown(path, incident)).toBe('open: partial (awaiting_approval, failed)');
    expect(path.records('action.refused')).toMatchObject([{ data: { reason: 'protected', detail: 'line 4', target: 'ip:198.51.100.7' } }]);
    expect(approvalOf(path, incident)).toMatchObject({ reason: 'protect: line 3', proposals: [{ target: 'user:root', actuator: null }] });
    await decide(path, approvalOf(path, incident), 'approve');
    expect(shown(path, incident)).toBe('open: partial (recorded, failed)');
    expectTruth(path);
  });

  it('is not what an operator contains: the word of an operator is the approval', async () => {
    using path = openWritePath({ policy: commanding(RULE.replace('auto_contain: true, ', ''), 'mode: approve') });
    const { incident } = await path.report(UNSURE);
    const { incident: contained } = await path.step('contain', incident.id);
    expect(shown(path, contained)).toBe('open: requested (requested, requested)');
    expectTruth(path);
  });
});

describe('an operator who approves', () => {
  it('has it commanded, for as long as was proposed from then on, and is told of in all of it', async () => {
    using path = openWritePath({ policy: POLICY });
    await path.due.reconcile();
    const { incident } = await path.report(UNSURE);
    path.clock.advance(10 * MINUTE);
    const { approval, receipt, replayed } = await decide(path, approvalOf(path, incident), 'approve', { note: 'go' });
    expect(replayed).toBe(false);
    expect(approval).toMatchObject({
      status: 'approved',
      decided_at: '2026-03-13T08:25:30.123Z',
      decided_by: 'operator:alice',
      note: 'go',
    });
    expect(approval.outcome).toMatchObject([{ status: 'requested', error: null }]);
    expect(path.records('approval.decided')).toMatchObject([
      { seq: receipt.seq, id: incident.id, actor: 'operator:alice', data: { approval_id: approval.id, status: 'approved', note: 'go' } },
    ]);
    const hold = holdOf(path, incident, 1);
    expect(hold).toMatchObject({ status: 'requested', expires_at: '2026-03-13T09:25:30.123Z' });
    expect(commandOf(path, hold)).toMatchObject({
      reason: 'approved',
      created_at: '2026-03-13T08:25:30.123Z',
      expires_at: hold.expires_at,
    });
    expect(path.records('command.requested').at(-1)?.actor).toBe('operator:alice');
    expect(path.records('approval.decided')[0]?.seq).toBeLessThan(commandOf(path, hold).seq);
    expectTruth(path);
    await say(path, commandOf(path, hold), 'enforced');
    expect(approvalOf(path, incident).outcome).toMatchObject([{ status: 'enforced' }]);
    path.clock.set(new Date(path.clock.now().getTime() + 120 * MINUTE).toISOString());
    path.clock.advance(60 * MINUTE - 1);
    await path.due.tick();
    expect(holdOf(path, incident, 1).status).toBe('enforced');
    path.clock.advance(1);
    await path.due.tick();
    expect(holdOf(path, incident, 1).status).toBe('releasing');
    expectTruth(path);
  });

  it('does it once for one request', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report(UNSURE);
    const mark = { token: 't', key_sha256: 'k', body_sha256: 'b' };
    const first = await decide(path, approvalOf(path, incident), 'approve', { mark });
    expect(await decide(path, approvalOf(path, incident), 'approve', { mark })).toEqual({ ...first, replayed: true });
    expect(path.records('approval.decided')).toHaveLength(1);
    await expect(decide(path, approvalOf(path, incident), 'approve')).rejects.toMatchObject({
      ...{ code: 'state_conflict', details: { state: 'approved', allowed: [] } },
    });
  });

  it('must have seen what will be commanded: another digest is refused', async () => {
    using path = openWritePath({ policy: POLICY });
    const a = approvalOf(path, (await path.report(UNSURE)).incident);
    const b = approvalOf(path, (await path.report({ ...UNSURE, evidence: { ip: '198.51.100.8' } })).incident);
    expect(a.digest).not.toBe(b.digest);
    for (const digest of [b.digest, '', a.digest.slice(1)])
      await expect(decide(path, a, 'approve', { digest })).rejects.toMatchObject({ code: 'precondition_failed' });
    await expect(decide(path, { ...a, id: 'APR-000000000000' }, 'approve')).rejects.toMatchObject({ code: 'not_found' });
    expect(commands(path)).toEqual(['freeze_agent']);
  });

  it.each<[string, Caller]>([
    ['the reporter', { name: 'firewall', actor: 'reporter:firewall' }],
    ['the reporter’s token in another role', { name: 'firewall', actor: 'operator:firewall' }],
    ['the one token that has every role', { name: 'service', actor: 'service:service' }],
  ])('is never %s', async (_, caller) => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report(UNSURE, { caller });
    for (const decision of ['approve', 'reject'] as const)
      await expect(decide(path, approvalOf(path, incident), decision, { caller })).rejects.toMatchObject({ code: 'forbidden' });
    expect(approvalOf(path, incident).status).toBe('pending');
    expect((await decide(path, approvalOf(path, incident), 'approve')).approval.status).toBe('approved');
  });

  it.each<[string, string, string | null, string]>([
    ['another actuator', 'actuators:\n  fw2: {actions: [block_ip], pull: true}\n', 'fw2', 'requested'],
    ['nobody', '', null, 'recorded'],
  ])('is asked anew when %s would do it now: what was shown before cannot be approved any more', async (_, actuators, name, becomes) => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report(UNSURE);
    const before = approvalOf(path, incident);
    await path.adopt(commanding(RULE, '', actuators));
    // Before it was looked at: what was shown is not what would be done.
    await expect(decide(path, before, 'approve')).rejects.toMatchObject({ code: 'state_conflict' });
    await path.due.reconcile();
    await expect(decide(path, before, 'approve')).rejects.toMatchObject({ code: 'state_conflict', details: { state: 'expired' } });
    const [asked, ...more] = path.store.approvals.list(['pending'], Number.MAX_SAFE_INTEGER, 10);
    expect([asked?.proposals.map(({ actuator }) => actuator), asked?.requested_by, more]).toEqual([[name], before.requested_by, []]);
    expect([asked?.proposals.map(({ ttl_ms }) => ttl_ms), asked?.digest === before.digest]).toEqual([
      before.proposals.map(({ ttl_ms }) => ttl_ms),
      false,
    ]);
    if (asked) await decide(path, asked, 'approve');
    expect(holdOf(path, incident, 1)).toMatchObject({ status: becomes, actuator: name });
    expectTruth(path);
  });
});

describe('an approval of which some wait no more', () => {
  it('is of what still waits: the rest is let be, and who did it does not matter any more', async () => {
    const rule = 'auto_contain: true, actions: [freeze_agent, {action: block_ip, target: evidence.ip}]';
    using path = openWritePath({ policy: commanding(rule, 'mode: approve') });
    const { incident } = await path.report(IP);
    await operate(path, 'release', holdOf(path, incident, 1));
    expect(approvalOf(path, incident).status).toBe('pending');
    const [agent = ''] = ACTUATORS.match(/^ {2}agent.*\n/m) ?? [];
    await path.adopt(commanding(rule, 'mode: approve', `actuators:\n${agent}`));
    await path.due.reconcile();
    const { approval } = await decide(path, approvalOf(path, incident), 'approve');
    expect(approval.outcome.map(({ status }) => status)).toEqual(['requested', 'released']);
    expect(commands(path)).toEqual(['freeze_agent']);
    expect(shown(path, incident)).toBe('open: requested (requested, released)');
    expectTruth(path);
  });
});

describe('what is rejected', () => {
  it('is never commanded: its action has failed, with who said so, and its incident stays open', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report({ ...UNSURE, dedup_key: 'k' });
    await say(path, commandOf(path, holdOf(path, incident)), 'enforced');
    const { approval } = await decide(path, approvalOf(path, incident), 'reject', { note: 'ours' });
    expect(approval).toMatchObject({ status: 'rejected', note: 'ours' });
    expect(shown(path, incident)).toBe('open: partial (enforced, failed)');
    expect(path.incident(incident.id).incident.containment.actions[1]).toMatchObject({ error: 'rejected by alice' });
    expect(path.records('hold.released')).toMatchObject([{ data: { reason: 'rejected', status: 'failed', by_hand: false } }]);
    expect(commands(path)).toEqual(['freeze_agent']);
    expectTruth(path);
    await path.report({ ...UNSURE, dedup_key: 'k' });
    expect(shown(path, incident)).toBe('open: partial (enforced, failed)');
    expect((await path.step('resolve', incident.id)).incident.containment.status).toBe('failed');
    expectTruth(path);
  });

  it('is rejected for all that wait for it', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident: a } = await path.report(UNSURE);
    const { incident: b } = await path.report(UNSURE);
    await decide(path, approvalOf(path, a), 'reject');
    expect([shown(path, a), shown(path, b)]).toEqual(['open: partial (requested, failed)', 'open: partial (requested, failed)']);
    expectTruth(path);
  });
});

describe('what nobody decides on in time', () => {
  const timeout = (word: string) => commanding(RULE, `approvals: {timeout: 10m, on_timeout: ${word}}`);

  it('is refused, where the policy says so', async () => {
    using path = openWritePath({ policy: timeout('reject') });
    const { incident } = await path.report(UNSURE);
    expect(approvalOf(path, incident).expires_at).toBe('2026-03-13T08:25:30.123Z');
    path.clock.advance(10 * MINUTE - 1);
    await path.due.tick();
    expect(approvalOf(path, incident).status).toBe('pending');
    path.clock.advance(1);
    await path.due.tick();
    expect(approvalOf(path, incident)).toMatchObject({ status: 'expired', decided_by: 'recorder', escalated: false });
    expect(path.incident(incident.id).incident.containment.actions[1]).toMatchObject({ status: 'failed', error: 'not approved in time' });
    expect(commands(path)).toEqual(['freeze_agent']);
    await expect(decide(path, approvalOf(path, incident), 'approve')).rejects.toMatchObject({
      ...{ code: 'state_conflict', details: { state: 'expired', allowed: [] } },
    });
    expectTruth(path);
  });

  it('is alarmed once and goes on waiting, where the policy says so', async () => {
    using path = openWritePath({ policy: timeout('escalate') });
    const { incident } = await path.report(UNSURE);
    const before = path.incident(incident.id).version;
    path.clock.advance(10 * MINUTE);
    for (let i = 0; i < 3; i += 1) await path.due.tick();
    expect(approvalOf(path, incident)).toMatchObject({ status: 'pending', escalated: true });
    const alerts = path.records('alert.raised').filter(({ data }) => data['reason'] === 'an approval is overdue');
    expect(alerts).toMatchObject([{ id: incident.id, actor: 'recorder' }]);
    expect(path.records('approval.escalated')).toMatchObject([{ id: incident.id, data: { approval_id: approvalOf(path, incident).id } }]);
    expect(path.incident(incident.id).version).toBeGreaterThan(before);
    expectTruth(path);
    await decide(path, approvalOf(path, incident), 'approve');
    expect(holdOf(path, incident, 1).status).toBe('requested');
    expectTruth(path);
  });

  it('after a restart too', async () => {
    using path = openWritePath({ policy: timeout('reject') });
    const { incident } = await path.report(UNSURE);
    path.clock.advance(10 * MINUTE);
    path.restart();
    await path.due.reconcile();
    await path.due.tick();
    expect(approvalOf(path, incident).status).toBe('expired');
    expectTruth(path);
  });
});

describe('an approval of which nothing waits any more', () => {
  const closed = { status: 'expired', decided_by: 'recorder', note: 'nothing waits for it any more' };

  it('is closed when another incident orders the same without one, and that is commanded for both', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident: a } = await path.report(UNSURE);
    const { incident: b } = await path.report({ ...IP, confidence: 1 });
    expect([shown(path, a), shown(path, b)]).toEqual(['open: requested (requested, requested)', 'open: requested (requested, requested)']);
    expect(commandsOf(path, holdOf(path, a, 1))).toMatchObject([{ reason: 'ordered', incident_id: b.id }]);
    expect(approvalOf(path, a)).toMatchObject(closed);
    expectTruth(path);
  });

  it('is closed when the same incident is reported by who is sure', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report({ ...UNSURE, dedup_key: 'k' });
    const joined = await path.report({ ...IP, confidence: 1, dedup_key: 'k' });
    expect(joined.how).toBe('joined');
    expect(shown(path, incident)).toBe('open: requested (requested, requested)');
    expect(path.incident(incident.id)).toEqual({ incident: joined.incident, version: joined.version });
    expect(approvalOf(path, incident)).toMatchObject(closed);
    expectTruth(path);
  });

  it('has the ttl of who needs none when it is ordered without', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report(UNSURE);
    path.clock.advance(MINUTE);
    await path.report({ ...IP, confidence: 1 });
    expect(holdOf(path, incident, 1).expires_at).toBe('2026-03-13T09:16:30.123Z');
    expectTruth(path);
  });

  it.each<[string, string, string]>([
    ['the longer of both', '3h', '2026-03-13T11:15:30.123Z'],
    ['the longer of both', '2m', '2026-03-13T09:15:30.123Z'],
  ])('lasts for %s when another wants it for %s', async (_, ttl, expires_at) => {
    const sure = `auto_contain: true, actions: [{action: block_ip, target: evidence.ip, ttl: ${ttl}}]`;
    using path = openWritePath({ policy: commanding({ prompt_injection: RULE, tool_call_burst: sure }) });
    const { incident } = await path.report(UNSURE);
    await path.report({ ...IP, class: 'tool_call_burst' });
    expect(holdOf(path, incident, 1)).toMatchObject({ status: 'requested', expires_at });
    expectTruth(path);
  });

  it('is done by who does it by now, or is only recorded', async () => {
    for (const [actuators, status] of [
      ['actuators:\n  fw2: {actions: [block_ip], pull: true}\n', 'requested'],
      ['', 'recorded'],
    ]) {
      using path = openWritePath({ policy: POLICY });
      const { incident } = await path.report(UNSURE);
      await path.adopt(commanding(RULE, '', actuators));
      const { incident: sure } = await path.report({ ...IP, confidence: 1 });
      await path.due.reconcile();
      expect(holdOf(path, sure, 1)).toMatchObject({ status, actuator: status === 'recorded' ? null : 'fw2' });
      expect(approvalOf(path, incident).status).toBe('expired');
      expectTruth(path);
    }
  });

  it.each(['resolve', 'release'] as const)('is closed by %s', async (how) => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report(UNSURE);
    if (how === 'resolve') await path.step('resolve', incident.id);
    else await operate(path, 'release', holdOf(path, incident, 1));
    expect(approvalOf(path, incident)).toMatchObject(closed);
    expect(commandsOf(path, holdOf(path, incident, 1))).toEqual([]);
    expect(path.records('hold.released').find(({ id }) => id === holdOf(path, incident, 1).id)).toMatchObject({ data: { by_hand: false } });
    expectTruth(path);
  });

  it('is not closed by the resolution of one incident while another waits for the same', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident: a } = await path.report(UNSURE);
    const { incident: b } = await path.report(UNSURE);
    await path.step('resolve', a.id);
    expect(approvalOf(path, a).status).toBe('pending');
    await decide(path, approvalOf(path, a), 'approve');
    expect(shown(path, b)).toBe('open: requested (requested, requested)');
    expect(shown(path, a)).toMatch(/^resolved: released/);
    expectTruth(path);
  });
});

describe('what waits for an approval', () => {
  it('cannot be found to stand, and is not what an actuator should have in force', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report(UNSURE);
    const hold = holdOf(path, incident, 1);
    await check(path, hold, true);
    await check(path, hold, false);
    expect(holdOf(path, incident, 1)).toEqual(hold);
    expect(path.store.holds.desired('firewall', 0, 10)).toEqual([]);
  });

  it('is not asked for a second time by a start, nor by a reload', async () => {
    using path = openWritePath({ policy: POLICY });
    const { incident } = await path.report(UNSURE);
    path.restart();
    await path.due.reconcile();
    await path.adopt(commanding(FREEZE));
    await path.due.reconcile();
    await path.due.tick();
    expect(path.store.approvals.list(null, Number.MAX_SAFE_INTEGER, 10)).toHaveLength(1);
    expect((await decide(path, approvalOf(path, incident), 'approve', { caller: OPERATOR })).approval.status).toBe('approved');
    expectTruth(path);
  });
});
