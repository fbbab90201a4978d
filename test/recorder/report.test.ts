// From a report to an incident: new, joined or following; how severe, what is ordered, and what the log tells of it.
import { describe, expect, it } from 'vitest';
import { keyFinding } from '../../src/recorder/findings.ts';
import { findingChange } from '../../src/recorder/report.ts';
import { type WritePath, aPolicy, openWritePath } from '../support/write-path.ts';

const CONTAINS = aPolicy('auto_contain: true, actions: [freeze_agent, disable_airlock]');

describe('a report', () => {
  it('of a rule that contains becomes a contained incident, with a hold and a record for each action', async () => {
    using path = openWritePath({ policy: CONTAINS });
    const { incident, how, version, receipt } = await path.report({
      severity: 'high',
      evidence: { n: 0.5, list: [1, { deep: null }] },
      subject: { type: 'agent', id: 'a-1' },
      confidence: 0.9,
      occurred_at: '2026-03-13T09:00:00+01:00',
      trace_id: 'abc',
      attack: { mitre: ['T1059'] },
    });
    expect(how).toBe('new');
    expect(incident).toMatchObject({
      created_at: '2026-03-13T08:15:30.123Z',
      updated_at: '2026-03-13T08:15:30.123Z',
      occurred_at: '2026-03-13T08:00:00.000Z',
      state: 'contained',
      severity: 'high',
      reported_by: 'firewall',
      evidence: { n: 0.5, list: [1, { deep: null }] },
      occurrences: 1,
      follows: null,
      containment_actions: ['freeze_agent', 'disable_airlock'],
      proposed_actions: [],
      containment: { status: 'recorded', reached_at: '2026-03-13T08:15:30.123Z' },
      decided_by: { rule: 'prompt_injection', line: 4, severity_from: 'reporter', policy_sha256: path.queue.policy.sha256 },
      audit: receipt,
    });
    expect(incident.id).toMatch(/^INC-20260313-[0-9a-f]{12}$/);
    expect(path.records().map(({ type, id, actor }) => [type, id, actor])).toEqual([
      ['incident.reported', incident.id, 'reporter:firewall'],
      ['hold.recorded', incident.containment.actions[0]?.hold_id, 'reporter:firewall'],
      ['hold.recorded', incident.containment.actions[1]?.hold_id, 'reporter:firewall'],
      ['incident.contained', incident.id, 'reporter:firewall'],
    ]);
    const [reported] = path.records();
    expect(receipt).toEqual({ seq: 1, hash: reported?.hash });
    expect(version).toBe(4);
    expect(path.incident(incident.id)).toEqual({ incident, version });
  });

  it('is in its record whole, with the decision on it', async () => {
    using path = openWritePath({ policy: CONTAINS });
    const { incident } = await path.report({ evidence: { b: 1, a: 'x","hash":"' }, dedup_key: 'k', severity: 'low' });
    expect(path.records('incident.reported')[0]?.data).toEqual({
      report: {
        class: 'prompt_injection',
        source: 'tool-firewall',
        description: 'ignore previous instructions',
        severity: 'low',
        evidence: { b: 1, a: 'x","hash":"' },
        ...{ subject: null, dedup_key: 'k', confidence: null, occurred_at: null, trace_id: null, attack: null },
      },
      reported_by: 'firewall',
      severity: 'low',
      mode: 'enforce',
      decided_by: incident.decided_by,
      actions: incident.containment.actions.map(({ action, target, hold_id, status, error }) => ({
        action,
        target,
        hold_id,
        status,
        error,
      })),
      proposed_actions: [],
      containment: { status: 'recorded', reached: true },
      request: null,
      follows: null,
      problem: expect.stringMatching(/^[\w-]{32}$/),
    });
  });

  it('of a class without a rule is kept open, and nothing is ordered', async () => {
    using path = openWritePath({ policy: CONTAINS });
    const { incident } = await path.report({ class: 'tool_call_burst' });
    expect(incident).toMatchObject({ state: 'open', severity: 'medium', containment_actions: [], proposed_actions: [] });
    expect(incident.containment).toEqual({ status: 'none', reached_at: null, actions: [] });
    expect(incident.decided_by).toMatchObject({ rule: null, line: null, severity_from: 'default' });
  });

  it('never gets the id of another, and its id is of the day by UTC', async () => {
    using path = openWritePath();
    path.clock.set('2026-12-31T23:59:59.999Z');
    const all = await Promise.all(Array.from({ length: 300 }, async () => path.report({ class: 'tool_call_burst' })));
    expect(new Set(all.map(({ incident }) => incident.id)).size).toBe(300);
    for (const { incident } of all) expect(incident.id).toMatch(/^INC-20261231-/);
  });

  it('cannot play down what its class orders', async () => {
    using path = openWritePath({ policy: CONTAINS });
    const { incident } = await path.report({ severity: 'low', confidence: 0 });
    expect(incident).toMatchObject({ severity: 'low', state: 'contained', containment_actions: ['freeze_agent', 'disable_airlock'] });
  });
});

describe('reports with the same dedup_key', () => {
  it('join the incident of their source and class while it is not resolved, and are recorded whole', async () => {
    using path = openWritePath({ policy: CONTAINS });
    const first = await path.report({ dedup_key: 'k' });
    path.clock.advance(60_000);
    const second = await path.report({ dedup_key: 'k', description: 'again', evidence: { more: 1 } });
    expect(second.how).toBe('joined');
    expect(second.incident).toEqual({
      ...first.incident,
      occurrences: 2,
      updated_at: '2026-03-13T08:16:30.123Z',
      last_seen_at: '2026-03-13T08:16:30.123Z',
    });
    expect(path.incident(first.incident.id)).toEqual({ incident: second.incident, version: second.version });
    const [joined] = path.records('incident.joined');
    expect(joined).toMatchObject({ id: first.incident.id, actor: 'reporter:firewall' });
    expect(joined?.data).toMatchObject({
      occurrences: 2,
      actions: [],
      report: { description: 'again', evidence: { more: 1 }, dedup_key: 'k' },
    });
    expect(second.receipt).toEqual({ seq: joined?.seq, hash: joined?.hash });
    expect(second.version).toBe(joined?.seq);
    await path.step('acknowledge', first.incident.id);
    expect(await path.report({ dedup_key: 'k' })).toMatchObject({
      how: 'joined',
      incident: { id: first.incident.id, occurrences: 3, state: 'acknowledged' },
    });
    expect(path.records('hold.recorded')).toHaveLength(2);
  });

  it.each([
    ['source', { source: 'other' }],
    ['class', { class: 'tool_call_burst' }],
    ['key', { dedup_key: 'K' }],
    ['key at all', { dedup_key: null }],
  ])('stay apart when they have not the same %s', async (_, other) => {
    using path = openWritePath();
    const first = await path.report({ dedup_key: 'k' });
    const second = await path.report({ dedup_key: 'k', ...other });
    expect(second.how).toBe('new');
    expect(second.incident.id).not.toBe(first.incident.id);
    expect(path.incident(first.incident.id).incident.occurrences).toBe(1);
  });

  it('join whoever reports them', async () => {
    using path = openWritePath();
    await path.report({ dedup_key: 'k' });
    const other = { name: 'monitor', actor: 'reporter:monitor' };
    const joined = await path.report({ dedup_key: 'k' }, { caller: other });
    expect(joined).toMatchObject({ how: 'joined', incident: { reported_by: 'firewall' } });
    expect(path.records('incident.joined')[0]).toMatchObject({ actor: 'reporter:monitor', data: { reported_by: 'monitor' } });
  });

  it('start a new incident that follows the last one once that is resolved', async () => {
    using path = openWritePath();
    const first = await path.report({ dedup_key: 'k' });
    await path.step('resolve', first.incident.id);
    const second = await path.report({ dedup_key: 'k' });
    expect(second).toMatchObject({ how: 'new', incident: { follows: first.incident.id, occurrences: 1 } });
    expect(path.records('incident.reported')[1]?.data['follows']).toBe(first.incident.id);
    await path.step('resolve', second.incident.id);
    expect((await path.report({ dedup_key: 'k' })).incident.follows).toBe(second.incident.id);
    expect(path.incident(first.incident.id).incident).toMatchObject({ state: 'resolved', occurrences: 1 });
  });

  it('raise the severity and never lower it', async () => {
    using path = openWritePath();
    await path.report({ dedup_key: 'k', severity: 'medium' });
    expect((await path.report({ dedup_key: 'k', severity: 'critical' })).incident.severity).toBe('critical');
    expect((await path.report({ dedup_key: 'k', severity: 'low' })).incident.severity).toBe('critical');
    expect(path.store.statistics.tallies()).toEqual([{ class: 'prompt_injection', severity: 'critical', state: 'contained', n: 1 }]);
  });

  it('of a thousand at once make one incident', async () => {
    using path = openWritePath();
    const all = await Promise.all(Array.from({ length: 1000 }, async () => path.report({ dedup_key: 'k' })));
    expect(all.filter(({ how }) => how === 'new')).toHaveLength(1);
    expect(new Set(all.map(({ incident }) => incident.occurrences)).size).toBe(1000);
    expect(path.store.statistics.tallies()).toMatchObject([{ n: 1 }]);
  });
});

describe('a report that joins after the policy got stronger', () => {
  const WEAK = aPolicy('auto_contain: true, actions: [freeze_agent]');

  it('orders what is new, and only that', async () => {
    using path = openWritePath({ policy: WEAK });
    const first = await path.report({ dedup_key: 'k' });
    await path.adopt(CONTAINS);
    const { incident } = await path.report({ dedup_key: 'k' });
    expect(incident.state).toBe('contained');
    expect(incident.containment_actions).toEqual(['freeze_agent', 'disable_airlock']);
    expect(incident.containment.actions.map(({ action, status }) => [action, status])).toEqual([
      ['freeze_agent', 'recorded'],
      ['disable_airlock', 'recorded'],
    ]);
    expect(incident.containment.actions[0]).toEqual(first.incident.containment.actions[0]);
    expect(incident.decided_by.policy_sha256).toBe(path.queue.policy.sha256);
    expect(path.records('incident.joined')[0]?.data['actions']).toMatchObject([{ action: 'disable_airlock', status: 'recorded' }]);
    expect(path.records('hold.recorded').map(({ data }) => data['action'])).toEqual(['freeze_agent', 'disable_airlock']);
    expect((await path.report({ dedup_key: 'k' })).incident.containment).toEqual(incident.containment);
  });

  it('contains an incident that was only observed', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent, log_alert]', 'mode: observe') });
    const first = await path.report({ dedup_key: 'k' });
    expect(first.incident).toMatchObject({ state: 'open', proposed_actions: ['freeze_agent', 'log_alert'] });
    await path.adopt(aPolicy('auto_contain: true, actions: [freeze_agent, log_alert]'));
    const { incident, version } = await path.report({ dedup_key: 'k' });
    expect(incident).toMatchObject({
      state: 'contained',
      proposed_actions: [],
      containment: { status: 'recorded', reached_at: '2026-03-13T08:15:30.123Z' },
    });
    expect(path.records('incident.contained')[0]?.data).toMatchObject({ from: 'open', by: 'policy', status: 'recorded' });
    expect(path.incident(incident.id)).toEqual({ incident, version });
  });

  it('leaves an acknowledged incident acknowledged, which then is reopened as contained', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent]', 'mode: observe') });
    const first = await path.report({ dedup_key: 'k' });
    await path.step('acknowledge', first.incident.id);
    await path.adopt(WEAK);
    const joined = await path.report({ dedup_key: 'k' });
    expect(joined.incident).toMatchObject({ state: 'acknowledged', containment: { status: 'recorded' } });
    expect(path.records('incident.contained')).toEqual([]);
    const reopened = await path.step('reopen', first.incident.id);
    expect(reopened.incident).toMatchObject({ state: 'contained', containment: { status: 'recorded' } });
  });

  it('raises the alert that it orders', async () => {
    using path = openWritePath({ policy: WEAK });
    await path.report({ dedup_key: 'k' });
    expect(path.records('alert.raised')).toEqual([]);
    await path.adopt(aPolicy('auto_contain: true, actions: [freeze_agent, log_alert]'));
    const { incident, version } = await path.report({ dedup_key: 'k' });
    expect(incident.containment.actions).toMatchObject([{ status: 'recorded' }, { action: 'log_alert', status: 'verified' }]);
    const [alert] = path.records('alert.raised');
    expect(alert).toMatchObject({ id: incident.id, data: { reason: 'log_alert', class: 'prompt_injection' } });
    expect(version).toBe(path.records().at(-1)?.seq);
    expect(path.logged.filter(({ level }) => level === 'critical')).toMatchObject([{ message: 'alert raised', incident: incident.id }]);
    await path.report({ dedup_key: 'k' });
    expect(path.records('alert.raised')).toHaveLength(1);
  });

  it('does not leave an incident contained of which a new action is refused', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent], max_holds: 1') });
    const first = await path.report({ dedup_key: 'k' });
    expect(first.incident.state).toBe('contained');
    await path.adopt(aPolicy('auto_contain: true, actions: [freeze_agent, disable_airlock], max_holds: 1'));
    const { incident, version } = await path.report({ dedup_key: 'k' });
    expect(incident.containment).toMatchObject({ status: 'partial', reached_at: null });
    expect(incident.state).toBe('open');
    expect(path.records('action.refused')[0]?.data).toMatchObject({ action: 'disable_airlock', reason: 'limit', limit: 1 });
    expect(path.records('alert.raised')).toMatchObject([{ id: incident.id, data: { reason: 'an action was refused' } }]);
    expect(version).toBe(path.records().at(-1)?.seq);
    expect(path.incident(incident.id)).toEqual({ incident, version });
  });

  it('does not leave an incident contained at a level that the policy no longer counts', async () => {
    using path = openWritePath({ policy: WEAK });
    await path.report({ dedup_key: 'k' });
    await path.adopt(aPolicy('auto_contain: true, actions: [freeze_agent, disable_airlock]', 'without_actuator: never'));
    const { incident } = await path.report({ dedup_key: 'k' });
    expect(incident).toMatchObject({ state: 'open', containment: { status: 'recorded', reached_at: null } });
  });
});

describe('reports without a dedup_key under a rule with dedupe', () => {
  const policy = aPolicy('dedupe: {by: [source, subject, evidence.path], window: 5m}');
  const same = { subject: { type: 'agent', id: 'a-1' }, evidence: { path: '/etc/x', other: 1 } };

  it('join while none is more than the window after the last, and then start anew, following none', async () => {
    using path = openWritePath({ policy });
    const first = await path.report(same);
    for (let occurrences = 2; occurrences <= 4; occurrences += 1) {
      path.clock.advance(5 * 60_000);
      expect(await path.report({ ...same, evidence: { path: '/etc/x', other: occurrences } })).toMatchObject({
        how: 'joined',
        incident: { occurrences },
      });
    }
    path.clock.advance(5 * 60_000 + 1);
    const second = await path.report(same);
    expect(second).toMatchObject({ how: 'new', incident: { follows: null } });
    expect(path.incident(first.incident.id).incident.occurrences).toBe(4);
    expect(await path.report(same)).toMatchObject({ how: 'joined', incident: { id: second.incident.id } });
  });

  it('follow after a resolution within the window', async () => {
    using path = openWritePath({ policy });
    const first = await path.report(same);
    await path.step('resolve', first.incident.id);
    expect(await path.report(same)).toMatchObject({ how: 'new', incident: { follows: first.incident.id } });
  });

  it.each([
    ['source', { source: 'other' }],
    ['subject', { subject: { type: 'agent', id: 'a-2' } }],
    ['kind of subject', { subject: { type: 'user', id: 'a-1' } }],
    ['evidence', { evidence: { path: '/etc/y' } }],
    ['evidence at all', { evidence: null }],
    ['class', { class: 'tool_call_burst' }],
  ])('stay apart when they differ in %s', async (_, other) => {
    using path = openWritePath({ policy });
    await path.report(same);
    expect((await path.report({ ...same, ...other })).how).toBe('new');
  });

  it('are not joined by one with a dedup_key', async () => {
    using path = openWritePath({ policy });
    await path.report(same);
    expect((await path.report({ ...same, dedup_key: 'k' })).how).toBe('new');
  });

  it('join after a restart too', async () => {
    using path = openWritePath({ policy });
    await path.report(same);
    path.restart();
    expect((await path.report(same)).how).toBe('joined');
  });
});

describe('escalation', () => {
  const policy = aPolicy('default_severity: medium, escalate: {count: 3, window: 60s, to: critical}');

  it('raises the report that is one too many in the window, of one class and source', async () => {
    using path = openWritePath({ policy });
    expect((await path.report()).incident.severity).toBe('medium');
    expect((await path.report({ source: 'other' })).incident.severity).toBe('medium');
    expect((await path.report({ class: 'tool_call_burst' })).incident.severity).toBe('medium');
    path.clock.advance(30_000);
    expect((await path.report()).incident.severity).toBe('medium');
    path.clock.advance(30_000);
    const third = await path.report();
    expect(third.incident).toMatchObject({ severity: 'critical', decided_by: { severity_from: 'escalation' } });
    expect(path.records('incident.escalated')).toMatchObject([
      { id: third.incident.id, data: { from: 'medium', to: 'critical', count: 3, window_s: 60 } },
    ]);
    expect(third.version).toBe(path.records('incident.escalated')[0]?.seq);
    expect(path.store.statistics.tallies().find(({ severity }) => severity === 'critical')).toMatchObject({ n: 1 });
  });

  it('forgets what is outside of its window', async () => {
    using path = openWritePath({ policy });
    await path.report();
    path.clock.advance(1);
    await path.report();
    path.clock.advance(60_000);
    expect((await path.report()).incident.severity).toBe('medium');
  });

  it('counts reports that join as well', async () => {
    using path = openWritePath({ policy });
    const first = await path.report({ dedup_key: 'k' });
    await path.report({ dedup_key: 'k' });
    const third = await path.report({ dedup_key: 'k' });
    expect(third).toMatchObject({ how: 'joined', incident: { id: first.incident.id, severity: 'critical' } });
    expect(path.records('incident.escalated')).toMatchObject([{ id: first.incident.id, data: { from: 'medium', to: 'critical' } }]);
    await path.report({ dedup_key: 'k' });
    expect(path.records('incident.escalated')).toHaveLength(1);
  });

  it('survives a restart', async () => {
    using path = openWritePath({ policy });
    await path.report();
    await path.report();
    path.restart();
    expect((await path.report()).incident.severity).toBe('critical');
  });

  it('does not count what was refused', async () => {
    using path = openWritePath({ policy, maxBytes: 1 });
    path.restart();
    for (let i = 0; i < 5; i += 1) await expect(path.report()).rejects.toMatchObject({ code: 'storage_full' });
    expect(path.store.sightings.of('prompt_injection', 'tool-firewall')).toEqual([]);
  });

  it('only ever raises', async () => {
    using path = openWritePath({ policy: aPolicy('escalate: {count: 2, window: 60s, to: medium}') });
    await path.report({ severity: 'critical' });
    const { incident } = await path.report({ severity: 'critical' });
    expect(incident).toMatchObject({ severity: 'critical', decided_by: { severity_from: 'reporter' } });
    expect(path.records('incident.escalated')).toEqual([]);
  });
});

describe('in mode observe', () => {
  it('what the rule orders is only proposed, until an operator says contain', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent]', 'mode: observe') });
    const { incident } = await path.report();
    expect(incident).toMatchObject({ state: 'open', containment_actions: [], proposed_actions: ['freeze_agent'] });
    expect(incident.containment).toEqual({ status: 'suppressed', reached_at: null, actions: [] });
    expect(path.records().map(({ type }) => type)).toEqual(['incident.reported']);
    expect(path.records()[0]?.data).toMatchObject({ mode: 'observe', actions: [], proposed_actions: ['freeze_agent'] });
    const contained = await path.step('contain', incident.id);
    expect(contained.incident).toMatchObject({
      state: 'contained',
      containment_actions: ['freeze_agent'],
      proposed_actions: [],
      containment: { status: 'recorded' },
    });
  });
});

describe('under without_actuator: never', () => {
  it('an incident is not contained by what is only on record', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent]', 'without_actuator: never') });
    const { incident } = await path.report();
    expect(incident).toMatchObject({
      state: 'open',
      containment_actions: ['freeze_agent'],
      containment: { status: 'recorded', reached_at: null },
    });
    expect(path.records().map(({ type }) => type)).toEqual(['incident.reported', 'hold.recorded']);
  });

  it('an incident is contained by what the recorder does itself', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [log_alert]', 'without_actuator: never') });
    expect((await path.report()).incident).toMatchObject({ state: 'contained', containment: { status: 'verified' } });
  });
});

describe('log_alert', () => {
  const critical = (path: { logged: { level: string }[] }) => path.logged.filter(({ level }) => level === 'critical');

  it('is done by the recorder at commit: a record, and a critical line on stdout', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [log_alert], default_severity: high') });
    const { incident, version } = await path.report();
    expect(incident.containment.actions).toMatchObject([
      { action: 'log_alert', target: 'host:*', hold_id: null, status: 'verified', completed_at: incident.created_at },
    ]);
    const [alert] = path.records('alert.raised');
    expect(alert).toMatchObject({
      id: incident.id,
      data: { reason: 'log_alert', class: 'prompt_injection', severity: 'high', source: 'tool-firewall' },
    });
    expect(version).toBe(alert?.seq);
    expect(critical(path)).toMatchObject([
      {
        message: 'alert raised',
        incident: incident.id,
        class: 'prompt_injection',
        severity: 'high',
        description: 'ignore previous instructions',
      },
    ]);
  });

  it('is done also when auto_contain is false', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: false, actions: [log_alert, freeze_agent]') });
    const { incident } = await path.report();
    expect(incident).toMatchObject({
      state: 'open',
      containment_actions: [],
      proposed_actions: ['log_alert', 'freeze_agent'],
      containment: { status: 'none' },
    });
    expect(path.records('alert.raised')).toMatchObject([{ id: incident.id }]);
    expect(critical(path)).toHaveLength(1);
  });

  it('says nothing on stdout of what was not kept', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: false, actions: [log_alert]'), maxBytes: 1 });
    path.restart();
    await expect(path.report()).rejects.toMatchObject({ code: 'storage_full' });
    expect(critical(path)).toEqual([]);
  });
});

describe("the recorder's own finding", () => {
  const find = async (path: WritePath) => path.queue.submit(findingChange(keyFinding('old', 'new'), path.log));

  it('of broken integrity contains nothing, alarms nobody and keeps its severity unless the policy says self: enforce', async () => {
    using path = openWritePath();
    const { incident } = await find(path);
    expect(incident).toMatchObject({
      ...{ class: 'integrity_violation', source: 'incident-recorder', severity: 'high', state: 'open', reported_by: 'incident-recorder' },
      ...{ containment_actions: [], proposed_actions: [], containment: { status: 'none' }, decided_by: { severity_from: 'recorder' } },
    });
    expect(path.records().map(({ type, actor }) => [type, actor])).toEqual([['incident.reported', 'recorder']]);
    expect(path.records()[0]?.data['mode']).toBe('enforce');
  });

  it('of broken integrity contains as its rule says under self: enforce', async () => {
    const policy = 'version: 1\nrules:\n  integrity_violation: {auto_contain: true, actions: [freeze_agent], min_severity: critical}\n';
    using path = openWritePath({ policy: `${policy}self: {integrity_violation: enforce}\n` });
    const { incident } = await find(path);
    expect(incident).toMatchObject({ state: 'contained', severity: 'high', containment_actions: ['freeze_agent'] });
  });

  it('is taken when the store is over its bound', async () => {
    using path = openWritePath({ maxBytes: 1 });
    path.restart();
    expect((await find(path)).how).toBe('new');
  });
});
