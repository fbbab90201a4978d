// What a decision orders, entry by entry: conditions on the final facts, targets, protections, approvals, and what is told of all that.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ActionName, targetName } from '../../src/incident/actions.ts';
import type { Evidence } from '../../src/incident/report.ts';
import { SEVERITIES } from '../../src/incident/vocabulary.ts';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { type Wanted, decide, decideOwn, propose } from '../../src/policy/decide.ts';
import { policyOf, reportOf } from '../support/policies.ts';

const rule = (actions: string, more = '', head = '') =>
  policyOf(`${head}\nrules:\n  prompt_injection:\n    auto_contain: true\n    actions: [${actions}]\n${more}`);
/** `action type:id`, with what it waits for, or why it is refused. */
const told = ({ action, target, approval, refused }: Wanted) =>
  [action, target && targetName(target), refused && `refused: ${refused.reason} (${refused.detail})`, approval && `waits: ${approval}`]
    .filter(Boolean)
    .join(' ');
const order = (policy: ReturnType<typeof rule>, report: Record<string, unknown> = {}, facts = { escalating: false, occurrences: 1 }) =>
  decide(policy, reportOf(report), facts);
const ordered = (...given: Parameters<typeof order>) => order(...given).actions.map(told);

describe('a condition on an action', () => {
  const GRADED =
    '{action: block_ip, target: evidence.src_ip, ttl: 1d, if: severity >= critical}, {action: block_ip, target: evidence.src_ip, ttl: 1h, if: severity >= high}';
  const evidence = { src_ip: '203.0.113.7' };
  const ttl = (report: Record<string, unknown>, escalating = false) =>
    order(
      rule(GRADED, '    escalate: {count: 2, window: 1m, to: critical}\n'),
      { evidence, ...report },
      { escalating, occurrences: 2 },
    ).actions.map(({ ttl_ms }) => ttl_ms);

  it('is asked of the final severity; of two entries for one target the first that holds is done', () => {
    expect(ttl({ severity: 'medium' })).toEqual([]);
    expect(ttl({ severity: 'high' })).toEqual([[3_600_000]]);
    expect(ttl({ severity: 'critical' })).toEqual([[86_400_000]]);
    expect(ttl({ severity: 'low' }, true)).toEqual([[86_400_000]]);
    const floor = rule(GRADED, '    min_severity: high\n');
    expect(order(floor, { evidence, severity: 'low' }).actions).toHaveLength(1);
  });

  it.each<[string, Record<string, unknown>, number, boolean]>([
    ['confidence < 0.85', { confidence: 0.84 }, 1, true],
    ['confidence < 0.85', { confidence: 0.85 }, 1, false],
    ['confidence < 0.85', {}, 1, false],
    ['confidence == 1', {}, 1, true],
    ['occurrences >= 3', {}, 2, false],
    ['occurrences >= 3', {}, 3, true],
    ['source == firewall', { source: 'firewall' }, 1, true],
    ['source == firewall', { source: 'airlock' }, 1, false],
    ['source != "soc gateway"', { source: 'soc gateway' }, 1, false],
    ['mode == enforce', {}, 1, true],
    ['mode != enforce', {}, 1, false],
  ])('%s of %j, seen %d times: %s', (condition, report, occurrences, expected) => {
    const { actions, decided_by } = order(rule(`{action: freeze_agent, if: ${condition}}`), report, { escalating: false, occurrences });
    expect(actions.map(({ action }) => action)).toEqual(expected ? ['freeze_agent'] : []);
    expect(decided_by.conditions).toEqual([{ action: 'freeze_agent', kind: 'if', text: condition, holds: expected }]);
  });

  it('on log_alert decides whether there is an alert', () => {
    const policy = rule('freeze_agent, {action: log_alert, if: severity >= high}');
    expect(order(policy, { severity: 'high' }).alert).toBe(true);
    expect(order(policy, { severity: 'medium' })).toMatchObject({ alert: false, actions: [{ action: 'freeze_agent' }] });
  });

  it('is asked of what is only proposed too', () => {
    const observed = rule('{action: freeze_agent, if: severity >= high}, log_alert', '', 'mode: observe');
    expect(order(observed, { severity: 'low' }).proposed.map(told)).toEqual(['log_alert host:*']);
    expect(order(observed, { severity: 'high' }).proposed.map(told)).toEqual(['freeze_agent agent:*', 'log_alert host:*']);
  });
});

describe('a target', () => {
  const policy = rule('freeze_agent, {action: block_ip, target: evidence.src_ip}, rate_limit');

  it('is what the report says, in its one form', () => {
    expect(ordered(policy, { evidence: { src_ip: '::ffff:203.0.113.7' }, subject: { type: 'user', id: 'eve' } })).toEqual([
      ...['freeze_agent agent:*', 'block_ip ip:203.0.113.7', 'rate_limit user:eve'],
    ]);
  });

  it.each<[unknown, string]>([
    [undefined, 'the report has no evidence.src_ip'],
    [null, 'the report has no evidence.src_ip'],
    ['010.0.0.1', 'evidence.src_ip is not the IP address of one host'],
    ['127.1', 'evidence.src_ip is not the IP address of one host'],
    [2_130_706_433, 'evidence.src_ip is not the IP address of one host'],
    ['203.0.113.0/24', 'evidence.src_ip is not the IP address of one host'],
    ['$(reboot)', 'evidence.src_ip is not the IP address of one host'],
  ])('that is %j is refused, and the rest is ordered', (src_ip, detail) => {
    const evidence: Record<string, unknown> = src_ip === undefined ? {} : { src_ip };
    expect(ordered(policy, { evidence, subject: { type: 'host', id: 'h' } })).toEqual([
      'freeze_agent agent:*',
      `block_ip refused: no_target (${detail})`,
      'rate_limit refused: no_target (the subject is not of type ip or user or session)',
    ]);
  });

  it('that two entries come to is ordered once, and two that are missing are both told', () => {
    const two = rule('{action: block_ip, target: evidence.src_ip, ttl: 1h}, {action: block_ip, target: evidence.dst_ip, ttl: 4h}');
    const { actions } = order(two, { evidence: { src_ip: '203.0.113.7', dst_ip: '::ffff:203.0.113.7' } });
    expect(actions.map(({ ttl_ms }) => ttl_ms)).toEqual([[3_600_000]]);
    expect(ordered(two)).toHaveLength(2);
    expect(ordered(two, { evidence: { src_ip: '203.0.113.7', dst_ip: '203.0.113.8' } })).toEqual([
      'block_ip ip:203.0.113.7',
      'block_ip ip:203.0.113.8',
    ]);
  });

  it('comes with the parameters and ends that the rule says', () => {
    const [wanted] = order(rule('{action: rate_limit, params: {window: 1m}, ttl: [15m, 1h]}'), {
      subject: { type: 'session', id: 's' },
    }).actions;
    expect(wanted).toEqual({
      ...{ action: 'rate_limit', target: { type: 'session', id: 's' }, params: { limit: 5, window: '60s' }, ttl_ms: [900_000, 3_600_000] },
      ...{ approval: null, refused: null },
    });
  });
});

describe('a protection', () => {
  const PROTECT =
    'protect:\n  - {actions: [block_ip], targets: [10.0.0.0/8, "::1"]}\n  - {actions: [block_ip, suspend_user], targets: [192.168.0.0/16, root, "breakglass-*"], allow: with_approval}\n  - {actions: [freeze_agent], targets: [golden]}\n';
  const ACTIONS = '{action: block_ip, target: evidence.ip}, {action: suspend_user, target: evidence.user}';
  const policy = rule(ACTIONS, PROTECT);
  const by = (evidence: Evidence) => ordered(policy, { evidence: { ip: '203.0.113.7', user: 'eve', ...evidence } });

  it.each<[Evidence, string, string]>([
    [{}, 'block_ip ip:203.0.113.7', 'suspend_user user:eve'],
    [{ ip: '10.1.2.3' }, 'block_ip ip:10.1.2.3 refused: protected (line 8)', 'suspend_user user:eve'],
    [{ ip: '::ffff:10.1.2.3' }, 'block_ip ip:10.1.2.3 refused: protected (line 8)', 'suspend_user user:eve'],
    [{ ip: '64:ff9b::10.1.2.3' }, 'block_ip ip:64:ff9b::a01:203 refused: protected (line 8)', 'suspend_user user:eve'],
    [{ ip: '0:0:0:0:0:0:0:1' }, 'block_ip ip:::1 refused: protected (line 8)', 'suspend_user user:eve'],
    [{ ip: '192.168.1.1' }, 'block_ip ip:192.168.1.1 waits: protect: line 9', 'suspend_user user:eve'],
    [{ user: 'Root' }, 'block_ip ip:203.0.113.7', 'suspend_user user:Root waits: protect: line 9'],
    [{ user: 'breakglass-1' }, 'block_ip ip:203.0.113.7', 'suspend_user user:breakglass-1 waits: protect: line 9'],
    [{ user: 'breakglass' }, 'block_ip ip:203.0.113.7', 'suspend_user user:breakglass'],
  ])('of what %j names: %s, %s', (evidence, block, suspend) => {
    expect(by(evidence)).toEqual([block, suspend]);
  });

  it('wins over an approval, in every mode, and the firm one over the one that can be approved', () => {
    const both =
      'protect:\n  - {actions: [block_ip], targets: [10.0.0.0/8], allow: with_approval}\n  - {actions: [block_ip], targets: [10.0.0.0/9]}\n';
    for (const mode of ['enforce', 'approve']) {
      const mixed = rule('{action: block_ip, target: evidence.ip, approve: severity >= low}', both, `mode: ${mode}`);
      expect(ordered(mixed, { evidence: { ip: '10.0.0.1' } })).toEqual(['block_ip ip:10.0.0.1 refused: protected (line 9)']);
    }
  });

  it('of one agent is one against freezing all of them', () => {
    expect(ordered(rule('freeze_agent', PROTECT))).toEqual(['freeze_agent agent:* refused: protected (line 10)']);
    const single = rule('{action: freeze_agent, target: subject}', PROTECT);
    expect(ordered(single, { subject: { type: 'agent', id: 'golden' } })).toEqual([
      'freeze_agent agent:golden refused: protected (line 10)',
    ]);
    expect(ordered(single, { subject: { type: 'agent', id: 'other' } })).toEqual(['freeze_agent agent:other']);
    expect(ordered(single, { subject: { type: 'agent', id: '*' } })).toEqual([
      'freeze_agent refused: no_target (subject is not the name of one agent)',
    ]);
  });
});

describe('an approval', () => {
  it.each([
    ['mode: enforce', 0.5, ['freeze_agent agent:* waits: approve: confidence < 0.85', 'log_alert host:*']],
    ['mode: enforce', 0.9, ['freeze_agent agent:*', 'log_alert host:*']],
    ['mode: approve', 0.9, ['freeze_agent agent:* waits: mode: approve', 'log_alert host:*']],
    ['mode: approve', 0.5, ['freeze_agent agent:* waits: mode: approve; approve: confidence < 0.85', 'log_alert host:*']],
  ])('by %s and confidence %d: %j', (mode, confidence, expected) => {
    expect(ordered(rule('{action: freeze_agent, approve: confidence < 0.85}, log_alert', '', mode), { confidence })).toEqual(expected);
  });

  it('names every reason there is', () => {
    const protect = 'protect:\n  - {actions: [block_ip], targets: [10.0.0.0/8], allow: with_approval}\n';
    const policy = rule('{action: block_ip, target: evidence.ip, approve: severity >= high}', protect, 'mode: approve');
    const { actions, decided_by } = order(policy, { severity: 'high', evidence: { ip: '10.0.0.1' } });
    expect(actions.map(told)).toEqual(['block_ip ip:10.0.0.1 waits: mode: approve; approve: severity >= high; protect: line 8']);
    expect(decided_by.conditions).toEqual([
      { action: 'block_ip', kind: 'protect', text: 'line 8', holds: true },
      { action: 'block_ip', kind: 'approve', text: 'severity >= high', holds: true },
    ]);
  });

  it('in mode approve is asked for the built-in table whole, but for alerts', () => {
    const policy = { ...builtInPolicy(), mode: 'approve' as const };
    for (const name of policy.rules.keys()) {
      const { actions, proposed, suppressed } = order(policy, { class: name });
      expect(suppressed).toBe(false);
      expect(proposed.length > 0).toBe(name === 'forbidden_airlock_request');
      for (const { action, approval } of actions) expect(approval).toBe(action === 'log_alert' ? null : 'mode: approve');
    }
  });
});

describe('the trace of a decision', () => {
  it('tells each condition that was asked, in order, with its outcome, and nothing of what was not', () => {
    const policy = rule(
      '{action: freeze_agent, if: severity >= critical, approve: confidence < 0.85}, {action: block_ip, target: evidence.ip, if: severity >= high, approve: confidence < 0.5}',
    );
    expect(order(policy, { severity: 'high', evidence: { ip: '203.0.113.7' } }).decided_by.conditions).toEqual([
      { action: 'freeze_agent', kind: 'if', text: 'severity >= critical', holds: false },
      { action: 'block_ip', kind: 'if', text: 'severity >= high', holds: true },
      { action: 'block_ip', kind: 'approve', text: 'confidence < 0.5', holds: false },
    ]);
  });

  it('has no conditions where there were none', () => {
    expect(order(rule('freeze_agent')).decided_by).not.toHaveProperty('conditions');
    expect(order(builtInPolicy(), { class: 'attestation_failure' }).decided_by).not.toHaveProperty('conditions');
  });
});

describe('a rule’s own words', () => {
  it('are in the decision: holds, cooldown, gate', () => {
    const policy = rule('freeze_agent', '    cooldown: 30s\n    max_holds: 7\n    release: {gate: [attested]}\n');
    expect(order(policy)).toMatchObject({ max_holds: 7, cooldown_ms: 30_000, gate: ['attested'] });
    expect(order(policy, { class: 'tool_call_burst' })).toMatchObject({ max_holds: 0, cooldown_ms: 0, gate: [] });
  });
});

describe('the recorder’s own findings', () => {
  const policy = (self: string, mode = 'enforce') =>
    policyOf(
      `mode: ${mode}\nself: {integrity_violation: ${self}}\nrules:\n  integrity_violation:\n    auto_contain: true\n    release: {gate: [attested]}\n    actions: [{action: freeze_agent, if: severity >= critical}]\n`,
    );
  const damage = reportOf({ class: 'integrity_violation', source: 'incident-recorder' });

  it('are judged by the severity that they give themselves', () => {
    expect(decideOwn(policy('enforce'), damage, 'critical').actions.map(told)).toEqual(['freeze_agent agent:*']);
    expect(decideOwn(policy('enforce'), damage, 'high').actions).toEqual([]);
    expect(decideOwn(policy('enforce', 'approve'), damage, 'critical').actions.map(told)).toEqual([
      'freeze_agent agent:* waits: mode: approve',
    ]);
    expect(decideOwn(policy('enforce'), damage, 'critical').gate).toEqual(['attested']);
  });

  it('that do not act tell of no conditions, and can be resolved without a gate', () => {
    const decision = decideOwn(policy('observe'), damage, 'critical');
    expect(decision).toMatchObject({ actions: [], proposed: [], gate: [] });
    expect(decision.decided_by).not.toHaveProperty('conditions');
  });
});

describe('what an operator’s contain orders', () => {
  const incident = (more: Record<string, unknown> = {}) => {
    const { confidence, ...report } = reportOf(more);
    return { ...report, confidence, severity: 'medium' as const, occurrences: 1 };
  };
  const proposed = (policy: ReturnType<typeof rule>, more: Record<string, unknown>, ...names: string[]) =>
    propose(policy, incident(more), names).map(told);

  it('is what was proposed, whatever its conditions ask, and waits for nobody', () => {
    const policy = rule('{action: freeze_agent, if: severity >= critical, approve: severity >= low}, log_alert', '', 'mode: approve');
    expect(proposed(policy, {}, 'freeze_agent', 'log_alert')).toEqual(['freeze_agent agent:*', 'log_alert host:*']);
    expect(proposed(policy, {}, 'freeze_agent')).toEqual(['freeze_agent agent:*']);
    expect(proposed(policy, {}, 'freeze_agent', 'freeze_agent')).toEqual(['freeze_agent agent:*']);
    expect(proposed(policy, {})).toEqual([]);
  });

  it('has the target, the parameters and the end that the rule says', () => {
    const policy = rule('{action: rate_limit, params: {limit: 9}, ttl: 1h}, {action: block_ip, target: evidence.ip}');
    const [limit, block] = propose(policy, incident({ subject: { type: 'user', id: 'eve' }, evidence: { ip: 'nonsense' } }), [
      'rate_limit',
      'block_ip',
    ]);
    expect(limit).toMatchObject({ target: { type: 'user', id: 'eve' }, params: { limit: 9, window: '120s' }, ttl_ms: [3_600_000] });
    expect(block).toMatchObject({ target: null, refused: { reason: 'no_target' } });
  });

  it('is kept from what is protected, but not from what an approval would allow', () => {
    const protect =
      'protect:\n  - {actions: [block_ip], targets: [10.0.0.0/8]}\n  - {actions: [block_ip], targets: [192.168.0.0/16], allow: with_approval}\n';
    const policy = rule('{action: block_ip, target: evidence.ip}', protect);
    expect(proposed(policy, { evidence: { ip: '10.0.0.1' } }, 'block_ip')).toEqual(['block_ip ip:10.0.0.1 refused: protected (line 8)']);
    expect(proposed(policy, { evidence: { ip: '192.168.0.1' } }, 'block_ip')).toEqual(['block_ip ip:192.168.0.1']);
  });

  it('is the entry that holds, of several for one action; where none does, the first for each target', () => {
    const policy = rule(
      '{action: block_ip, target: evidence.ip, ttl: 1d, if: severity >= critical}, {action: block_ip, target: evidence.ip, ttl: 1h, if: severity >= medium}',
    );
    const ends = (severity: 'low' | 'medium' | 'critical') =>
      propose(policy, { ...incident({ evidence: { ip: '203.0.113.7' } }), severity }, ['block_ip']).map(({ ttl_ms }) => ttl_ms[0]);
    expect([ends('medium'), ends('critical'), ends('low')]).toEqual([[3_600_000], [86_400_000], [86_400_000]]);
  });

  it('is the plain action where the policy has changed since, and nothing where nobody knows it any more', () => {
    const policy = rule('log_alert');
    expect(proposed(policy, {}, 'freeze_agent', 'reboot_host', 'toString')).toEqual(['freeze_agent agent:*']);
    expect(proposed(policyOf('rules: {}'), { subject: { type: 'session', id: 's' } }, 'rate_limit')).toEqual(['rate_limit session:s']);
    expect(propose(policyOf('rules: {}'), incident(), ['rate_limit'])[0]).toMatchObject({ params: { limit: 5, window: '120s' } });
  });
});

it('whatever the report, nothing that is protected is ordered, nothing is ordered twice, and the report is not changed', () => {
  const policy = rule(
    'freeze_agent, {action: block_ip, target: evidence.a}, {action: block_ip, target: evidence.b, if: severity >= high}, {action: suspend_user, target: subject, approve: confidence < 0.5}, rate_limit',
    'protect:\n  - {actions: [block_ip, rate_limit], targets: [10.0.0.0/8]}\n  - {actions: [suspend_user], targets: [root]}\n',
  );
  const value = fc.oneof(
    fc.constantFrom('10.0.0.1', '::ffff:10.9.9.9', '203.0.113.7', 'root', 'ROOT ', '*', ''),
    fc.ipV4(),
    fc.ipV6(),
    fc.string(),
    fc.integer(),
    fc.constant(null),
  );
  const line = fc.constantFrom('10.0.0.1', '::ffff:10.9.9.9', '203.0.113.7', 'root', 'ROOT', '*', 'eve');
  fc.assert(
    fc.property(
      value,
      value,
      fc.option(fc.record({ type: fc.constantFrom('ip', 'user', 'session', 'host'), id: line })),
      fc.constantFrom(...SEVERITIES),
      (a, b, subject, severity) => {
        const report = { ...reportOf({ severity, subject }), evidence: { a, b } };
        const before = JSON.stringify(report);
        const { actions } = decide(policy, report, { escalating: false, occurrences: 1 });
        expect(JSON.stringify(report)).toBe(before);
        const names = actions
          .filter(({ refused }) => refused === null)
          .map(({ action, target }) => `${action} ${target && targetName(target)}`);
        expect(new Set(names).size).toBe(names.length);
        for (const name of names) expect(name).not.toMatch(/ ip:(10\.|.*:ffff:)|suspend_user user:root/i);
        for (const { target, refused } of actions) expect(target === null).toBe(refused?.reason === 'no_target');
      },
    ),
    { numRuns: 2000 },
  );
});

it('an action may be anything that the table has', () => {
  const every: ActionName[] = ['block_ip', 'rate_limit', 'terminate_session', 'suspend_user'];
  expect(ordered(rule(every.join(', ')), { subject: { type: 'session', id: 's' } })).toEqual([
    'block_ip refused: no_target (the subject is not of type ip)',
    'rate_limit session:s',
    'terminate_session session:s',
    'suspend_user refused: no_target (the subject is not of type user)',
  ]);
});
