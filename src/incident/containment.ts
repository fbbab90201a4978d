// How far the containment of an incident has come, read off its single actions.

/** Of one action, weakest first. `recorded`: no actuator is known, left to its service to take up. */
export const ACTION_STATUSES = ['failed', 'recorded', 'verified', 'released'] as const;
export type ActionStatus = (typeof ACTION_STATUSES)[number];

/** Of a whole incident. `none`: nothing to do. `suppressed`: decided, but the policy only observes. */
export type ContainmentStatus = ActionStatus | 'partial' | 'none' | 'suppressed';

export interface ActionState {
  readonly action: string;
  /** `type:id` */
  readonly target: string;
  readonly hold_id: string | null;
  readonly status: ActionStatus;
  readonly actuator: string | null;
  readonly attempts: number;
  readonly error: string | null;
  readonly completed_at: string | null;
}

type Named = Pick<ActionState, 'action' | 'status'>;

export function isRefused({ status }: Named): boolean {
  return status === 'failed';
}

/** An action that was refused once is not refused again for each report: an incident must not grow with what is sent. */
export function isNews(action: Named, before: readonly Named[]): boolean {
  return !isRefused(action) || !before.some((known) => known.action === action.action && isRefused(known));
}

/** The weakest of the actions; `partial` when some failed and others did not; `released` when no hold is left of those there were. */
export function statusOf(actions: readonly ActionState[]): ContainmentStatus {
  const wanted = actions.filter(({ status }) => status !== 'released');
  const lifted = wanted.length < actions.length && wanted.every(({ hold_id }) => hold_id === null);
  if (lifted) return 'released';
  const failed = wanted.filter(({ status }) => status === 'failed').length;
  if (failed > 0) return failed === wanted.length ? 'failed' : 'partial';
  return ACTION_STATUSES.find((status) => wanted.some((action) => action.status === status)) ?? 'none';
}

/** Finished actions in the original's form. An action that is only recorded is not finished. */
export function resultsOf(actions: readonly ActionState[]): { action: string; success: boolean; completed_at: string; error?: string }[] {
  return actions.flatMap(({ action, status, completed_at, error }) => {
    if (completed_at === null) return [];
    return [{ action, success: status === 'verified', completed_at, ...(error === null ? {} : { error }) }];
  });
}
