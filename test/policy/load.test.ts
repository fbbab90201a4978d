// From a policy file to a policy: each key of the language, its defaults, and version-1 files of the original.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { loadPolicy, parsePolicy } from '../../src/policy/load.ts';
import { openFolder } from '../support/folder.ts';

const parse = (text: string) => parsePolicy('policy.yaml', text);
const PLAIN = { target: null, params: {}, ttl_ms: [], if: null, approve: null };
const top = (more: string) => parse(`version: 1\nrules: {}\n${more}\n`);
const rule = (written: string) => parse(`version: 1\nrules:\n  prompt_injection: ${written}\n`).rules.get('prompt_injection');

describe('a policy file', () => {
  it('that is not there is null, for whoever asks to say what that means', () => {
    using folder = openFolder();
    expect(loadPolicy(`${folder.path}/policy.yaml`)).toBeNull();
  });

  it('is known by its text and the SHA-256 of its bytes, byte order mark and all', () => {
    using folder = openFolder();
    for (const text of ['version: 1\nrules: {}\n', '\ufeffversion: 1\nrules: {} # größer\n']) {
      const policy = loadPolicy(folder.file('policy.yaml', text));
      expect(policy).toMatchObject({ from: 'file', text, sha256: createHash('sha256').update(text).digest('hex') });
    }
  });

  it('needs no more than a version and rules', () => {
    expect(parse('version: 1\nrules: {}\n')).toMatchObject({
      ...{ mode: 'enforce', without_actuator: 'recorded', self: { integrity_violation: 'observe' }, webhooks: [] },
      rules: new Map(),
    });
  });

  it.each(['enforce', 'observe', 'approve'])('may set mode: %s', (mode) => {
    expect(top(`mode: ${mode}`).mode).toBe(mode);
  });

  it.each(['recorded', 'never'])('may set without_actuator: %s', (level) => {
    expect(top(`without_actuator: ${level}`).without_actuator).toBe(level);
  });

  it.each(['observe', 'enforce'])('may let its own findings of broken integrity %s', (word) => {
    expect(top(`self: {integrity_violation: ${word}}`).self).toEqual({ integrity_violation: word });
    expect(top('self: {}').self).toEqual({ integrity_violation: 'observe' });
  });

  it('may name classes beyond the nine, each with its severity, and rules for them', () => {
    const policy = parse(
      'version: 1\nrules: {data_exfiltration: {actions: [log_alert]}}\nclasses: {data_exfiltration: {default_severity: critical}}\n',
    );
    expect(policy.classes.size).toBe(10);
    expect(policy.classes.get('data_exfiltration')).toBe('critical');
    expect(policy.classes.get('prompt_injection')).toBeNull();
    expect(policy.rules.get('data_exfiltration')).toMatchObject({ actions: [{ action: 'log_alert' }], default_severity: null });
  });
});

describe('a rule', () => {
  it('that says nothing contains nothing', () => {
    expect(rule('{}')).toEqual({
      ...{ auto_contain: false, actions: [], default_severity: null, min_severity: null },
      ...{ dedupe: null, escalate: null, cooldown_ms: 0, max_holds: 100, gate: [], line: 3 },
    });
  });

  it('keeps its actions in the order of the file', () => {
    expect(rule('{auto_contain: true, actions: [log_alert, force_vault_relock, freeze_agent]}')?.actions).toEqual(
      ['log_alert', 'force_vault_relock', 'freeze_agent'].map((action) => ({ action, ...PLAIN })),
    );
  });

  it.each(['low', 'medium', 'high', 'critical'])('may have %s as its default and its floor', (severity) => {
    expect(rule(`{default_severity: ${severity}, min_severity: ${severity}}`)).toMatchObject({
      default_severity: severity,
      min_severity: severity,
    });
  });

  it.each([1, 100, 1_000_000])('may have %d live holds for one source', (count) => {
    expect(rule(`{max_holds: ${count}}`)?.max_holds).toBe(count);
  });

  it('may join reports by any of the fields, evidence included', () => {
    const fields = ['source', 'subject', 'description', 'trace_id', 'reported_by', 'evidence.model_path', 'evidence.a b'];
    expect(rule(`{dedupe: {by: ${JSON.stringify(fields)}, window: 5m}}`)?.dedupe).toEqual({ by: fields, window_ms: 300_000 });
  });

  it('may escalate', () => {
    expect(rule('{escalate: {count: 3, window: 300s, to: critical}}')?.escalate).toEqual({ count: 3, window_ms: 300_000, to: 'critical' });
    expect(rule('{escalate: {count: 1000, window: 1s, to: medium}}')?.escalate?.count).toBe(1000);
  });

  it.each([
    ['1ms', 1],
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['4h', 14_400_000],
    ['1d', 86_400_000],
    ['366d', 31_622_400_000],
    ['999999999ms', 999_999_999],
  ])('may have a window of %s', (window, ms) => {
    expect(rule(`{escalate: {count: 2, window: ${window}, to: high}}`)?.escalate?.window_ms).toBe(ms);
  });

  it('knows the line on which it stands', () => {
    const { rules } = parse('# a\nversion: 1\n\nrules:\n  # b\n  tool_call_burst: {}\n\n  prompt_injection:\n    actions: []\n');
    expect([rules.get('tool_call_burst')?.line, rules.get('prompt_injection')?.line]).toEqual([6, 8]);
  });
});

describe('a version-1 file of the original', () => {
  it.each([
    ['no webhooks', 'alerting: {webhooks: []}', []],
    ['webhooks that are all commented out', 'alerting:\n  webhooks:\n  # - url: http://127.0.0.1:9090/hook', []],
    ['an empty block', 'alerting: {}', []],
    ['a webhook for all events', 'alerting: {webhooks: [{url: "http://127.0.0.1:9090/hook"}]}', ['http://127.0.0.1:9090/hook']],
    [
      'a webhook for none by name',
      'alerting: {webhooks: [{url: "http://127.0.0.1:9090/hook", events: []}]}',
      ['http://127.0.0.1:9090/hook'],
    ],
    [
      'webhooks for some events',
      'alerting: {webhooks: [{url: "http://h/a", events: [containment, escalation, recovery]}, {url: "https://h/b", events: [recovery]}]}',
      ['http://h/a', 'https://h/b'],
    ],
  ])('may have an alerting block with %s', (_, alerting, webhooks) => {
    expect(top(alerting).webhooks).toEqual(webhooks.map((url) => expect.objectContaining({ url, format: 'original', secret: null })));
  });

  it('may leave out of a rule whatever it likes, as it always could', () => {
    expect(rule('{auto_contain: true, actions: [freeze_agent]}')).toMatchObject({ auto_contain: true, default_severity: null });
    expect(rule('{actions: [freeze_agent], default_severity: low}')).toMatchObject({ auto_contain: false, default_severity: 'low' });
  });
});
