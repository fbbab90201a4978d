// A candidate policy over a history that was made by hand: what is counted as otherwise, and what is remembered on the way.

import { describe, expect, it } from 'vitest';
import { type Bounds, type Replayed, createPolicyReplay } from '../../src/policy/replay.ts';
import { type History, createHistory } from '../support/history.ts';
import { policyOf } from '../support/policies.ts';

const BOUNDS: Bounds = { incidents: 1000, holds: 1000, windows: 100, targets: 1000 };

function replay(policy: string, history: History, bounds: Partial<Bounds> = {}): Replayed {
  const replayed = createPolicyReplay(policyOf(policy), { ...BOUNDS, ...bounds });
  for (const record of history.records) replayed.take(record);
  return replayed.outcome();
}

const rule = (text: string) => `rules: {prompt_injection: {${text}}}`;
const ip = (src_ip: string, more: Record<string, unknown> = {}) => ({ evidence: { src_ip }, ...more });
const BLOCK = 'auto_contain: true, default_severity: high, actions: [{action: block_ip, target: evidence.src_ip}]';
const even = (n: number) => ({ was: n, now: n });

describe('orders', () => {
  it('are counted by action, as they were and as they would be, and so are their distinct targets', () => {
    const history = createHistory();
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1'])
      history.report(ip(address), { orders: ['freeze_agent agent:*', 'log_alert host:*'] });
    const { reports, incidents, by_action, targets, changed } = replay(rule(`${BLOCK.slice(0, -1)}, log_alert]`), history);
    expect({ reports, incidents }).toEqual({ reports: 3, incidents: even(3) });
    expect(by_action).toEqual({ freeze_agent: { was: 3, now: 0 }, log_alert: even(3), block_ip: { was: 0, now: 3 } });
    expect(targets).toEqual({ freeze_agent: { was: 1, now: 0 }, log_alert: even(1), block_ip: { was: 0, now: 2 } });
    expect(changed.count).toBe(3);
    expect(changed.first[0]).toEqual({
      ...{ seq: 1, id: 'INC-20260313-000000000001', class: 'prompt_injection' },
      was: { how: 'new', severity: 'high', actions: ['freeze_agent agent:*', 'log_alert host:*'] },
      now: { how: 'new', severity: 'high', actions: ['block_ip ip:192.0.2.1', 'log_alert host:*'] },
    });
  });

  it('are the same in another order', () => {
    const history = createHistory();
    history.report({}, { orders: ['log_alert host:*', 'freeze_agent agent:*'] });
    expect(replay(rule('auto_contain: true, default_severity: high, actions: [freeze_agent, log_alert]'), history).changed.count).toBe(0);
  });

  it('count an alert that is raised though it is only proposed, then and now', () => {
    const history = createHistory();
    history.report({}, { proposed: ['log_alert'] });
    history.report({}, { proposed: [] });
    const { by_action, changed } = replay(rule('default_severity: high, actions: [log_alert]'), history);
    expect(by_action).toEqual({ log_alert: { was: 1, now: 2 } });
    expect(changed.first.map(({ seq }) => seq)).toEqual([2]);
  });

  it('of what only observes are none', () => {
    const history = createHistory();
    history.report(ip('192.0.2.1'), { orders: ['block_ip ip:192.0.2.1'] });
    expect(replay(`mode: observe\n${rule(BLOCK)}`, history).by_action).toEqual({ block_ip: { was: 1, now: 0 } });
  });

  it('of actions that this version does not know any more are counted as they were', () => {
    const history = createHistory();
    history.report({}, { orders: ['unplug host:*'] });
    expect(replay(rule(''), history).by_action).toEqual({ unplug: { was: 1, now: 0 } });
  });
});

describe('incidents', () => {
  it('that the candidate would have joined are one: what it has ordered it does not order again', () => {
    const history = createHistory();
    for (let i = 0; i < 3; i += 1) history.report(ip('192.0.2.1'), { orders: ['block_ip ip:192.0.2.1'] });
    const { incidents, by_action, changed } = replay(rule(`${BLOCK}, dedupe: {by: [source], window: 5m}`), history);
    expect(incidents).toEqual({ was: 3, now: 1 });
    expect(by_action).toEqual({ block_ip: { was: 3, now: 1 } });
    expect(changed.first.map(({ now }) => [now.how, now.actions])).toEqual([
      ['joined', []],
      ['joined', []],
    ]);
  });

  it('that the candidate would have kept apart are several', () => {
    const history = createHistory();
    const id = history.report(ip('192.0.2.1'), { orders: ['block_ip ip:192.0.2.1'] });
    history.report(ip('192.0.2.1'), {}, id);
    const { incidents, by_action } = replay(rule(BLOCK), history);
    expect([incidents, by_action]).toEqual([{ was: 1, now: 2 }, { block_ip: { was: 1, now: 2 } }]);
  });

  it('are not joined any more when they were resolved, or out of the window', () => {
    const joined = rule(`${BLOCK}, dedupe: {by: [source], window: 5m}`);
    const history = createHistory();
    const id = history.report();
    history.resolve(id);
    history.report();
    history.wait(300_000);
    history.report();
    history.wait(300_001);
    history.report();
    expect(replay(joined, history).incidents).toEqual({ was: 4, now: 3 });
  });

  it('of several of the history are resolved when all of these are', () => {
    const history = createHistory();
    const [a, b] = [history.report({ dedup_key: 'k' }), history.report({ dedup_key: 'k' })];
    history.resolve(a);
    history.report({ dedup_key: 'k' });
    history.resolve(b);
    expect(replay(rule(''), history).incidents).toEqual({ was: 3, now: 1 });
  });

  it('have occurrences of their own, which conditions can ask for', () => {
    const history = createHistory();
    for (let i = 0; i < 4; i += 1) history.report();
    const text = 'auto_contain: true, actions: [{action: freeze_agent, if: occurrences >= 3}], dedupe: {by: [source], window: 5m}';
    const { changed, by_action } = replay(rule(text), history);
    expect(by_action).toEqual({ freeze_agent: { was: 0, now: 1 } });
    expect(changed.first.find(({ now }) => now.actions.length > 0)?.seq).toBe(3);
  });

  it('of which the beginning was not read are not judged, but their reports count in windows', () => {
    const history = createHistory();
    for (let i = 0; i < 2; i += 1) history.report({ severity: 'low' }, {}, 'INC-20260312-0123456789ab');
    history.report({ severity: 'low' }, { severity: 'low' });
    const { unjudged, reports, severity } = replay(rule('escalate: {count: 3, window: 1m, to: critical}'), history);
    expect({ unjudged, reports, severity }).toEqual({ unjudged: 2, reports: 1, severity: { raised: 1, lowered: 0 } });
  });
});

describe('severity', () => {
  it('is raised by the candidate’s windows, per class and source, and lowered where it asks for less', () => {
    const history = createHistory();
    for (const source of ['a', 'a', 'b', 'a']) {
      history.report({ source, severity: 'medium' }, { severity: 'medium' });
      history.wait(20_000);
    }
    history.report({ class: 'tool_call_burst', severity: null }, { severity: 'critical' });
    const { severity, changed } = replay(rule('escalate: {count: 3, window: 1m, to: high}'), history);
    expect(severity).toEqual({ raised: 1, lowered: 1 });
    expect(changed.first.map(({ seq, was, now }) => [seq, was.severity, now.severity])).toEqual([
      [4, 'medium', 'high'],
      [5, 'critical', 'medium'],
    ]);
  });

  it('of the recorder’s own findings stands, and they count in no window', () => {
    const history = createHistory();
    const own = { class: 'integrity_violation', source: 'incident-recorder' };
    for (let i = 0; i < 3; i += 1) history.report(own, { own: true, severity: 'critical' });
    const text =
      'rules: {integrity_violation: {auto_contain: true, actions: [freeze_agent], escalate: {count: 2, window: 1m, to: critical}, default_severity: low}}';
    expect(replay(text, history).changed.count).toBe(0);
    const acting = replay(`${text}\nself: {integrity_violation: enforce}`, history);
    expect(acting.by_action).toEqual({ freeze_agent: { was: 0, now: 3 } });
  });
});

describe('what is refused or waits', () => {
  const PROTECT =
    'protect: [{actions: [block_ip], targets: [192.0.2.0/28]}, {actions: [block_ip], targets: [198.51.100.1], allow: with_approval}]';

  it('is told of protected targets, whoever wanted to act on them', () => {
    const history = createHistory();
    history.report(ip('192.0.2.1'), { orders: ['block_ip ip:192.0.2.1'] });
    history.report(ip('192.0.2.1', { class: 'tool_call_burst' }), { orders: ['block_ip ip:192.0.2.1'] });
    history.report(ip('198.51.100.1'));
    history.report(ip('203.0.113.1'));
    const outcome = replay(`${rule(BLOCK)}\n${PROTECT}`, history);
    expect(outcome.protected).toEqual({
      count: 2,
      first: [
        { action: 'block_ip', target: 'ip:192.0.2.1', was: 2, now: 1, with_approval: false },
        { action: 'block_ip', target: 'ip:198.51.100.1', was: 0, now: 1, with_approval: true },
      ],
    });
    expect(outcome.refused.protected).toEqual({ was: 0, now: 1 });
    expect(outcome.approvals).toEqual({ was: 0, now: 1 });
    expect(outcome.by_action).toEqual({ block_ip: { was: 2, now: 2 } });
    expect(outcome.changed.first.flatMap(({ now }) => now.actions)).toEqual([
      'block_ip ip:192.0.2.1 (refused: protected)',
      'block_ip ip:198.51.100.1 (waits for an approval)',
      'block_ip ip:203.0.113.1',
    ]);
  });

  it('is told of reports without a target', () => {
    const history = createHistory();
    history.report({}, { refused: [['block_ip block_ip:?', 'no target: the report has no evidence.src_ip']] });
    const { refused, changed } = replay(rule(BLOCK), history);
    expect(refused.no_target).toEqual(even(1));
    expect(changed.count).toBe(0);
  });

  it('is told of approvals that were asked for', () => {
    const history = createHistory();
    history.report(ip('192.0.2.1', { confidence: 0.5 }), { orders: ['block_ip ip:192.0.2.1'], status: 'awaiting_approval' });
    expect(replay(rule(BLOCK), history).approvals).toEqual({ was: 1, now: 0 });
    const cautious = BLOCK.replace('}]', ', approve: confidence < 0.85}]');
    expect(replay(rule(cautious), history)).toMatchObject({ approvals: even(1), changed: { count: 0 } });
    expect(replay(`mode: approve\n${rule(BLOCK)}`, history)).toMatchObject({ approvals: even(1), changed: { count: 0 } });
  });

  it('does not wait any more once an operator has approved the hold', () => {
    const history = createHistory();
    const waiting = { orders: ['block_ip ip:192.0.2.1'], status: 'awaiting_approval' } as const;
    history.report(ip('192.0.2.1'), waiting);
    const [hold] = history.records.flatMap((record) => (record.type === 'incident.reported' ? record.data.actions : []));
    const moved = { status: 'recorded', actuator: null, attempts: 0, error: null, completed_at: null };
    history.add('hold.moved', String(hold?.hold_id), { hold: moved, reason: 'approved', evidence: null, note: null, request: null });
    history.report(ip('192.0.2.1'), { ...waiting, status: 'recorded' });
    expect(replay(`mode: approve\n${rule(BLOCK)}`, history)).toMatchObject({ approvals: even(1), changed: { count: 0 } });
  });

  it('is what is over the bound of the rule for its source; what has ended makes room', () => {
    const history = createHistory();
    const first = history.report(ip('192.0.2.1'), { orders: ['block_ip ip:192.0.2.1'] });
    history.report(ip('192.0.2.2'), { orders: ['block_ip ip:192.0.2.2'] });
    history.report(ip('192.0.2.2'), { orders: ['block_ip ip:192.0.2.2'] });
    history.report(ip('192.0.2.3', { source: 'another' }), { orders: ['block_ip ip:192.0.2.3'] });
    history.end('block_ip ip:192.0.2.1', 'last owner ended');
    history.resolve(first);
    history.report(ip('192.0.2.4'), { orders: ['block_ip ip:192.0.2.4'] });
    history.report(ip('192.0.2.5'), { orders: ['block_ip ip:192.0.2.5'] });
    const { refused, changed } = replay(rule(`${BLOCK}, max_holds: 1`), history);
    expect(refused.limit).toEqual({ was: 0, now: 3 });
    expect(changed.first.map(({ now }) => now.actions)).toEqual([
      ['block_ip ip:192.0.2.2 (refused: limit)'],
      ['block_ip ip:192.0.2.2 (refused: limit)'],
      ['block_ip ip:192.0.2.5 (refused: limit)'],
    ]);
  });

  it('makes room by itself when the candidate alone holds it, and only for a while', () => {
    const history = createHistory();
    history.report(ip('192.0.2.1'));
    history.wait(59_999);
    history.report(ip('192.0.2.2'));
    history.wait(1);
    history.report(ip('192.0.2.3'));
    const { refused, by_action } = replay(rule(`${BLOCK.replace('}]', ', ttl: 1m}]')}, max_holds: 1`), history);
    expect([refused.limit, by_action['block_ip']]).toEqual([
      { was: 0, now: 1 },
      { was: 0, now: 2 },
    ]);
  });

  it('is counted, and nothing else, of classes that the candidate does not know', () => {
    const history = createHistory();
    history.report({ class: 'data_loss' }, { orders: ['freeze_agent agent:*'] });
    const { not_taken, incidents, changed, by_action } = replay(rule(''), history);
    expect({ not_taken, incidents, by_action }).toEqual({
      not_taken: 1,
      incidents: { was: 1, now: 0 },
      by_action: { freeze_agent: { was: 1, now: 0 } },
    });
    expect(changed.first[0]?.now).toEqual({ how: 'not_taken', severity: null, actions: [] });
    expect(replay(`${rule('')}\nclasses: {data_loss: {default_severity: high}}`, history).not_taken).toBe(0);
  });
});

describe('of a log that was pruned', () => {
  it('what was told again is known: incidents, their holds, and what windows had counted', () => {
    const seen = createHistory();
    const report = { dedup_key: 'k', severity: 'low', source: 'tool-firewall' };
    const id = seen.report(report);
    const incident = {
      ...(seen.records[0] as { data: { report: object } }).data.report,
      ...{ id, state: 'open', reported_by: 'firewall', last_seen_at: '2026-03-13T08:15:30.123Z', occurrences: 7 },
      containment: { actions: [{ action: 'freeze_agent', target: 'agent:*', hold_id: 'HLD-000000000001', status: 'recorded' }] },
    };
    const history = createHistory();
    history.add('hold.kept', 'HLD-000000000001', {
      hold: {
        id: 'HLD-000000000001',
        action: 'freeze_agent',
        target: { type: 'agent', id: '*' },
        rule: 'prompt_injection',
        source: 'tool-firewall',
        incident_id: id,
        status: 'recorded',
      },
    });
    history.add('incident.kept', id, { incident, version: 1, problem: 'x', owned: [] });
    history.add('sightings.kept', null, {
      first: true,
      sightings: [
        { class: 'prompt_injection', source: 'tool-firewall', at: [1, 2].map((n) => Date.parse('2026-03-13T08:15:30.000Z') + n) },
      ],
    });
    history.report(report, { severity: 'critical' }, id);
    const text =
      'auto_contain: true, actions: [freeze_agent, {action: block_ip, target: evidence.src_ip, if: occurrences < 8}], escalate: {count: 3, window: 1m, to: critical}, max_holds: 1';
    expect(replay(rule(text), history)).toMatchObject({ reports: 1, unjudged: 0, changed: { count: 0 } });
  });
});

describe('what is kept in memory', () => {
  it('is bounded, and it is said what was forgotten', () => {
    const history = createHistory();
    for (let i = 0; i < 300; i += 1) {
      history.report({ ...ip(`192.0.2.${i % 250}`), source: `source ${i}`, dedup_key: `key ${i}` });
    }
    const tight = { incidents: 10, holds: 10, windows: 5, targets: 20 };
    const { forgotten, reports, by_action } = replay(rule(`${BLOCK}, escalate: {count: 2, window: 1m, to: critical}`), history, tight);
    expect([reports, by_action['block_ip']]).toEqual([300, { was: 0, now: 300 }]);
    expect(Object.entries(forgotten).filter(([, n]) => n === 0)).toEqual([]);
    expect(Object.values(replay(rule(BLOCK), history).forgotten)).toEqual([0, 0, 0, 0]);
  });

  it('holds the first 100 of what would have changed, and never long texts', () => {
    const history = createHistory();
    for (let i = 0; i < 150; i += 1) history.report({ evidence: { model_path: `/${'m'.repeat(4000)}${i}` } }, { severity: 'low' });
    const { changed, targets } = replay(
      rule('auto_contain: true, actions: [quarantine_model], default_severity: high, max_holds: 200'),
      history,
    );
    expect([changed.count, changed.first.length, targets['quarantine_model']]).toEqual([150, 100, { was: 0, now: 150 }]);
    expect(JSON.stringify(changed).length).toBeLessThan(60_000);
  });

  it('of a rule that is at its bound takes no time for each report that is refused', () => {
    const history = createHistory();
    for (let i = 0; i < 6000; i += 1) history.report({ evidence: { model_path: `/models/${i}` } });
    const began = performance.now();
    const text = rule('auto_contain: true, actions: [quarantine_model], max_holds: 3000');
    expect(replay(text, history, { holds: 5000, incidents: 10_000 }).refused.limit.now).toBe(3000);
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
