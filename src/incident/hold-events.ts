// What can happen to holds, their commands and what waits for an approval, as the audit log tells it.

import type { Target } from './actions.ts';
import type { Approval, Proposal } from './approval.ts';
import type { Command, CommandOp, CommandReason, CommandStatus, Params, ResultStatus } from './command.ts';
import type { Hold, Progress } from './hold.ts';
import type { Evidence } from './report.ts';

/** The SHA-256 of an Idempotency-Key and of the body it came with: enough to know the request again. */
export interface RequestMark {
  readonly token: string;
  readonly key_sha256: string;
  readonly body_sha256: string;
}

/** What becomes of a hold: how far it has come, and by what. */
interface HoldMoved {
  readonly hold: Progress;
}

/** Why a hold ended, or begins to end. */
export type EndReason = 'last owner ended' | 'operator' | 'expired' | 'rejected' | 'superseded';

export interface HoldEvents {
  'action.refused': { action: string; target: string; reason: 'limit' | 'protected' | 'no_target'; limit?: number; detail?: string };
  /** A hold is opened; what is left out is as of one without an actuator. */
  'hold.recorded': {
    action: string;
    target: Target;
    rule: string;
    source: string;
    incident_id: string;
    status?: 'recorded' | 'requested' | 'awaiting_approval';
    params?: Params;
    actuator?: string | null;
    expires_at?: string | null;
  };
  'hold.moved': HoldMoved & { reason: string; evidence: Evidence | null; note: string | null; request: RequestMark | null };
  /** When it ends by itself was moved: by a report that wants it longer, or by an operator. */
  'hold.extended': { expires_at: string | null; incident_id: string | null; note: string | null; request: RequestMark | null };
  /** Nobody wants it any more: its actuator is being told. */
  'hold.releasing': {
    reason: EndReason;
    incident_id: string | null;
    ending: 'released' | 'expired';
    note?: string | null;
    request?: RequestMark | null;
  };
  /** It has ended. `incident_id`: the incident whose end it is a part of. */
  'hold.released': {
    reason: EndReason | 'released';
    incident_id: string | null;
    /** What its actions are then; not told by early versions. */
    status?: 'released' | 'expired' | 'failed';
    error?: string | null;
    /** The actuator knows no way to undo it: what is left to be done by hand. */
    by_hand?: boolean;
    note?: string | null;
    request?: RequestMark | null;
  };
  'hold.kept': { hold: Hold; released_at?: string | null };
  /** About the hold: what is asked of an actuator. It is recorded before it is sent. */
  'command.requested': {
    command_id: string;
    op: CommandOp;
    actuator: string;
    incident_id: string;
    reason: CommandReason;
    not_before: string;
    deadline_at: string;
    note?: string | null;
    request?: RequestMark | null;
  };
  /** About the hold: what came of a command, and what that makes of the hold. `late`: it had failed, or was not wanted any more. */
  'command.moved': HoldMoved & {
    command_id: string;
    op: CommandOp;
    status: CommandStatus;
    result: ResultStatus | 'overdue';
    attempts: number;
    error: string | null;
    evidence: Evidence | null;
    late: boolean;
  };
  /** About the hold: nobody waits for it any more. */
  'command.superseded': { command_id: string };
  'command.kept': { command: Command };
  /** About the incident: these commands wait for an operator's word. */
  'approval.requested': {
    approval_id: string;
    reason: string;
    requested_by: string;
    proposals: readonly Proposal[];
    digest: string;
    expires_at: string;
  };
  'approval.escalated': { approval_id: string };
  'approval.decided': {
    approval_id: string;
    status: 'approved' | 'rejected' | 'expired';
    note: string | null;
    request: RequestMark | null;
  };
  /** `incident`: by its seq. */
  'approval.kept': { approval: Approval; incident: number };
}
