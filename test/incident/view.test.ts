// An incident as it is answered: the fields of the contract, in its order, and two hashes that must not be mixed up.

import { describe, expect, it } from 'vitest';
import type { Incident } from '../../src/incident/incident.ts';
import { viewOf } from '../../src/incident/view.ts';

const AT = '2026-03-13T08:15:30.123Z';
const action = { action: 'log_alert', target: 'host:*', hold_id: null, status: 'verified', actuator: null, attempts: 0 } as const;
const incident: Incident = {
  ...{ id: 'INC-20260313-1f0c9a7be2d4', created_at: AT, updated_at: AT, occurred_at: null },
  ...{ class: 'prompt_injection', severity: 'high', state: 'open', source: 'tool-firewall', reported_by: 'firewall' },
  ...{ description: 'text', evidence: null, subject: null, dedup_key: null, occurrences: 1, last_seen_at: AT, follows: null },
  ...{ confidence: null, attack: null, trace_id: null, containment_actions: ['log_alert'], proposed_actions: [] },
  containment: { status: 'verified', reached_at: AT, actions: [{ ...action, error: null, completed_at: AT }] },
  ...{ resolved_at: null, resolution: null },
  decided_by: { policy_sha256: '0'.repeat(64), rule: 'prompt_injection', line: 12, severity_from: 'rule' },
  release: null,
  audit: { seq: 42, hash: 'a'.repeat(64) },
};

describe('an incident as it is answered', () => {
  it('has the fields of the contract in its order', () => {
    expect(Object.keys(viewOf(incident))).toEqual([
      ...['id', 'created_at', 'updated_at', 'occurred_at', 'class', 'severity', 'state', 'source', 'reported_by', 'description'],
      ...['evidence', 'subject', 'dedup_key', 'occurrences', 'last_seen_at', 'follows', 'confidence', 'attack', 'trace_id'],
      ...['containment_actions', 'proposed_actions', 'containment', 'containment_results', 'resolved_at', 'resolution', 'decided_by'],
      ...['audit', 'hash'],
    ]);
  });

  it('shows finished actions in the original’s form too', () => {
    expect(viewOf(incident)).toMatchObject({ containment_results: [{ action: 'log_alert', success: true, completed_at: AT }] });
  });

  it('carries the receipt of the change that was just made, while its hash stays that of its report', () => {
    const receipt = { seq: 50, hash: 'b'.repeat(64) };
    expect(viewOf(incident, receipt)).toMatchObject({ audit: receipt, hash: incident.audit.hash });
    expect(viewOf(incident)).toMatchObject({ audit: incident.audit, hash: incident.audit.hash });
  });
});
