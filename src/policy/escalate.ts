// Whether the latest report of a class and source is one too many in its window. Pure.

import type { Rule } from './policy.ts';

export interface Escalation {
  /** The last sightings, oldest first, as milliseconds since 1970: no more than the rule needs. */
  readonly sightings: readonly number[];
  readonly reached: boolean;
}

/**
 * A sliding window, as the original means it: reached when this report and the ones before it are `count` within `window_ms`.
 * @param before what was kept after the last report
 * @param now of this report; a clock that was set back counts as no time passed
 */
export function escalation({ count, window_ms }: NonNullable<Rule['escalate']>, before: readonly number[], now: number): Escalation {
  const at = Math.max(now, before.at(-1) ?? now);
  const sightings = [...before, at].slice(-count).filter((seen) => at - seen <= window_ms);
  return { sightings, reached: sightings.length >= count };
}
