// A hold: containment that is wanted on one target, for as long as an incident owns it.

import type { Target } from './actions.ts';
import type { CommandOp, Params, ResultStatus } from './command.ts';

/**
 * `recorded`: no actuator is known for the action, so it is left to its service to take up. `drifted`: it was in force, and is not any
 * more. `releasing`: nobody wants it any more, and its actuator is being told.
 */
export const HOLD_STATUSES = [
  'failed',
  'drifted',
  'awaiting_approval',
  'recorded',
  'requested',
  'accepted',
  'enforced',
  'verified',
  'releasing',
  'released',
  'expired',
] as const;
export type HoldStatus = (typeof HOLD_STATUSES)[number];

/** How far a hold has come, as its incidents show it too. */
export interface Progress {
  readonly status: HoldStatus;
  readonly actuator: string | null;
  /** How often its last command was sent. */
  readonly attempts: number;
  readonly error: string | null;
  /** When it was last known to be in force, or to have failed; null before. */
  readonly completed_at: string | null;
}

export interface Hold extends Progress {
  /** The seq of the record that opened it. */
  readonly seq: number;
  /** `HLD-` and 12 hex digits. */
  readonly id: string;
  readonly action: string;
  readonly target: Target;
  readonly params: Params;
  /** The class whose rule wanted it, and the source whose report did: together they are bounded by `max_holds`. */
  readonly rule: string;
  readonly source: string;
  /** The incident for which it was opened. */
  readonly incident_id: string;
  readonly created_at: string;
  /** When it ends by itself; null = it does not. */
  readonly expires_at: string | null;
  /** How it will have ended, once it is being released; else null. */
  readonly ending: 'released' | 'expired' | null;
  /** When it had ended wholly; null before. */
  readonly released_at: string | null;
  /** The seq of the last record about it. */
  readonly version: number;
}

/** Whether it is wanted: what ends, or has ended, is not. */
export function isWanted(status: HoldStatus): boolean {
  return status !== 'releasing' && status !== 'released' && status !== 'expired';
}

/** Whether it stands, as far as is known: what a verification can find drifted. */
export function isInForce(status: HoldStatus): boolean {
  return status === 'enforced' || status === 'verified';
}

/**
 * What a hold is after a result of its last command. What has drifted counts as mended only when it was verified, where it can be:
 * an actuator that says "done" and does nothing must not be believed twice.
 */
export function statusAfter(status: HoldStatus, op: CommandOp, result: ResultStatus, canVerify: boolean): HoldStatus {
  if (op === 'release' || !isWanted(status)) return status;
  const mending = status === 'drifted' && canVerify;
  switch (result) {
    case 'accepted':
      return mending || isInForce(status) ? status : 'accepted';
    case 'enforced':
      return mending || status === 'verified' ? status : 'enforced';
    default:
      return 'failed';
  }
}

/** `HLD-` and 12 hex digits. */
export const HOLD_ID = /^HLD-[0-9a-f]{12}$/;
