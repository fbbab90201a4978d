// Durations as a policy writes them: a whole number and its unit.

/** Largest first. */
const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
type Unit = keyof typeof UNITS;

export const MAX_DURATION = '366d';

/** What is wanted, for whoever gave something else. */
export const DURATION = 'must be a duration such as 30s, 5m or 4h';

/** `30s`, `5m`, `4h`: in milliseconds. Null for what is none. */
export function parseDuration(text: string): number | null {
  const [, count, unit] = /^([1-9]\d{0,8})(ms|s|m|h|d)$/.exec(text) ?? [];
  return count === undefined ? null : Number(count) * UNITS[unit as Unit];
}

/** As a policy writes it: in the largest unit that leaves nothing over. @param ms a whole number */
export function durationOf(ms: number): string {
  const [unit, length] = Object.entries(UNITS).find(([, each]) => ms % each === 0) ?? ['ms', 1];
  return `${ms / length}${unit}`;
}
