// The breaker of one actuator: after enough failures in a row it is left in peace, and asked only now and then. Pure; the clock is handed in.

export interface Breaker {
  /** In a row. */
  readonly failures: number;
  /** Monotonic milliseconds of the last failure since it opened; null while it is closed. */
  readonly open_since: number | null;
  /** Whether the one attempt is under way that finds out whether it answers again. */
  readonly probing: boolean;
}

export type BreakerState = 'closed' | 'open' | 'half_open';

const OPENS_AFTER = 5;
const PROBES_AFTER_MS = 30_000;

export const CLOSED: Breaker = { failures: 0, open_since: null, probing: false };

export function stateOf({ open_since }: Breaker, now: number): BreakerState {
  if (open_since === null) return 'closed';
  return now - open_since < PROBES_AFTER_MS ? 'open' : 'half_open';
}

/** Whether anything may be sent; while it is half open that is one attempt at a time. */
export function mayTry(breaker: Breaker, now: number): boolean {
  const state = stateOf(breaker, now);
  return state === 'closed' || (state === 'half_open' && !breaker.probing);
}

/** When something may be sent again; null when it may be sent now, or when that depends on what is under way. */
export function nextTryAt({ open_since, probing }: Breaker): number | null {
  return open_since === null || probing ? null : open_since + PROBES_AFTER_MS;
}

/** An attempt begins: while the breaker is not closed it is the probe. */
export function trying(breaker: Breaker): Breaker {
  return breaker.open_since === null ? breaker : { ...breaker, probing: true };
}

/** An attempt came to nothing. */
export function failed({ failures, open_since }: Breaker, now: number): Breaker {
  const count = failures + 1;
  return { failures: count, open_since: open_since === null && count < OPENS_AFTER ? null : now, probing: false };
}
