// Approvals: what waits for an operator's word, and what that word does.

import { RecorderError } from '../errors.ts';
import { targetName } from '../incident/actions.ts';
import { type Approval, type Proposal, digestOf } from '../incident/approval.ts';
import type { RequestMark } from '../incident/events.ts';
import type { Hold } from '../incident/hold.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Log } from '../log.ts';
import { doerOf } from '../policy/policy.ts';
import { alert } from './alert.ts';
import { type Caller, OURSELVES, mustBeAnother } from './caller.ts';
import { chance } from './chance.ts';
import { type By, later, request, statusFor } from './commands.ts';
import type { Draft } from './draft.ts';
import { ended, extendHold, move } from './holds.ts';
import { doneBefore, keepDone } from './once.ts';
import { settle } from './settle.ts';

/** One for all that an incident's decision wants approved: an operator decides on the whole of it. */
export function requestApproval(
  draft: Draft,
  waiting: readonly { hold: Hold; ttl_ms: number | null; reason: string }[],
  incident: { seq: number; id: string; actor: string },
  requested_by: string,
): void {
  const proposals = waiting.map(({ hold, ttl_ms }): Proposal => {
    const { id: hold_id, action, target, params, actuator } = hold;
    return { hold_id, action, target: targetName(target), params, actuator, ttl_ms };
  });
  const reason = [...new Set(waiting.map((each) => each.reason))].join('; ');
  const id = `APR-${chance()}`;
  const digest = digestOf(proposals);
  const expires_at = later(draft.now, draft.policy.approvals.timeout_ms);
  const { seq } = draft.record('approval.requested', { id: incident.id, about: incident.seq }, incident.actor, {
    ...{ approval_id: id, reason, requested_by, proposals, digest, expires_at },
  });
  draft.approvals.insert(
    {
      ...{ seq, id, incident_id: incident.id, status: 'pending', reason, requested_by, proposals, digest },
      ...{ created_at: draft.now, expires_at, escalated: false, decided_at: null, decided_by: null, note: null },
    },
    incident.seq,
  );
}

export interface DecisionRequest {
  readonly id: string;
  readonly decision: 'approve' | 'reject';
  /** Of what the operator has seen. */
  readonly digest: string;
  readonly note: string | null;
  readonly caller: Caller;
  readonly mark: RequestMark | null;
}

export interface Decided {
  readonly approval: Approval;
  readonly receipt: Receipt;
  readonly replayed: boolean;
}

/** @throws RecorderError "not_found", "precondition_failed", "forbidden", "state_conflict", "idempotency_mismatch" */
export function decisionChange({ id, decision, digest, note, caller, mark }: DecisionRequest): (draft: Draft) => Decided {
  return (draft) => {
    const done = doneBefore(draft, mark);
    const approval = draft.approvals.byId(id);
    if (!approval) throw new RecorderError('not_found', 'there is no such approval');
    if (done) return { approval, receipt: done.receipt, replayed: true };
    if (approval.digest !== digest) throw new RecorderError('precondition_failed', 'that is not what is to be approved; read it again');
    mustBeAnother(caller, approval.requested_by);
    if (approval.status !== 'pending') throw decidedAlready(approval);
    if (decision === 'approve') checkActuators(draft, approval);
    const status = decision === 'approve' ? 'approved' : 'rejected';
    const receipt = close(draft, approval, { status, by: caller, note, mark });
    const by = { actor: caller.actor, incident_id: approval.incident_id };
    if (decision === 'approve') approve(draft, approval, by);
    else refuseAll(draft, approval, 'rejected', `rejected by ${caller.name}`, by);
    settle(draft);
    keepDone(draft, mark, approval.incident_id, receipt);
    return { approval: draft.approvals.byId(id) ?? approval, receipt, replayed: false };
  };
}

function decidedAlready({ status }: Approval): RecorderError {
  return new RecorderError('state_conflict', `it is ${status} already`, { state: status, allowed: [] });
}

/** What was shown to the operator must be what will be done. */
function checkActuators(draft: Draft, approval: Approval): void {
  for (const { hold } of stillWaiting(draft, approval)) {
    const { action, actuator } = hold;
    if (doerOf(draft.policy, action) === actuator) continue;
    throw new RecorderError('state_conflict', `who does ${action} has changed since: it is asked anew at once`, {
      ...{ state: 'pending', allowed: ['reject'] },
    });
  }
}

export function close(
  draft: Draft,
  { id, incident_id, seq }: Approval,
  { status, by, note, mark }: { status: 'approved' | 'rejected' | 'expired'; by: Caller; note: string | null; mark: RequestMark | null },
): Receipt {
  const kept = draft.incidents.byId(incident_id);
  const subject = { id: incident_id, ...(kept ? { about: kept.incident.audit.seq } : {}) };
  const receipt = draft.record('approval.decided', subject, by.actor, { approval_id: id, status, note, request: mark });
  draft.approvals.decide(seq, { status, decided_at: draft.now, decided_by: by.actor, note });
  return receipt;
}

/** Those that still wait: some may have been let go, or ordered without an approval, meanwhile. */
export function stillWaiting(draft: Draft, { proposals }: Approval): { hold: Hold; ttl_ms: number | null }[] {
  return proposals.flatMap(({ hold_id, ttl_ms }) => {
    const hold = draft.holds.byId(hold_id);
    return hold?.status === 'awaiting_approval' ? [{ hold, ttl_ms }] : [];
  });
}

function approve(draft: Draft, approval: Approval, by: By): void {
  for (const { hold, ttl_ms } of stillWaiting(draft, approval)) {
    const { hold: freed } = move(draft, hold, { to: { status: statusFor(hold.actuator) }, reason: 'approved', by });
    if (ttl_ms !== null) extendHold(draft, freed, later(draft.now, ttl_ms), by);
    if (hold.actuator !== null) request(draft, freed, 'apply', 'approved', by);
  }
}

/** A hold that waited is ordered without an approval now: it ends when the later of both orders says, and its approval waits no more. */
export function approvedByOrder(draft: Draft, hold: Hold, ttl_ms: number | null, by: By): void {
  const kept = draft.incidents.byId(hold.incident_id);
  const pending = kept ? draft.approvals.pendingOf(kept.incident.audit.seq) : [];
  const proposed = pending.flatMap(({ proposals }) => proposals).find(({ hold_id }) => hold_id === hold.id);
  const waited = proposed ? proposed.ttl_ms : ttl_ms;
  if (ttl_ms !== null && waited !== null) extendHold(draft, hold, later(draft.now, Math.max(ttl_ms, waited)), by);
  if (kept) closeIdle(draft, kept.incident.audit.seq);
}

function refuseAll(draft: Draft, approval: Approval, reason: 'rejected' | 'expired', failed: string, by: By): void {
  for (const { hold } of stillWaiting(draft, approval)) ended(draft, hold, { reason, ending: 'released', by, failed });
}

/** Nobody has decided in time: it is refused, or an alert is raised and it goes on waiting, as the policy says. */
export function overdueApproval(draft: Draft, approval: Approval, log: Log): void {
  const { id, incident_id } = approval;
  const by = { actor: OURSELVES.actor, incident_id };
  if (draft.policy.approvals.on_timeout === 'reject') {
    close(draft, approval, { status: 'expired', by: OURSELVES, note: null, mark: null });
    return refuseAll(draft, approval, 'expired', 'not approved in time', by);
  }
  const kept = draft.incidents.byId(incident_id);
  draft.approvals.escalate(approval.seq);
  if (!kept) return;
  const { incident } = kept;
  const subject = { id: incident_id, about: incident.audit.seq };
  draft.record('approval.escalated', subject, by.actor, { approval_id: id });
  const { seq } = alert(draft, subject, by.actor, { ...incident, reason: 'an approval is overdue' }, incident.description, log);
  draft.incidents.update({ ...incident, updated_at: draft.now }, seq);
}

/** An approval of which nothing waits any more is closed. To be called when holds of an incident have ended or were freed. */
export function closeIdle(draft: Draft, incident: number): void {
  for (const approval of draft.approvals.pendingOf(incident)) {
    if (stillWaiting(draft, approval).length > 0) continue;
    close(draft, approval, { status: 'expired', by: OURSELVES, note: 'nothing waits for it any more', mark: null });
  }
}
