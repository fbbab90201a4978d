// The policy without a file: the nine classes as the original shipped them. policy/incident-containment.yaml holds the same table.

import { createHash } from 'node:crypto';
import { CLASSES } from '../incident/vocabulary.ts';
import { DEFAULT_MAX_HOLDS, type Policy, type Rule } from './policy.ts';

type Row = Pick<Rule, 'auto_contain' | 'default_severity' | 'actions'>;

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

const PLAIN = { min_severity: null, dedupe: null, escalate: null, max_holds: DEFAULT_MAX_HOLDS, line: null };

/** What is in force when there is no policy file at start. It escalates nothing: that is the shipped file's to say. */
export function builtInPolicy(): Policy {
  const text = JSON.stringify(BUILT_IN);
  return {
    from: 'built_in',
    sha256: createHash('sha256').update(text).digest('hex'),
    text,
    mode: 'enforce',
    without_actuator: 'recorded',
    rules: new Map(CLASSES.map((name) => [name, { ...PLAIN, ...BUILT_IN[name] }])),
    classes: new Map(CLASSES.map((name) => [name, null])),
    self: { integrity_violation: 'observe' },
    webhooks: [],
  };
}
