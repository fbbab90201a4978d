// An explained decision: each entry of the rule with what became of it and why, and that it never says other than the decision itself.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { targetName } from '../../src/incident/actions.ts';
import { SEVERITIES } from '../../src/incident/vocabulary.ts';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { decide } from '../../src/policy/decide.ts';
import { type Explained, explain } from '../../src/policy/explain.ts';
import { durationOf } from '../../src/policy/duration.ts';
import { wordsOf } from '../../src/policy/explain-words.ts';
import { warningsOf } from '../../src/policy/warnings.ts';
import { policyOf, reportOf } from '../support/policies.ts';

const GIVEN = { escalating: false, occurrences: 1, reported_by: 'firewall' };
const explained = (policy: string, report: Record<string, unknown> = {}, given: Partial<typeof GIVEN> = {}) =>
  explain(policyOf(policy), reportOf(report), { ...GIVEN, ...given });
const rule = (text: string) => `rules: {prompt_injection: {${text}}}`;
const outcomes = ({ actions }: Explained) => actions.map(({ action, outcome, target }) => `${action} ${outcome} ${target}`);

const ACTUATORS =
  'actuators: {wall: {actions: [block_ip], pull: true, deadline: 5s, heartbeat: 30s}, agent: {actions: [freeze_agent], push: "unix:/run/agent.sock:/freeze"}}';

describe('an action is told with what became of it', () => {
  const LADDER = `auto_contain: true, default_severity: high, actions: [
    freeze_agent,
    {action: block_ip, target: evidence.src_ip, ttl: [1h, 4h], if: severity >= critical, approve: confidence < 0.85},
    {action: block_ip, target: evidence.src_ip, ttl: 10m, if: severity < critical},
    {action: block_ip, target: evidence.dst_ip, ttl: 10m},
    {action: rate_limit, params: {limit: 7}, if: occurrences > 3},
    log_alert]`;
  const evidence = { src_ip: '192.0.2.1', dst_ip: '192.0.2.1' };

  it('ordered, waiting, not wanted, refused, or second to an entry before it', () => {
    expect(outcomes(explained(rule(LADDER), { evidence, severity: 'critical', confidence: 0.5 }))).toEqual([
      'freeze_agent ordered agent:*',
      'block_ip awaiting_approval ip:192.0.2.1',
      'block_ip not_wanted ip:192.0.2.1',
      'block_ip came_second ip:192.0.2.1',
      'rate_limit not_wanted null',
      'log_alert ordered host:*',
    ]);
    expect(outcomes(explained(rule(LADDER), { evidence: { src_ip: '192.0.2.1' } }, { occurrences: 4 }))).toEqual([
      'freeze_agent ordered agent:*',
      'block_ip not_wanted ip:192.0.2.1',
      'block_ip ordered ip:192.0.2.1',
      'block_ip refused null',
      'rate_limit refused null',
      'log_alert ordered host:*',
    ]);
  });

  it('with its conditions and how they came out, its ttl, its params and where its target is from', () => {
    const { actions } = explained(rule(LADDER), { evidence, severity: 'critical', confidence: 0.9 });
    expect(actions[1]).toEqual({
      ...{ action: 'block_ip', outcome: 'ordered', target: 'ip:192.0.2.1', target_from: 'evidence.src_ip', params: {} },
      ...{ ttl_ms: [3_600_000, 14_400_000], approval: null, refused: null, protected: [], actuator: null, counts: 'recorded' },
      if: { text: 'severity >= critical', holds: true },
      approve: { text: 'confidence < 0.85', holds: false },
    });
    expect(actions[4]).toMatchObject({
      params: { limit: 7, window: '120s' },
      target_from: 'subject',
      if: { text: 'occurrences > 3', holds: false },
    });
  });

  it('proposed, when the rule does not contain by itself or the policy only observes', () => {
    expect(outcomes(explained(rule('actions: [freeze_agent]')))).toEqual(['freeze_agent proposed agent:*']);
    const observed = explained(`mode: observe\n${rule('auto_contain: true, actions: [freeze_agent]')}`);
    expect([outcomes(observed), observed.suppressed]).toEqual([['freeze_agent proposed agent:*'], true]);
  });

  it('with the protections that it falls under, and the approval that they or the mode ask for', () => {
    const text = `mode: approve\n${rule('auto_contain: true, actions: [{action: block_ip, target: evidence.src_ip}]')}
protect:
  - {actions: [block_ip], targets: [192.0.2.0/24], allow: with_approval}
  - {actions: [block_ip], targets: [192.0.2.7]}`;
    expect(explained(text, { evidence: { src_ip: '192.0.2.1' } }).actions[0]).toMatchObject({
      ...{ outcome: 'awaiting_approval', approval: 'mode: approve; protect: line 5', protected: [{ line: 5, with_approval: true }] },
    });
    expect(explained(text, { evidence: { src_ip: '192.0.2.7' } }).actions[0]).toMatchObject({
      ...{ outcome: 'refused', refused: { reason: 'protected', detail: 'line 6' }, counts: 'never' },
    });
  });

  it.each([
    ['', 'recorded', null],
    ['without_actuator: never\n', 'never', null],
    [`${ACTUATORS}\n`, 'enforced', { name: 'wall', by: 'pull', deadline_ms: 5000 }],
    [`contained_when: accepted\n${ACTUATORS}\n`, 'accepted', { name: 'wall', by: 'pull', deadline_ms: 5000 }],
  ] as const)('with who is asked and when that counts, under %j', (head, counts, actuator) => {
    const text = `${head}${rule('auto_contain: true, actions: [{action: block_ip, target: evidence.src_ip}]')}`;
    expect(explained(text, { evidence: { src_ip: '192.0.2.1' } }).actions[0]).toMatchObject({ counts, actuator });
  });
});

describe('its incident is contained', () => {
  it.each([
    ['at_once', 'auto_contain: true, actions: [freeze_agent, log_alert]', ''],
    ['later', 'auto_contain: true, actions: [freeze_agent, log_alert]', `${ACTUATORS}\n`],
    ['later', 'auto_contain: true, actions: [freeze_agent]', 'mode: approve\n'],
    ['by_operator', 'auto_contain: true, actions: [freeze_agent]', 'without_actuator: never\n'],
    ['by_operator', 'auto_contain: true, actions: [freeze_agent, {action: block_ip, target: evidence.src_ip}]', ''],
    ['nothing_ordered', 'actions: [freeze_agent]', ''],
    ['nothing_ordered', 'auto_contain: true, actions: [{action: freeze_agent, if: occurrences > 9}]', ''],
    ['nothing_ordered', '', ''],
  ] as const)('%s, by %j and %j', (contained, text, head) => {
    expect(explained(`${head}${rule(text)}`).contained).toBe(contained);
  });
});

describe('what else is told', () => {
  it('is the rule and its line, the severity and where it is from, and the facts that were given', () => {
    const text = `\n\n${rule('default_severity: low, escalate: {count: 3, window: 5m, to: critical}')}`;
    const told = explained(text, { confidence: 0.25 }, { escalating: true, occurrences: 5 });
    expect(told).toMatchObject({
      ...{
        rule: 'prompt_injection',
        line: 4,
        severity: 'critical',
        severity_from: 'escalation',
        escalated: { from: 'low', to: 'critical' },
      },
      facts: { ...GIVEN, escalating: true, occurrences: 5, confidence: 0.25, escalate: { count: 3, window_ms: 300_000, to: 'critical' } },
      policy: { from: 'file', mode: 'enforce', sha256: policyOf(text).sha256 },
    });
  });

  it('is a class that nobody knows, a source that nobody may have, and a class without a rule', () => {
    expect(explained(rule(''), { class: 'never_heard_of' })).toMatchObject({
      known_class: false,
      rule: null,
      line: null,
      severity: 'medium',
      actions: [],
    });
    expect(explained(rule(''), { source: 'incident-recorder' }).own_source).toBe(true);
    expect(explained('rules: {}')).toMatchObject({ known_class: true, rule: null, max_holds: 0 });
  });

  it('is what later reports join it by', () => {
    const dedupe = (report: Record<string, unknown>, given: { reported_by: string | null }) =>
      explain(policyOf(rule('dedupe: {by: [source, reported_by], window: 5m}')), reportOf(report), { ...GIVEN, ...given }).dedupe;
    expect(dedupe({}, { reported_by: 'a' })).toEqual({
      by: ['source', 'reported_by'],
      window_ms: 300_000,
      key: expect.stringMatching(/^[\w-]{32}$/),
    });
    expect(dedupe({}, { reported_by: null })).toMatchObject({ key: null });
    expect(dedupe({ dedup_key: 'k' }, { reported_by: null })).toEqual({
      by: ['source', 'dedup_key'],
      window_ms: null,
      key: expect.any(String),
    });
    expect(explained(rule('')).dedupe).toBeNull();
  });

  it('is bounds and gates', () => {
    expect(explained(rule('max_holds: 7, cooldown: 30s, release: {gate: [acknowledged, attested]}'))).toMatchObject({
      ...{ max_holds: 7, cooldown_ms: 30_000, gate: ['acknowledged', 'attested'] },
    });
  });
});

const aRule = fc.record({
  auto_contain: fc.boolean(),
  entries: fc.array(
    fc.constantFrom(
      'freeze_agent',
      'log_alert',
      '{action: block_ip, target: evidence.src_ip, ttl: [1h, 4h], if: severity >= high}',
      '{action: block_ip, target: evidence.src_ip, ttl: 2m, approve: confidence < 0.5, if: severity < high}',
      '{action: block_ip, target: evidence.dst_ip}',
      '{action: suspend_user, if: source == tool-firewall}',
      '{action: rate_limit, if: occurrences > 2}',
    ),
    { minLength: 1, maxLength: 7 },
  ),
  mode: fc.constantFrom('enforce', 'observe', 'approve'),
});

it('is the decision, whatever policy and report: each wanted action stands for one entry, with its target, approval and refusal', () => {
  fc.assert(
    fc.property(
      aRule,
      fc.constantFrom<string | null>(null, ...SEVERITIES),
      fc.constantFrom('192.0.2.1', '10.0.0.1', 'nonsense'),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      ({ auto_contain, entries, mode }, severity, address, confidence, occurrences, escalating) => {
        const policy = policyOf(
          `mode: ${mode}\nrules: {prompt_injection: {auto_contain: ${auto_contain}, actions: [${[...new Set(entries)].join(', ')}], escalate: {count: 2, window: 1m, to: high}}}\nprotect: [{actions: [block_ip], targets: [10.0.0.0/8]}]`,
        );
        const report = reportOf({
          severity,
          confidence,
          evidence: { src_ip: address, dst_ip: '192.0.2.1' },
          subject: { type: 'user', id: 'eve' },
        });
        const decision = decide(policy, report, { escalating, occurrences });
        const told = explain(policy, report, { escalating, occurrences, reported_by: null });
        const wanted = [...decision.actions, ...decision.proposed].map(({ action, target, approval, refused, ttl_ms }) => ({
          ...{ action, target: target && targetName(target), approval, refused, ttl_ms },
        }));
        const entriesTold = told.actions.filter(({ outcome }) => outcome !== 'not_wanted' && outcome !== 'came_second');
        expect(entriesTold.map(({ action, target, approval, refused, ttl_ms }) => ({ action, target, approval, refused, ttl_ms }))).toEqual(
          wanted,
        );
        expect(told.actions.filter(({ outcome }) => outcome === 'ordered' || outcome === 'awaiting_approval')).toHaveLength(
          decision.actions.filter(({ refused }) => !refused).length,
        );
        expect(told).toMatchObject({ severity: decision.severity, alert: decision.alert, suppressed: decision.suppressed });
        expect(wordsOf(told).filter((line) => line.includes('undefined') || line.includes('[object'))).toEqual([]);
      },
    ),
  );
});

describe('in words', () => {
  it('it is a line for each thing that led to it, and for each that comes of it', () => {
    const text = `${ACTUATORS}
rules:
  prompt_injection:
    auto_contain: true
    default_severity: high
    actions:
      - freeze_agent
      - {action: block_ip, target: evidence.src_ip, ttl: [1h, 4h, 24h], if: severity >= high, approve: confidence < 0.85}
      - {action: suspend_user}
      - {action: rate_limit, if: occurrences > 3}
    dedupe: {by: [source], window: 90s}
    escalate: {count: 3, window: 5m, to: critical}
    cooldown: 30s
`;
    const told = wordsOf(explained(text, { evidence: { src_ip: '192.0.2.1' }, confidence: 0.5 }));
    expect(told).toEqual([
      expect.stringMatching(/^policy [0-9a-f]{12} \(a file, mode: enforce\): rule prompt_injection in line 4, which contains by itself$/),
      'severity high, the default of the rule',
      'taken as report 1 of its incident, with confidence 0.5; not taken as one of 3 within 5m, which makes it at least critical',
      'freeze_agent on agent:*: ordered; asked of actuator agent, which is sent it, within 30s; it counts as contained once enforced; until its incidents are resolved',
      "block_ip on ip:192.0.2.1: waits for an operator's approval (approve: confidence < 0.85); if severity >= high: holds; approve confidence < 0.85: holds; asked of actuator wall, which fetches it, within 5s; it counts as contained once enforced; for 1h (who comes again: 4h, 1d)",
      'suspend_user: refused, no target: the report has no subject',
      'rate_limit (limit 5, window 120s): not wanted; if occurrences > 3: does not hold',
      'the incident stays open until an operator contains it: something is refused, or never counts',
      'reports of this class with the same source join it while none is more than 90s after the last',
      'at most 100 live holds of this rule for one source',
      'at least 30s between two commands for the same action and target',
    ]);
  });

  it('it says what is not there, and what would be refused at the door', () => {
    expect(wordsOf(explained('rules: {}', { class: 'never_heard_of', source: 'incident-recorder' }))).toEqual([
      'the class never_heard_of is not known to this policy: such a report is refused',
      'no token may report under this source: such a report is refused',
      expect.stringMatching(/has no rule for never_heard_of$/),
      'severity medium, since nobody says anything else',
      'taken as report 1 of its incident, with confidence 1; the rule escalates nothing',
      'nothing is ordered and nothing proposed',
      'nothing is ordered: the incident stays open until an operator sees to it',
      'each such report is an incident of its own',
    ]);
  });

  it.each([
    [1, '1ms'],
    [1500, '1500ms'],
    [1000, '1s'],
    [90_000, '90s'],
    [300_000, '5m'],
    [86_400_000, '1d'],
  ])('%i ms are %s', (ms, text) => expect(durationOf(ms)).toBe(text));
});

describe('a warning', () => {
  const warned = (text: string) => warningsOf(policyOf(text)).map(({ line, text: told }) => `${line}: ${told}`);
  const all = [
    'attestation_failure',
    'policy_bypass_attempt',
    'manifest_mismatch',
    'forbidden_airlock_request',
    'tool_call_burst',
    'model_behavior_anomaly',
    'integrity_violation',
    'unauthorized_access',
  ];
  const every = (of: string) => `rules: {${all.map((name) => `${name}: {}`).join(', ')}, prompt_injection: {${of}}}`;

  it('is given of none of the built-in table, nor of a plain policy for all classes', () => {
    expect(warningsOf(builtInPolicy())).toEqual([]);
    expect(warned(every('auto_contain: true, actions: [freeze_agent]'))).toEqual([]);
  });

  it('is given of each class without a rule, with the severity that it has then', () => {
    const told = warned('rules: {prompt_injection: {}}\nclasses: {data_loss: {default_severity: critical}}');
    expect(told).toHaveLength(9);
    expect(told).toContain('null: tool_call_burst has no rule: nothing is contained, and it is medium unless its reporter says more');
    expect(told).toContain('null: data_loss has no rule: nothing is contained, and it is critical unless its reporter says more');
  });

  it('is given of what nobody is asked to do, where others are, and of who is never asked', () => {
    expect(warned(`${ACTUATORS}\n${every('auto_contain: true, actions: [freeze_agent, quarantine_model, log_alert]')}`)).toEqual([
      'null: actuator wall is never asked: no rule has block_ip',
      '3: quarantine_model of rule prompt_injection has no actuator, while others have: it is recorded, counts as contained, and nobody is asked',
    ]);
  });

  it('is given of a policy that orders nothing, or nothing that ever counts', () => {
    expect(warned(`mode: observe\n${every('')}`)).toEqual(['null: mode is observe: no rule orders anything']);
    expect(warned(`without_actuator: never\n${every('')}`)).toEqual([expect.stringContaining('there is no actuator')]);
  });

  it('is given of a webhook without a secret, by its number and not by its URL, which may hold one', () => {
    const told = warned(
      `${every('')}\nalerting: {webhooks: [{url: "http://127.0.0.1/a", secret: a.key}, {url: "http://127.0.0.1/b?key=hidden"}]}`,
    );
    expect(told).toEqual(['null: webhook 2 has no secret: who listens there cannot know that it is told by us']);
  });
});
