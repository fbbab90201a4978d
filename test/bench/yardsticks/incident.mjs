// What the yardsticks answer: an incident's worth of JSON around a report, so that all three servers write about as many bytes.

import { randomBytes } from 'node:crypto';

const HASH = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';

const action = (name) => ({
  action: name,
  target: 'agent:default',
  hold_id: 'HLD-0123456789ab',
  status: 'recorded',
  actuator: null,
  attempts: 0,
  error: null,
  completed_at: null,
});
const ACTIONS = ['freeze_agent', 'disable_airlock', 'force_vault_relock'];

export function incidentOf(report) {
  const now = new Date().toISOString();
  return {
    id: `INC-${now.slice(0, 10).replaceAll('-', '')}-${randomBytes(6).toString('hex')}`,
    created_at: now,
    updated_at: now,
    occurred_at: null,
    class: report.class,
    severity: report.severity,
    state: 'contained',
    source: report.source,
    reported_by: 'service',
    description: report.description,
    evidence: report.evidence,
    subject: null,
    dedup_key: null,
    occurrences: 1,
    last_seen_at: now,
    follows: null,
    confidence: null,
    attack: null,
    trace_id: null,
    containment_actions: ACTIONS,
    proposed_actions: [],
    containment: { status: 'recorded', reached_at: now, actions: ACTIONS.map(action) },
    containment_results: [],
    resolved_at: null,
    resolution: null,
    decided_by: { policy_sha256: HASH, rule: report.class, line: 18, severity_from: 'reporter' },
    audit: { seq: 123_456, hash: HASH },
    hash: HASH,
  };
}
