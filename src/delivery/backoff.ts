// How long to wait before the next attempt.

const WAITS_MS = [0, 1000, 2000, 5000, 10_000, 30_000, 60_000];
/** What has overrun its deadline is tried no more often than this. */
export const OVERDUE_MS = 60_000;

/** Milliseconds before the next attempt, after so many that came to nothing. `chance` is from 0 to 1. */
export function backoffOf(attempts: number, chance: number): number {
  return jittered(WAITS_MS[Math.min(attempts, WAITS_MS.length - 1)] ?? 0, chance);
}

/** A time that is up to a fifth shorter or longer, so that what began together does not go on together. */
export function jittered(ms: number, chance: number): number {
  return ms * (0.8 + 0.4 * chance);
}
