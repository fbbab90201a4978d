// The counters that triggers keep, against counting.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STEP_NAMES } from '../../src/incident/lifecycle.ts';
import { CLASSES, SEVERITIES } from '../../src/incident/vocabulary.ts';
import { type WritePath, openWritePath } from '../support/write-path.ts';

interface Tally {
  class: string;
  severity: string;
  state: string;
  n: number;
}

const inOrder = (tallies: readonly Tally[]) => tallies.toSorted((a, b) => keyOf(a).localeCompare(keyOf(b)));
const keyOf = (tally: Tally) => `${tally.class} ${tally.severity} ${tally.state}`;

function recount({ db }: WritePath): Tally[] {
  return db.prepare<[], Tally>('SELECT class, severity, state, count(*) AS n FROM incidents GROUP BY class, severity, state').all();
}

const operation = fc.oneof(
  fc.record({
    do: fc.constant('report' as const),
    class: fc.constantFrom(...CLASSES),
    severity: fc.option(fc.constantFrom(...SEVERITIES)),
    dedup_key: fc.option(fc.constantFrom('a', 'b')),
  }),
  fc.record({ do: fc.constantFrom(...STEP_NAMES), which: fc.nat() }),
  fc.record({ do: fc.constant('restart' as const) }),
);

describe('the counters', () => {
  it('are what counting finds, after any reports, joins, steps, refused steps and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
        using path = openWritePath();
        const ids: string[] = [];
        for (const each of operations) {
          if (each.do === 'restart') path.restart();
          else if (each.do === 'report') {
            const { class: reported, severity, dedup_key } = each;
            ids.push((await path.report({ class: reported, severity, dedup_key })).incident.id);
          } else if (ids.length > 0) await path.step(each.do, String(ids[each.which % ids.length])).catch(() => {});
        }
        expect(inOrder(path.store.statistics.tallies())).toEqual(inOrder(recount(path)));
      }),
      { numRuns: 40 },
    );
  });

  it('do not move when an incident changes in nothing that they count', async () => {
    using path = openWritePath();
    const { incident } = await path.report();
    const before = path.store.statistics.tallies();
    await path.note(incident.id, 'looked at it');
    expect(path.store.statistics.tallies()).toEqual(before);
    expect(before).toEqual([{ class: 'prompt_injection', severity: 'high', state: 'contained', n: 1 }]);
  });
});
