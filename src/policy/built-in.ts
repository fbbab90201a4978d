// The policy without a file: the nine classes as the original shipped them. policy/incident-containment.yaml holds the same table.

import { createHash } from 'node:crypto';
import { CLASSES } from '../incident/vocabulary.ts';
import type { ActionName } from '../incident/actions.ts';
import { plainAction } from './plain-action.ts';
import { type Actuator, DEFAULT_MAX_HOLDS, type Policy, type Rule } from './policy.ts';

type Row = Pick<Rule, 'auto_contain' | 'default_severity'> & { readonly actions: readonly ActionName[] };

const BUILT_IN: Record<(typeof CLASSES)[number], Row> = {
  attestation_failure: {
    auto_contain: true,
    default_severity: 'critical',
    actions: ['freeze_agent', 'disable_airlock', 'force_vault_relock'],
  },
  policy_bypass_attempt: { auto_contain: true, default_severity: 'high', actions: ['freeze_agent', 'log_alert'] },
  manifest_mismatch: { auto_contain: true, default_severity: 'high', actions: ['quarantine_model', 'freeze_agent'] },
  forbidden_airlock_request: { auto_contain: false, default_severity: 'medium', actions: ['log_alert'] },
  prompt_injection: { auto_contain: true, default_severity: 'high', actions: ['freeze_agent', 'log_alert'] },
  tool_call_burst: { auto_contain: true, default_severity: 'medium', actions: ['freeze_agent'] },
  model_behavior_anomaly: { auto_contain: true, default_severity: 'high', actions: ['quarantine_model', 'log_alert'] },
  integrity_violation: {
    auto_contain: true,
    default_severity: 'critical',
    actions: ['freeze_agent', 'disable_airlock', 'force_vault_relock'],
  },
  unauthorized_access: { auto_contain: true, default_severity: 'critical', actions: ['freeze_agent', 'force_vault_relock', 'log_alert'] },
};

const PLAIN = {
  ...{ min_severity: null, dedupe: null, escalate: null, cooldown_ms: 0 },
  ...{ max_holds: DEFAULT_MAX_HOLDS, gate: [], line: null },
};

/**
 * What is in force when there is no policy file at start. It escalates nothing: that is the shipped file's to say.
 * @param fallback the actuators of the environment
 */
export function builtInPolicy(fallback: readonly Actuator[] = []): Policy {
  const text = JSON.stringify(BUILT_IN);
  return {
    from: 'built_in',
    sha256: createHash('sha256').update(text).digest('hex'),
    text,
    mode: 'enforce',
    contained_when: 'enforced',
    without_actuator: 'recorded',
    rules: new Map(CLASSES.map((name) => [name, { ...PLAIN, ...BUILT_IN[name], actions: BUILT_IN[name].actions.map(plainAction) }])),
    protect: [],
    actuators: new Map(fallback.map((actuator) => [actuator.name, actuator])),
    approvals: { timeout_ms: 3_600_000, on_timeout: 'escalate' },
    classes: new Map(CLASSES.map((name) => [name, null])),
    self: { integrity_violation: 'observe' },
    webhooks: [],
  };
}
