// An approval: commands that wait for an operator's word, bound by a digest to exactly what they are.

import { createHash } from 'node:crypto';
import type { Params } from './command.ts';
import type { HoldStatus } from './hold.ts';

export type ApprovalStatus = 'pending' | 'approved' | 'rejected' | 'expired';

/** One command that will be given when it is approved. */
export interface Proposal {
  readonly hold_id: string;
  readonly action: string;
  /** `type:id` */
  readonly target: string;
  readonly params: Params;
  readonly actuator: string | null;
  /** How long it will hold from then on, in milliseconds; null = until its incidents are resolved. */
  readonly ttl_ms: number | null;
}

export interface Approval {
  /** Of its `approval.requested` record. */
  readonly seq: number;
  /** `APR-` and 12 hex digits. */
  readonly id: string;
  readonly incident_id: string;
  readonly status: ApprovalStatus;
  /** Why it is needed: a condition, the mode, a protection. */
  readonly reason: string;
  /** The name of the token whose report wanted it. It can never approve. */
  readonly requested_by: string;
  readonly proposals: readonly Proposal[];
  /** SHA-256 over what will be commanded, 64 hex digits: its ETag. */
  readonly digest: string;
  readonly created_at: string;
  readonly expires_at: string;
  /** An alert was raised because nobody had decided in time. */
  readonly escalated: boolean;
  readonly decided_at: string | null;
  readonly decided_by: string | null;
  readonly note: string | null;
  /** What has become of each of its holds. */
  readonly outcome: readonly { readonly hold_id: string; readonly status: HoldStatus; readonly error: string | null }[];
}

/** What an approval is bound to: nothing else than this will be commanded by it. */
export function digestOf(proposals: readonly Proposal[]): string {
  const told = proposals.map(({ hold_id, action, target, params, actuator, ttl_ms }) => [
    hold_id,
    action,
    target,
    Object.entries(params).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    actuator,
    ttl_ms,
  ]);
  return createHash('sha256').update(JSON.stringify(told)).digest('hex');
}
