// Durations as a policy writes them: a whole number and its unit.

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
export const MAX_DURATION = '366d';

/** What is wanted, for whoever gave something else. */
export const DURATION = 'must be a duration such as 30s, 5m or 4h';

/** `30s`, `5m`, `4h`: in milliseconds. Null for what is none. */
export function parseDuration(text: string): number | null {
  const [, count, unit = ''] = /^([1-9]\d{0,8})(ms|s|m|h|d)$/.exec(text) ?? [];
  return count === undefined ? null : Number(count) * (UNIT_MS[unit] ?? 0);
}
