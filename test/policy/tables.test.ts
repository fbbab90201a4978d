// The nine classes: the built-in table, the shipped file and the original's file say the same, and it is this table.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { Policy } from '../../src/policy/policy.ts';

const ROOT = join(import.meta.dirname, '../..');
const SHIPPED = join(ROOT, 'policy/incident-containment.yaml');
const ORIGINAL = join(ROOT, 'test/fixtures/policies/original-v1.yaml');

/** class | auto_contain | default_severity | actions */
const TABLE = `
attestation_failure       | yes | critical | freeze_agent, disable_airlock, force_vault_relock
policy_bypass_attempt     | yes | high     | freeze_agent, log_alert
manifest_mismatch         | yes | high     | quarantine_model, freeze_agent
forbidden_airlock_request | no  | medium   | log_alert
prompt_injection          | yes | high     | freeze_agent, log_alert
tool_call_burst           | yes | medium   | freeze_agent
model_behavior_anomaly    | yes | high     | quarantine_model, log_alert
integrity_violation       | yes | critical | freeze_agent, disable_airlock, force_vault_relock
unauthorized_access       | yes | critical | freeze_agent, force_vault_relock, log_alert`;

function tableOf({ rules }: Policy): string[] {
  return [...rules].map(([name, { auto_contain, default_severity, actions }]) =>
    [name, auto_contain ? 'yes' : 'no', default_severity, actions.map(({ action }) => action).join(', ')].join(' | '),
  );
}

const expected = TABLE.trim()
  .split('\n')
  .map((row) => row.replaceAll(/ +\| +/g, ' | '));

const shipped = loadPolicy(SHIPPED);
const original = loadPolicy(ORIGINAL);
if (!shipped || !original) throw new Error('a policy file is missing');

describe('the nine classes', () => {
  it.each([
    ['built-in table', builtInPolicy()],
    ['shipped policy file', shipped],
    ['original’s policy file', original],
  ])('are in the %s as they are in this one', (_, policy) => {
    expect(tableOf(policy).toSorted()).toEqual(expected.toSorted());
    expect([...policy.classes.keys()].toSorted()).toEqual([...policy.rules.keys()].toSorted());
  });
});

describe('the built-in policy', () => {
  const policy = builtInPolicy();

  it('contains on record, and escalates, joins and raises nothing by itself', () => {
    expect(policy).toMatchObject({ from: 'built_in', mode: 'enforce', without_actuator: 'recorded', webhooks: [] });
    expect(policy.self).toEqual({ integrity_violation: 'observe' });
    for (const rule of policy.rules.values()) {
      expect(rule).toMatchObject({ min_severity: null, dedupe: null, escalate: null, max_holds: 100, line: null });
    }
  });

  it('has a text and its SHA-256, the same at each start', () => {
    expect(policy.sha256).toBe(createHash('sha256').update(policy.text).digest('hex'));
    expect(builtInPolicy().sha256).toBe(policy.sha256);
    expect(JSON.parse(policy.text)).toHaveProperty('tool_call_burst.auto_contain', true);
  });
});

describe('the shipped policy file', () => {
  it('escalates as the original means to, and nothing else', () => {
    const escalations = [...shipped.rules].flatMap(([name, { escalate }]) =>
      escalate ? [`${name} ${escalate.count}/${escalate.window_ms / 1000} s → ${escalate.to}`] : [],
    );
    expect(escalations.toSorted()).toEqual([
      'forbidden_airlock_request 5/300 s → high',
      'model_behavior_anomaly 3/900 s → critical',
      'policy_bypass_attempt 2/600 s → critical',
      'prompt_injection 3/300 s → critical',
      'tool_call_burst 5/60 s → high',
    ]);
  });

  it('contains by default, and lets its own findings only observe', () => {
    expect(shipped).toMatchObject({ mode: 'enforce', without_actuator: 'recorded', self: { integrity_violation: 'observe' } });
  });

  it('is known by the SHA-256 of its bytes, and each rule by its line', () => {
    const bytes = readFileSync(SHIPPED);
    expect(shipped.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    const lines = bytes.toString().split('\n');
    for (const [name, { line }] of shipped.rules) expect(lines[(line ?? 0) - 1]).toBe(`  ${name}:`);
  });
});

describe('the original’s policy file', () => {
  it('means what it meant: everything that it could not say is off', () => {
    expect(original).toMatchObject({
      mode: 'enforce',
      without_actuator: 'recorded',
      self: { integrity_violation: 'observe' },
      webhooks: [],
    });
    for (const rule of original.rules.values()) {
      expect(rule).toMatchObject({ min_severity: null, dedupe: null, escalate: null, max_holds: 100 });
    }
  });
});
