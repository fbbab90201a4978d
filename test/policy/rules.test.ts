// What a rule may say of its actions, and every way in which it is refused: targets, parameters, ends, conditions, gates.

import { describe, expect, it } from 'vitest';
import type { RuleAction } from '../../src/policy/policy.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import { refusalOf } from '../support/refusal.ts';

const PLAIN = { target: null, params: {}, ttl_ms: [], if: null, approve: null };
const file = (actions: string, more = '') => `version: 1\nrules:\n  prompt_injection:\n    actions: [${actions}]\n${more}`;
const actions = (written: string, more = ''): readonly RuleAction[] =>
  parsePolicy('p.yaml', file(written, more)).rules.get('prompt_injection')?.actions ?? [];
/** Without the path: the first action stands on 4:15, its keys from 4:16 on. */
const refuse = (written: string, more = '') => {
  const { code, message } = refusalOf(() => parsePolicy('p.yaml', file(written, more)));
  expect(code).toBe('invalid_configuration');
  return message.replaceAll('rules/prompt_injection/', '');
};

describe('an action of a rule', () => {
  it.each<[string, Partial<RuleAction>]>([
    ['freeze_agent', { action: 'freeze_agent' }],
    ['{action: freeze_agent}', { action: 'freeze_agent' }],
    ['block_ip', { action: 'block_ip' }],
    ['{action: block_ip, target: subject}', { action: 'block_ip', target: 'subject' }],
    ['{action: block_ip, target: evidence.src_ip}', { action: 'block_ip', target: 'evidence.src_ip' }],
    ['{action: freeze_agent, target: subject}', { action: 'freeze_agent', target: 'subject' }],
    ['{action: quarantine_model, target: evidence.path}', { action: 'quarantine_model', target: 'evidence.path' }],
    ['{action: block_ip, ttl: 1h}', { action: 'block_ip', ttl_ms: [3_600_000] }],
    ['{action: block_ip, ttl: [1h]}', { action: 'block_ip', ttl_ms: [3_600_000] }],
    ['{action: block_ip, ttl: [1h, 4h, 24h]}', { action: 'block_ip', ttl_ms: [3_600_000, 14_400_000, 86_400_000] }],
    ['{action: freeze_agent, ttl: 10m}', { action: 'freeze_agent', ttl_ms: [600_000] }],
    ['rate_limit', { action: 'rate_limit', params: { limit: 5, window: '120s' } }],
    ['{action: rate_limit, params: {}}', { action: 'rate_limit', params: { limit: 5, window: '120s' } }],
    ['{action: rate_limit, params: {limit: 1000000}}', { action: 'rate_limit', params: { limit: 1_000_000, window: '120s' } }],
    ['{action: rate_limit, params: {window: 2m, limit: 1}}', { action: 'rate_limit', params: { limit: 1, window: '120s' } }],
    ['{action: rate_limit, params: {window: 1d}}', { action: 'rate_limit', params: { limit: 5, window: '86400s' } }],
    ['{action: rate_limit, params: {window: 3000ms}}', { action: 'rate_limit', params: { limit: 5, window: '3s' } }],
    ['{action: block_ip, params: {}}', { action: 'block_ip' }],
    [
      '{action: block_ip, if: severity >= critical, approve: confidence < 0.85}',
      {
        action: 'block_ip',
        if: { field: 'severity', op: '>=', value: 'critical', text: 'severity >= critical' },
        approve: { field: 'confidence', op: '<', value: 0.85, text: 'confidence < 0.85' },
      },
    ],
    [
      '{action: log_alert, if: severity >= high}',
      { action: 'log_alert', if: { field: 'severity', op: '>=', value: 'high', text: 'severity >= high' } },
    ],
  ])('%s', (written, expected) => {
    expect(actions(written)).toEqual([{ ...PLAIN, ...expected }]);
  });

  it('may stand twice with another target, or where another condition holds', () => {
    expect(actions('{action: block_ip, target: evidence.src_ip}, {action: block_ip, target: evidence.dst_ip}')).toHaveLength(2);
    expect(
      actions('{action: block_ip, if: severity >= critical, ttl: 1d}, {action: block_ip, if: severity >= high, ttl: 1h}'),
    ).toHaveLength(2);
    expect(actions('{action: block_ip, if: severity >= critical, ttl: 1d}, {action: block_ip, ttl: 1h}')).toHaveLength(2);
  });

  it('may have a cooldown, and a gate before it lets go', () => {
    const { rules } = parsePolicy(
      'p.yaml',
      file('freeze_agent', '    cooldown: 30s\n  attestation_failure: {release: {gate: [acknowledged, attested]}}\n'),
    );
    expect(rules.get('prompt_injection')).toMatchObject({ cooldown_ms: 30_000, gate: [] });
    expect(rules.get('attestation_failure')).toMatchObject({ cooldown_ms: 0, gate: ['acknowledged', 'attested'] });
  });
});

describe('refused', () => {
  const PATH = 'must be subject or evidence.<key>';
  it.each([
    // The entry.
    ['freeze_agnet', 'p.yaml:4:15: actions/0 must be one of freeze_agent, disable_airlock,'],
    ['freeze_agnet', '; did you mean "freeze_agent"?'],
    ['{action: blok_ip}', '; did you mean "block_ip"?'],
    ['{action: toString}', 'p.yaml:4:16: actions/0/action must be one of'],
    ['{}', 'p.yaml:4:15: actions/0/action must be one of'],
    ['null', 'p.yaml:4:15: actions/0 must be an object'],
    ['{action: block_ip, tgt: subject}', 'p.yaml:4:34: actions/0/tgt is not a known key'],
    ['{action: block_ip, tll: 1h}', 'p.yaml:4:34: actions/0/tll is not a known key; did you mean "ttl"?'],
    ['{action: block_ip, when: x}', 'p.yaml:4:34: actions/0/when is not a known key'],
    // Targets.
    ['{action: block_ip, target: subjct}', `p.yaml:4:34: actions/0/target ${PATH}`],
    ['{action: block_ip, target: 203.0.113.7}', `p.yaml:4:34: actions/0/target ${PATH}`],
    ['{action: block_ip, target: evidence}', `p.yaml:4:34: actions/0/target ${PATH}`],
    ['{action: block_ip, target: evidence.}', `p.yaml:4:34: actions/0/target ${PATH}`],
    ['{action: block_ip, target: evidence.a.b}', `p.yaml:4:34: actions/0/target ${PATH}`],
    ['{action: block_ip, target: "${evidence.src_ip}"}', `p.yaml:4:34: actions/0/target ${PATH}`],
    ['{action: block_ip, target: subject.id}', `p.yaml:4:34: actions/0/target ${PATH}`],
    ['{action: block_ip, target: [subject]}', 'p.yaml:4:34: actions/0/target must be a string'],
    [
      '{action: disable_airlock, target: subject}',
      'p.yaml:4:41: actions/0/target must not be subject: disable_airlock is always done to all there is',
    ],
    [
      '{action: force_vault_relock, target: evidence.v}',
      'p.yaml:4:44: actions/0/target must not be evidence: force_vault_relock is always done',
    ],
    ['{action: log_alert, target: subject}', 'p.yaml:4:35: actions/0/target must not be subject: log_alert is always done to all there is'],
    [
      '{action: rate_limit, target: evidence.src_ip}',
      'p.yaml:4:36: actions/0/target must not be evidence: rate_limit takes its ip, user, session from the subject',
    ],
    // Parameters.
    ['{action: rate_limit, params: {limt: 5}}', 'p.yaml:4:45: actions/0/params/limt is no parameter of rate_limit; did you mean "limit"?'],
    ['{action: rate_limit, params: {constructor: 5}}', 'p.yaml:4:45: actions/0/params/constructor is no parameter of rate_limit'],
    ['{action: block_ip, params: {limit: 5}}', 'p.yaml:4:43: actions/0/params/limit is no parameter of block_ip'],
    ['{action: freeze_agent, params: {hard: true}}', 'p.yaml:4:47: actions/0/params/hard is no parameter of freeze_agent'],
    ['{action: rate_limit, params: {limit: 0}}', 'actions/0/params/limit must be a whole number from 1 to 1000000'],
    ['{action: rate_limit, params: {limit: 1000001}}', 'actions/0/params/limit must be a whole number from 1 to 1000000'],
    ['{action: rate_limit, params: {limit: 1.5}}', 'actions/0/params/limit must be a whole number from 1 to 1000000'],
    ['{action: rate_limit, params: {limit: "5"}}', 'actions/0/params/limit must be a whole number from 1 to 1000000'],
    ['{action: rate_limit, params: {limit: .inf}}', 'actions/0/params/limit must be a whole number from 1 to 1000000'],
    ['{action: rate_limit, params: {limit: null}}', 'actions/0/params/limit must be a whole number from 1 to 1000000'],
    ['{action: rate_limit, params: {window: 120}}', 'actions/0/params/window must be a duration such as 30s, 5m or 4h'],
    ['{action: rate_limit, params: {window: 2 m}}', 'actions/0/params/window must be a duration such as 30s, 5m or 4h'],
    ['{action: rate_limit, params: {window: 500ms}}', 'actions/0/params/window must be whole seconds, from 1s to 1d'],
    ['{action: rate_limit, params: {window: 1500ms}}', 'actions/0/params/window must be whole seconds, from 1s to 1d'],
    ['{action: rate_limit, params: {window: 25h}}', 'actions/0/params/window must be whole seconds, from 1s to 1d'],
    ['{action: rate_limit, params: [5]}', 'p.yaml:4:36: actions/0/params must be a mapping'],
    // Ends.
    ['{action: block_ip, ttl: 60}', 'p.yaml:4:34: actions/0/ttl must be a string'],
    ['{action: block_ip, ttl: 1 hour}', 'p.yaml:4:34: actions/0/ttl must be a duration such as 30s, 5m or 4h'],
    ['{action: block_ip, ttl: 367d}', 'p.yaml:4:34: actions/0/ttl must be at most 366d'],
    ['{action: block_ip, ttl: []}', 'p.yaml:4:34: actions/0/ttl must be at least 1 items'],
    ['{action: block_ip, ttl: [1h, 2h, x]}', 'p.yaml:4:48: actions/0/ttl/2 must be a duration'],
    ['{action: block_ip, ttl: [1h, 1h]}', 'p.yaml:4:44: actions/0/ttl/1 does not rise: a repeated offender is held longer'],
    ['{action: block_ip, ttl: [1h, 4h, 2h]}', 'p.yaml:4:48: actions/0/ttl/2 does not rise'],
    ['{action: block_ip, ttl: [60m, 1h]}', 'p.yaml:4:45: actions/0/ttl/1 does not rise'],
    [`{action: block_ip, ttl: [${[1, 2, 3, 4, 5, 6, 7, 8, 9].map((h) => `${h}h`).join(', ')}]}`, 'actions/0/ttl must be at most 8 items'],
    [
      '{action: force_vault_relock, ttl: 1h}',
      'p.yaml:4:44: actions/0/ttl does not go with force_vault_relock, which cannot be undone by a command',
    ],
    ['{action: quarantine_model, ttl: 1h}', 'actions/0/ttl does not go with quarantine_model, which cannot be undone'],
    ['{action: terminate_session, ttl: 1h}', 'actions/0/ttl does not go with terminate_session, which cannot be undone'],
    ['{action: log_alert, ttl: 1h}', 'actions/0/ttl does not go with log_alert, which cannot be undone'],
    // Conditions.
    ['{action: block_ip, if: sevrity >= high}', 'p.yaml:4:34: actions/0/if asks for sevrity, which is none of'],
    ['{action: block_ip, if: sevrity >= high}', '; did you mean "severity"?'],
    ['{action: block_ip, if: severity => high}', 'p.yaml:4:34: actions/0/if needs one of == != < <= > >= behind severity'],
    ['{action: block_ip, if: severity >= hgih}', '; did you mean "high"?'],
    ['{action: block_ip, approve: true}', 'p.yaml:4:34: actions/0/approve must be a string'],
    [
      '{action: block_ip, approve: confidence < 85}',
      'p.yaml:4:34: actions/0/approve compares confidence with what is no number from 0 to 1',
    ],
    ['{action: block_ip, if: severity > critical}', 'p.yaml:4:34: actions/0/if can never hold'],
    ['{action: block_ip, if: confidence > 1}', 'p.yaml:4:34: actions/0/if can never hold'],
    ['{action: block_ip, approve: severity < low}', 'p.yaml:4:34: actions/0/approve can never hold where the action is ordered'],
    ['{action: block_ip, if: severity >= high, approve: severity == low}', 'p.yaml:4:56: actions/0/approve can never hold where'],
    ['{action: log_alert, approve: severity >= high}', 'p.yaml:4:35: actions/0/approve does not go with log_alert, which commands nobody'],
    // A second entry.
    ['freeze_agent, freeze_agent', 'p.yaml:4:29: actions/1 names freeze_agent a second time'],
    ['freeze_agent, {action: freeze_agent}', 'p.yaml:4:29: actions/1 names freeze_agent a second time'],
    ['block_ip, {action: block_ip, if: severity >= high}', 'p.yaml:4:25: actions/1 names block_ip a second time'],
    ['block_ip, {action: block_ip, target: subject}', 'p.yaml:4:25: actions/1 names block_ip a second time'],
    [
      '{action: block_ip, if: severity >= high}, {action: block_ip, if: severity >= critical}',
      'p.yaml:4:57: actions/1 names block_ip a second time, and never comes first where it holds',
    ],
    [
      '{action: block_ip, if: source == a}, {action: block_ip, if: source != a}, block_ip',
      'actions/2 names block_ip a second time, and never comes first where it holds',
    ],
  ])('%s: %s', (written, message) => {
    expect(refuse(written)).toContain(message);
  });

  it.each([
    [
      '    min_severity: high\n',
      '{action: block_ip, if: severity == medium}',
      "p.yaml:4:34: actions/0/if can never hold over the rule's min_severity",
    ],
    ['    release: {gate: [attested]}\n', '{action: freeze_agent, ttl: 1h}', 'p.yaml:4:38: actions/0/ttl does not go with release'],
    [
      '    release: {gate: [acknowleged]}\n',
      'freeze_agent',
      'release/gate/0 must be one of acknowledged, attested; did you mean "acknowledged"?',
    ],
    ['    release: {gate: [attested, attested]}\n', 'freeze_agent', 'p.yaml:5:32: release/gate/1 names attested a second time'],
    ['    release: {gate: []}\n', 'freeze_agent', 'p.yaml:5:15: release/gate must be at least 1 items'],
    ['    release: {}\n', 'freeze_agent', 'p.yaml:5:5: release/gate is required'],
    ['    release: {gates: [attested]}\n', 'freeze_agent', 'release/gates is not a known key; did you mean "gate"?'],
    ['    release: [attested]\n', 'freeze_agent', 'p.yaml:5:5: release must be an object'],
    ['    cooldown: 30\n', 'freeze_agent', 'p.yaml:5:5: cooldown must be a string'],
    ['    cooldown: 0s\n', 'freeze_agent', 'p.yaml:5:5: cooldown must be a duration such as 30s, 5m or 4h'],
    ['    coldown: 3s\n', 'freeze_agent', 'coldown is not a known key; did you mean "cooldown"?'],
  ])('%j with %s: %s', (more, written, message) => {
    expect(refuse(written, more)).toContain(message);
  });
});

describe('on top of the file', () => {
  const top = (more: string) => `version: 1\nrules: {}\n${more}\n`;
  const refuseTop = (more: string) => refusalOf(() => parsePolicy('p.yaml', top(more))).message;

  it.each(['accepted', 'enforced', 'verified'])('contained_when may be %s', (level) => {
    expect(parsePolicy('p.yaml', top(`contained_when: ${level}`)).contained_when).toBe(level);
  });

  it('approvals wait an hour, and then go on waiting with an alert, unless something else is said', () => {
    const approvals = (more: string) => parsePolicy('p.yaml', top(more)).approvals;
    expect(approvals('')).toEqual({ timeout_ms: 3_600_000, on_timeout: 'escalate' });
    expect(approvals('approvals: {}')).toEqual({ timeout_ms: 3_600_000, on_timeout: 'escalate' });
    expect(approvals('approvals: {timeout: 5m}')).toEqual({ timeout_ms: 300_000, on_timeout: 'escalate' });
    expect(approvals('approvals: {on_timeout: reject}')).toEqual({ timeout_ms: 3_600_000, on_timeout: 'reject' });
  });

  it('webhooks may have a format and a secret', () => {
    const { webhooks } = parsePolicy(
      'p.yaml',
      top(
        'alerting: {webhooks: [{url: "http://h/a", secret: hook.key}, {url: "https://h/b", events: [recovery], format: slack}, {url: "https://h/c", format: discord}]}',
      ),
    );
    expect(webhooks).toEqual([
      { url: 'http://h/a', events: [], format: 'original', secret: 'hook.key' },
      { url: 'https://h/b', events: ['recovery'], format: 'slack', secret: null },
      { url: 'https://h/c', events: [], format: 'discord', secret: null },
    ]);
  });

  it.each([
    ['contained_when: done', 'p.yaml:3:1: contained_when must be one of accepted, enforced, verified'],
    ['contained_when: verifed', '; did you mean "verified"?'],
    ['contained_wen: enforced', 'p.yaml:3:1: contained_wen is not a known key; did you mean "contained_when"?'],
    ['approvals: {timeout: 1 hour}', 'p.yaml:3:13: approvals/timeout must be a duration such as 30s, 5m or 4h'],
    ['approvals: {on_timeout: approve}', 'p.yaml:3:13: approvals/on_timeout must be one of reject, escalate'],
    ['approvals: {on_timeout: escalte}', '; did you mean "escalate"?'],
    ['approvals: {timeot: 1h}', 'p.yaml:3:13: approvals/timeot is not a known key; did you mean "timeout"?'],
    ['approvals: 1h', 'p.yaml:3:1: approvals must be an object'],
    [
      'alerting: {webhooks: [{url: "http://h", format: teams}]}',
      'p.yaml:3:41: alerting/webhooks/0/format must be one of original, slack, discord',
    ],
    [
      'alerting: {webhooks: [{url: "http://h", secret: ../a}]}',
      'p.yaml:3:41: alerting/webhooks/0/secret must be one bare file name in SECRETS_DIR',
    ],
    ['alerting: {webhooks: [{url: "http://me:pw@h/a"}]}', 'p.yaml:3:24: alerting/webhooks/0/url must have no user or password'],
    ['alerting: {webhooks: [{url: "http:\\\\me@h/a"}]}', 'p.yaml:3:24: alerting/webhooks/0/url must have no user or password'],
    ['alerting: {webhooks: [{url: "http://:pw@h/a"}]}', 'p.yaml:3:24: alerting/webhooks/0/url must have no user or password'],
  ])('%s: %s', (more, message) => {
    expect(refuseTop(more)).toContain(message);
  });
});
