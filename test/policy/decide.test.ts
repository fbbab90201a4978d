// The decision on one report: how severe it is and why, what is ordered, what is only proposed, and its trace.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Target, targetName } from '../../src/incident/actions.ts';
import type { ActionState, ActionStatus } from '../../src/incident/containment.ts';
import { SEVERITIES, type Severity, moreSevere, rankOf } from '../../src/incident/vocabulary.ts';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { type Decision, decide, decideOwn, isContained } from '../../src/policy/decide.ts';
import type { Policy } from '../../src/policy/policy.ts';
import type { Report } from '../../src/incident/report.ts';
import { policyOf, reportOf } from '../support/policies.ts';

const decided = (policy: Policy, report: Report, escalating = false, occurrences = 1) =>
  decide(policy, report, { escalating, occurrences });
const names = (wanted: Decision['actions']) => wanted.map(({ action }) => action);
const SOME = fc.constantFrom<Severity | null>(null, ...SEVERITIES);

describe('how severe it is', () => {
  const judge = (rule: string, given: Severity | '' | null, escalating = false) => {
    const policy = policyOf(`rules: {prompt_injection: {${rule}}}`);
    const { severity, decided_by } = decided(policy, reportOf({ severity: given }), escalating);
    return `${severity} by ${decided_by.severity_from}`;
  };

  it.each([
    ['the reporter’s word', 'default_severity: high', 'low', 'low by reporter'],
    ['the reporter’s word, upwards too', 'default_severity: low', 'critical', 'critical by reporter'],
    ['the rule’s default when the reporter says nothing', 'default_severity: high', null, 'high by rule'],
    ['the rule’s default when the reporter says ""', 'default_severity: high', '', 'high by rule'],
    ['medium when nobody says anything', '', null, 'medium by default'],
    ['the rule’s floor when the reporter says less', 'default_severity: high, min_severity: medium', 'low', 'medium by floor'],
    ['the rule’s floor when its default is less', 'default_severity: low, min_severity: high', null, 'high by floor'],
    ['the rule’s floor when nobody says anything', 'min_severity: critical', null, 'critical by floor'],
    ['the reporter’s word when it is the floor', 'min_severity: high', 'high', 'high by reporter'],
    ['the reporter’s word when it is over the floor', 'min_severity: medium', 'critical', 'critical by reporter'],
  ] as const)('is %s', (_, rule, given, expected) => {
    expect(judge(rule, given)).toBe(expected);
  });

  it('is medium by a rule of the original that has no default_severity', () => {
    expect(judge('auto_contain: true, actions: [freeze_agent]', null)).toBe('medium by default');
  });

  it('is the class’s default where the rule has none, and the rule’s where it has one', () => {
    const classes = 'classes: {data_exfiltration: {default_severity: critical}}';
    const report = reportOf({ class: 'data_exfiltration' });
    const by = (rules: string) => {
      const { severity, decided_by } = decided(policyOf(`${rules}\n${classes}`), report, false);
      return `${severity} by ${decided_by.severity_from}`;
    };
    expect(by('rules: {}')).toBe('critical by class');
    expect(by('rules: {data_exfiltration: {}}')).toBe('critical by class');
    expect(by('rules: {data_exfiltration: {default_severity: low}}')).toBe('low by rule');
    expect(by('rules: {data_exfiltration: {default_severity: low, min_severity: high}}')).toBe('high by floor');
  });

  it.each([
    ['low', 'critical', 'critical by escalation', { from: 'low', to: 'critical' }],
    [null, 'critical', 'critical by escalation', { from: 'medium', to: 'critical' }],
    ['high', 'high', 'high by reporter', null],
    ['critical', 'high', 'critical by reporter', null],
  ] as const)('rises from %s to at least %s when the reports escalate, and never falls', (given, to, expected, escalated) => {
    const rule = `escalate: {count: 2, window: 1m, to: ${to}}`;
    expect(judge(rule, given, true)).toBe(expected);
    expect(decided(policyOf(`rules: {prompt_injection: {${rule}}}`), reportOf({ severity: given }), true).escalated).toEqual(escalated);
    expect(judge(rule, given, false)).toBe(given === null ? 'medium by default' : `${given} by reporter`);
  });

  it('does not rise by a rule that escalates nothing', () => {
    expect(judge('default_severity: low', null, true)).toBe('low by rule');
  });

  it('is the most severe of the floor, the escalation and the first word there is, for every combination', () => {
    fc.assert(
      fc.property(
        SOME,
        SOME,
        SOME,
        SOME,
        fc.constantFrom('medium', 'high', 'critical'),
        fc.boolean(),
        (given, ofRule, ofClass, floor, to, escalating) => {
          const rule = [
            ...(ofRule ? [`default_severity: ${ofRule}`] : []),
            ...(floor ? [`min_severity: ${floor}`] : []),
            `escalate: {count: 2, window: 1m, to: ${to}}`,
          ];
          const policy = policyOf(
            `rules: {data_loss: {${rule.join(', ')}}}\nclasses: {data_loss: {default_severity: ${ofClass ?? 'medium'}}}`,
          );
          const { severity, escalated, decided_by } = decided(policy, reportOf({ class: 'data_loss', severity: given }), escalating);
          const word = given ?? ofRule ?? ofClass ?? 'medium';
          const judged = floor ? moreSevere(word, floor) : word;
          expect(severity).toBe(escalating ? moreSevere(judged, to) : judged);
          expect(escalated).toEqual(severity === judged ? null : { from: judged, to: severity });
          expect(decided_by.severity_from === 'escalation').toBe(severity !== judged);
          expect(decided_by.severity_from === 'floor').toBe(severity === judged && judged !== word);
        },
      ),
    );
  });
});

describe('what is done', () => {
  it('is what the rule orders, in its order, each on its target', () => {
    const { actions, proposed, alert, suppressed } = decided(
      builtInPolicy(),
      reportOf({ class: 'manifest_mismatch', evidence: { model_path: '/models/a.gguf' } }),
      false,
    );
    expect(actions.map(({ action, target }) => [action, targetName(target as Target)])).toEqual([
      ['quarantine_model', 'model:/models/a.gguf'],
      ['freeze_agent', 'agent:*'],
    ]);
    expect({ proposed, alert, suppressed }).toEqual({ proposed: [], alert: false, suppressed: false });
  });

  it('follows the class alone: playing an incident down does not avoid containment', () => {
    const policy = builtInPolicy();
    fc.assert(
      fc.property(
        fc.constantFrom(...policy.rules.keys()),
        SOME,
        fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
        fc.boolean(),
        (name, severity, confidence, escalating) => {
          const decision = decided(policy, reportOf({ class: name, severity, confidence }), escalating);
          const plain = decided(policy, reportOf({ class: name }), false);
          for (const part of ['actions', 'proposed', 'alert', 'suppressed', 'max_holds'] as const)
            expect(decision[part]).toEqual(plain[part]);
        },
      ),
    );
  });

  it('is only proposed when the rule does not contain by itself, but the alert is raised all the same', () => {
    const decision = decided(builtInPolicy(), reportOf({ class: 'forbidden_airlock_request' }), false);
    expect(decision).toMatchObject({ actions: [], alert: true, suppressed: false });
    expect(names(decision.proposed)).toEqual(['log_alert']);
  });

  it('is only proposed, and said to be suppressed, while the policy observes', () => {
    const decision = decided(
      policyOf('mode: observe\nrules: {prompt_injection: {auto_contain: true, actions: [freeze_agent]}}'),
      reportOf(),
      false,
    );
    expect(decision).toMatchObject({ actions: [], suppressed: true, alert: false });
    expect(names(decision.proposed)).toEqual(['freeze_agent']);
  });

  it('raises the alert while the policy observes too: an alert commands nobody', () => {
    const policy = policyOf('mode: observe\nrules: {prompt_injection: {auto_contain: true, actions: [freeze_agent, log_alert]}}');
    expect(decided(policy, reportOf(), false)).toMatchObject({ actions: [], alert: true });
  });

  it('suppresses nothing of a rule that would not have contained either', () => {
    const decision = decided(policyOf('mode: observe\nrules: {prompt_injection: {actions: [freeze_agent]}}'), reportOf(), false);
    expect(decision).toMatchObject({ actions: [], suppressed: false });
  });

  it('is nothing for a class without a rule, and nothing for one that nobody knows', () => {
    for (const name of ['prompt_injection', 'never_heard_of', 'constructor', '__proto__']) {
      const decision = decided(policyOf('rules: {}'), reportOf({ class: name }), false);
      expect(decision).toMatchObject({ actions: [], proposed: [], alert: false, suppressed: false, max_holds: 0, severity: 'medium' });
      expect(decision.decided_by).toMatchObject({ rule: null, line: null });
    }
  });

  it('is bounded by the rule’s max_holds', () => {
    expect(decided(policyOf('rules: {prompt_injection: {max_holds: 7}}'), reportOf(), false).max_holds).toBe(7);
    expect(decided(builtInPolicy(), reportOf(), false).max_holds).toBe(100);
  });
});

describe('its trace', () => {
  it('names the policy, the rule and its line', () => {
    const policy = policyOf('rules:\n  tool_call_burst: {}\n  prompt_injection: {}');
    const { decided_by } = decided(policy, reportOf(), false);
    expect(decided_by).toEqual({ policy_sha256: policy.sha256, rule: 'prompt_injection', line: 4, severity_from: 'default' });
  });

  it('has no line where the table is built in', () => {
    const { decided_by } = decided(builtInPolicy(), reportOf(), false);
    expect(decided_by).toEqual({ policy_sha256: builtInPolicy().sha256, rule: 'prompt_injection', line: null, severity_from: 'rule' });
  });

  it('is the same for the same policy and report, and changes neither', () => {
    const [policy, report] = [builtInPolicy(), reportOf({ evidence: { a: [1, { b: 2 }] } })];
    const before = JSON.stringify(report);
    expect(decided(policy, report, true)).toEqual(decided(policy, report, true));
    expect(JSON.stringify(report)).toBe(before);
  });
});

describe('the recorder’s own findings', () => {
  const RULES =
    'rules:\n  integrity_violation: {auto_contain: true, actions: [freeze_agent, log_alert], min_severity: critical}\n  unauthorized_access: {auto_contain: true, actions: [freeze_agent, log_alert]}';
  const damage = reportOf({ class: 'integrity_violation', source: 'incident-recorder' });
  const refused = reportOf({ class: 'unauthorized_access', source: 'incident-recorder' });

  it('order nothing and propose nothing while `self` observes, which is the default', () => {
    for (const policy of [policyOf(RULES), builtInPolicy()]) {
      expect(decideOwn(policy, damage, 'critical')).toMatchObject({ actions: [], proposed: [], alert: false, suppressed: false });
    }
  });

  it('of broken integrity do what their rule says once `self` enforces', () => {
    const policy = policyOf(`${RULES}\nself: {integrity_violation: enforce}`);
    const decision = decideOwn(policy, damage, 'critical');
    expect(names(decision.actions)).toEqual(['freeze_agent', 'log_alert']);
    expect(decision.alert).toBe(true);
    expect(decideOwn(policyOf(`mode: observe\n${RULES}\nself: {integrity_violation: enforce}`), damage, 'critical')).toMatchObject({
      ...{ actions: [], suppressed: true },
    });
  });

  it('of refused tokens never act: who has no token must not be able to freeze the host', () => {
    const policy = policyOf(`${RULES}\nself: {integrity_violation: enforce}`);
    expect(decideOwn(policy, refused, 'medium')).toMatchObject({ actions: [], proposed: [], alert: false, suppressed: false });
  });

  it('stand by the severity that they give themselves, whatever floors and escalations the policy has', () => {
    const policy = policyOf(
      'rules: {integrity_violation: {min_severity: critical, default_severity: low, escalate: {count: 2, window: 1d, to: critical}}}',
    );
    for (const severity of SEVERITIES) {
      const decision = decideOwn(policy, damage, severity);
      expect(decision).toMatchObject({ severity, escalated: null });
      expect(decision.decided_by).toMatchObject({ rule: 'integrity_violation', severity_from: 'recorder' });
    }
  });
});

describe('contained', () => {
  const RECORDED = policyOf('without_actuator: recorded\nrules: {}');
  const NEVER = policyOf('without_actuator: never\nrules: {}');
  const state = (status: ActionStatus, hold_id: string | null = 'HLD-0') => ({ status, hold_id }) as ActionState;
  const alerted = state('verified', null);

  it.each<[string, ActionState[], boolean]>([
    ['nothing was ordered', [], false],
    ['an alert is all there was', [alerted], true],
    ['a hold is verified', [state('verified')], true],
    ['a hold is enforced', [state('enforced')], true],
    ['a hold is accepted', [state('accepted')], false],
    ['a hold is requested', [state('requested')], false],
    ['a hold waits for approval', [state('awaiting_approval')], false],
    ['a hold has drifted', [state('enforced'), state('drifted')], false],
    ['a hold has failed', [state('enforced'), state('failed')], false],
    ['an action was refused', [state('verified'), state('failed', null)], false],
    ['one of two holds was released', [state('verified'), state('released')], true],
    ['one of two holds is being released', [state('enforced'), state('releasing')], true],
    ['all holds were released', [state('released'), state('expired')], false],
    ['an alert is all that is left', [alerted, state('released')], false],
    ['an alert stands beside a hold', [alerted, state('enforced')], true],
    ['an alert stands beside a hold that is asked for', [alerted, state('requested')], false],
  ])('when %s: %j is %s', (_, actions, expected) => {
    expect(isContained(RECORDED, actions)).toBe(expected);
    expect(isContained(NEVER, actions)).toBe(expected);
  });

  it.each<[ActionStatus, Record<Policy['contained_when'], boolean>]>([
    ['verified', { accepted: true, enforced: true, verified: true }],
    ['enforced', { accepted: true, enforced: true, verified: false }],
    ['accepted', { accepted: true, enforced: false, verified: false }],
    ['requested', { accepted: false, enforced: false, verified: false }],
    ['awaiting_approval', { accepted: false, enforced: false, verified: false }],
    ['drifted', { accepted: false, enforced: false, verified: false }],
    ['failed', { accepted: false, enforced: false, verified: false }],
  ])('%s counts as contained_when says: %j', (status, expected) => {
    for (const [level, reached] of Object.entries(expected)) {
      expect(isContained(policyOf(`contained_when: ${level}\nrules: {}`), [alerted, state(status)])).toBe(reached);
    }
  });

  it('counts what is only on record as without_actuator says, at every level', () => {
    for (const level of ['accepted', 'enforced', 'verified']) {
      const by = (word: string) => policyOf(`contained_when: ${level}\nwithout_actuator: ${word}\nrules: {}`);
      expect(isContained(by('recorded'), [state('recorded')])).toBe(true);
      expect(isContained(by('never'), [state('recorded')])).toBe(false);
      expect(isContained(by('recorded'), [state('recorded'), state('requested')])).toBe(false);
    }
  });
});

it('the severities of a decision are ranked as the words are', () => {
  expect(SEVERITIES.map((severity) => rankOf(decided(builtInPolicy(), reportOf({ severity }), false).severity))).toEqual([1, 2, 3, 4]);
});
