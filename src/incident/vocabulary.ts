// The words of the field: classes, severities, states, levels of containment. Everything else is spelt with these.

/** The nine classes that every installation knows; a policy may name more under `classes`. */
export const CLASSES = [
  'attestation_failure',
  'policy_bypass_attempt',
  'manifest_mismatch',
  'forbidden_airlock_request',
  'prompt_injection',
  'tool_call_burst',
  'model_behavior_anomaly',
  'integrity_violation',
  'unauthorized_access',
] as const;

/** Least to most severe; the place in this list is the rank. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** 1 (low) to 4 (critical). */
export function rankOf(severity: Severity): number {
  return SEVERITIES.indexOf(severity) + 1;
}

export function moreSevere(a: Severity, b: Severity): Severity {
  return rankOf(a) >= rankOf(b) ? a : b;
}

export const STATES = ['open', 'contained', 'acknowledged', 'resolved'] as const;
export type State = (typeof STATES)[number];

export const RESOLUTIONS = ['true_positive', 'false_positive', 'expected', 'test'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

/** The source of the recorder's own findings. No token may report under it. */
export const OWN_SOURCE = 'incident-recorder';
