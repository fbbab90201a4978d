// Escalation: a sliding window over the reports of one class and source, against the definition written out.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escalation } from '../../src/policy/escalate.ts';

const rule = (count: number, window_ms: number) => ({ count, window_ms, to: 'critical' as const });

/** Feeds instants one by one, as they are kept from report to report; the numbers of those that were one too many. */
function reachedAt({ count, window_ms }: ReturnType<typeof rule>, instants: readonly number[]): number[] {
  let kept: readonly number[] = [];
  return instants.flatMap((now, i) => {
    const { sightings, reached } = escalation(rule(count, window_ms), kept, now);
    kept = sightings;
    return reached ? [i] : [];
  });
}

describe('an escalation', () => {
  it('is reached by the report that completes the count, and by each one after it within the window', () => {
    expect(reachedAt(rule(3, 300), [0, 100, 200, 300, 400])).toEqual([2, 3, 4]);
  });

  it('counts what is exactly as old as the window, and nothing older', () => {
    expect(reachedAt(rule(2, 300), [0, 300])).toEqual([1]);
    expect(reachedAt(rule(2, 300), [0, 301])).toEqual([]);
    expect(reachedAt(rule(3, 300), [0, 150, 301])).toEqual([]);
  });

  it('slides: two halves of two windows do not make one, and a whole one is found wherever it begins', () => {
    expect(reachedAt(rule(3, 100), [0, 99, 150, 199, 301])).toEqual([3]);
  });

  it('is not reached again when the reports have become rare', () => {
    expect(reachedAt(rule(2, 10), [0, 5, 100, 200, 205])).toEqual([1, 4]);
  });

  it('takes reports in the same millisecond one by one', () => {
    expect(reachedAt(rule(3, 1), [7, 7, 7, 7])).toEqual([2, 3]);
  });

  it('takes a clock that was set back as one that stood still', () => {
    expect(reachedAt(rule(3, 100), [1000, 200, 300])).toEqual([2]);
    expect(reachedAt(rule(3, 100), [1000, 200, 1101])).toEqual([]);
  });

  const instants = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 60 });
  const aRule = fc.tuple(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1, max: 200 })).map(([count, window]) => rule(count, window));

  it('is reached exactly when a look at all reports so far counts enough of them', () => {
    fc.assert(
      fc.property(aRule, instants, (of, given) => {
        const seen: number[] = [];
        const expected = given.flatMap((now, i) => {
          seen.push(Math.max(now, seen.at(-1) ?? 0));
          const at = seen[i] ?? 0;
          return seen.filter((each) => at - each <= of.window_ms).length >= of.count ? [i] : [];
        });
        expect(reachedAt(of, given)).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps no more than it needs, however many reports come', () => {
    fc.assert(
      fc.property(aRule, instants, (of, given) => {
        let kept: readonly number[] = [];
        for (const now of given) {
          kept = escalation(of, kept, now).sightings;
          expect(kept.length).toBeLessThanOrEqual(of.count);
          expect(kept.toSorted((a, b) => a - b)).toEqual(kept);
        }
      }),
    );
  });

  it('changes nothing of what it was handed', () => {
    const before = Object.freeze([1, 2, 3]);
    expect(escalation(rule(3, 10), before, 4)).toEqual({ sightings: [2, 3, 4], reached: true });
  });
});
