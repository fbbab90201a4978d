// A record left out of an incident's life: seen where the next one counts on it, and nowhere in a life that is whole.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gapBefore } from '../../src/incident/gap.ts';
import type { Kept } from '../../src/incident/incident.ts';
import { type Recorded, readRecord } from '../../src/incident/recorded.ts';
import { retell } from '../../src/incident/retell.ts';
import { deeds, openLife } from '../support/life.ts';

/** What is found to be missing before each record, in their order. */
function gapsIn(timeline: readonly Recorded[]): string[] {
  const gaps: string[] = [];
  let told: Kept | null = null;
  for (const record of timeline) {
    const gap: string | null = told && gapBefore(record, told.incident);
    if (gap !== null) gaps.push(gap);
    told = retell(told, record);
  }
  return gaps;
}

describe('a gap', () => {
  it('is in no whole life, and wherever one report of several, or a step that the next one follows, is left out', async () => {
    let omitted = 0;
    await fc.assert(
      fc.asyncProperty(deeds(60), async (all) => {
        using life = await openLife();
        await life.live(all);
        for (const seq of life.path.db.prepare<[], number>('SELECT seq FROM incidents').pluck().all()) {
          const timeline = life.path.store.records.timeline(seq, 0, 1e6, 1e9).map(({ line }) => readRecord(line));
          expect(gapsIn(timeline)).toEqual([]);
          const joins = timeline.flatMap(({ type }, i) => (type === 'incident.joined' ? [i] : []));
          for (const i of joins.slice(0, -1)) {
            omitted += 1;
            expect(gapsIn(timeline.toSpliced(i, 1))).not.toEqual([]);
          }
          const acknowledged = timeline.findIndex(({ type }) => type === 'incident.acknowledged');
          const next = timeline.slice(acknowledged + 1).some(({ type }) => /(contained|acknowledged|resolved|reopened)$/.test(type));
          if (acknowledged >= 0 && next) {
            omitted += 1;
            expect(gapsIn(timeline.toSpliced(acknowledged, 1))).not.toEqual([]);
          }
        }
      }),
      { numRuns: 80 },
    );
    expect(omitted).toBeGreaterThan(20);
  }, 120_000);
});
