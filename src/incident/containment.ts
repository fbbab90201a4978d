// How far the containment of an incident has come, read off its single actions.

import { type Progress, isInForce, isWanted } from './hold.ts';

/** Of a whole incident. `none`: nothing to do. `suppressed`: decided, but the policy only observes. */
export type ContainmentStatus = ActionStatus | 'partial' | 'none' | 'suppressed';
export type ActionStatus = Progress['status'];

export interface ActionState extends Progress {
  readonly action: string;
  /** `type:id` */
  readonly target: string;
  readonly hold_id: string | null;
}

type Named = Pick<ActionState, 'action' | 'status' | 'hold_id'>;

/** Refused when it was ordered: there is nothing to hold, and nobody was asked. */
export function isRefused({ status, hold_id }: Named): boolean {
  return status === 'failed' && hold_id === null;
}

/** An action that was refused once is not refused again for each report: an incident must not grow with what is sent. */
export function isNews(action: Named, before: readonly Named[]): boolean {
  return !isRefused(action) || !before.some((known) => known.action === action.action && isRefused(known));
}

/** Weakest first; what is not among them is over. */
const WEAKEST_FIRST = ['drifted', 'awaiting_approval', 'recorded', 'requested', 'accepted', 'enforced', 'verified'] as const;
/** What is left to say when all is over, or being ended. */
const OVER = ['releasing', 'expired', 'released'] as const;

/** The weakest of the actions; `partial` when some failed and others did not; how they ended when no hold is left of those there were. */
export function statusOf(actions: readonly ActionState[]): ContainmentStatus {
  const wanted = wantedOf(actions);
  if (wanted.length === 0) return OVER.find((status) => actions.some((action) => action.status === status)) ?? 'none';
  const failed = wanted.filter(({ status }) => status === 'failed').length;
  if (failed === wanted.length) return 'failed';
  const weakest = WEAKEST_FIRST.find((status) => wanted.some((action) => action.status === status)) ?? 'none';
  return failed > 0 && weakest !== 'drifted' ? 'partial' : weakest;
}

/** What is still wanted. Where all holds have ended, what had none (an alert) no longer stands for the incident. */
export function wantedOf(actions: readonly ActionState[]): readonly ActionState[] {
  const wanted = actions.filter(({ status }) => isWanted(status));
  const lifted = wanted.length < actions.length && wanted.every(({ hold_id }) => hold_id === null);
  return lifted ? [] : wanted;
}

/** Whether more may come of one of the actions without anybody's doing: it makes sense to wait, whatever is weaker than it. */
export function isUnderWay(actions: readonly Pick<ActionState, 'status'>[]): boolean {
  return actions.some(({ status }) => status === 'requested' || status === 'accepted' || status === 'releasing');
}

/** Not done yet, or not again. */
function isOnItsWay(status: ActionStatus): boolean {
  return ['awaiting_approval', 'recorded', 'requested', 'accepted'].includes(status);
}

/** Finished actions in the original's form. An action that is only recorded is not finished. */
export function resultsOf(actions: readonly ActionState[]): { action: string; success: boolean; completed_at: string; error?: string }[] {
  return actions.flatMap(({ action, status, completed_at, error }) => {
    if (completed_at === null || isOnItsWay(status)) return [];
    const success = isInForce(status) || (!isWanted(status) && error === null);
    return [{ action, success, completed_at, ...(success || error === null ? {} : { error }) }];
  });
}
