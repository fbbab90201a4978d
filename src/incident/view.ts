// Incidents, holds, commands and approvals as JSON for whoever asked: the fields in the order of the contract.

import { targetName } from './actions.ts';
import type { Approval } from './approval.ts';
import type { Command } from './command.ts';
import { resultsOf } from './containment.ts';
import { bindingOf, missingAt } from './gate.ts';
import type { Hold } from './hold.ts';
import type { Incident, Receipt } from './incident.ts';

/**
 * The incident, and what follows from it; of its release gate, where it has one, also what is still missing, and what an attestation must be
 * bound to. `audit` is the receipt of the change that was just made, else of its report.
 */
export function viewOf(incident: Incident, receipt: Receipt = incident.audit): Record<string, unknown> {
  const { resolved_at, resolution, decided_by, release, audit, ...rest } = incident;
  return {
    ...rest,
    containment_results: resultsOf(incident.containment.actions),
    resolved_at,
    resolution,
    ...(release && { release: { ...release, binding: bindingOf(incident), missing: missingAt(incident) } }),
    decided_by,
    audit: receipt,
    hash: audit.hash,
  };
}

/** How many incidents there are of something, and the ids of the first of them. */
export interface Named {
  readonly count: number;
  readonly ids: readonly string[];
}

/** A hold, and the incidents that own it now. */
export function holdView(hold: Hold, owners: Named): Record<string, unknown> {
  const { id, action, target, params, status, actuator, attempts, error, completed_at } = hold;
  const { rule, source, incident_id, created_at, expires_at, ending, released_at } = hold;
  return {
    ...{ id, action, target: targetName(target), params, status, actuator, attempts, error, completed_at, owners },
    ...{ rule, source, incident_id, created_at, expires_at, ending, released_at },
  };
}

/** What an actuator is to make true: all that it needs to know of a hold, and nothing that moves with how far it has come. */
export function desiredView({ id, action, target, params, expires_at }: Hold): Record<string, unknown> {
  return { hold_id: id, action, target, params, expires_at };
}

/** A command, and the incidents that own its hold now. */
export function commandView(command: Command, incidents: Named): Record<string, unknown> {
  const { seq, id, op, hold_id, action, target, params, incident_id, actuator, reason, status, overdue, attempts, error, evidence } =
    command;
  const { late, created_at, not_before, deadline_at, completed_at } = command;
  return {
    ...{ id, seq, op, hold_id, action, target: targetName(target), params, incident_id, incidents, actuator, reason, status, overdue },
    ...{ attempts, error, evidence, late, created_at, not_before, deadline_at, completed_at },
  };
}

export function approvalView(approval: Approval): Record<string, unknown> {
  const { id, incident_id, status, reason, requested_by, proposals, digest, created_at, expires_at } = approval;
  const { escalated, decided_at, decided_by, note, outcome } = approval;
  return {
    ...{ id, incident_id, status, reason, requested_by, proposals, digest, created_at, expires_at },
    ...{ escalated, decided_at, decided_by, note, outcome },
  };
}
