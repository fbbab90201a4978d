// GET /api/v1/stats: how many incidents there are, by state, class and severity.

import { SEVERITIES, STATES } from '../../incident/vocabulary.ts';
import type { Store } from '../../store/store.ts';
import type { Tally } from '../../store/statistics.ts';
import type { Route } from '../guard.ts';
import { parametersOf } from '../query.ts';
import { json } from '../reply.ts';

export function statsRoutes({ store }: { store: Pick<Store, 'statistics'> }): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/stats',
      for: 'read',
      openBut: [],
      handle({ url }) {
        parametersOf(url, []);
        return json(statsOf(store.statistics.tallies()));
      },
    },
  ];
}

/** Open incidents, as the original counts them, are those that nobody has taken up: open or contained. */
function statsOf(tallies: readonly Tally[]) {
  const unseen = tallies.filter(({ state }) => state === 'open' || state === 'contained');
  const by_state = sums(STATES, tallies, 'state');
  return {
    total_incidents: tallies.reduce((sum, { n }) => sum + n, 0),
    open_incidents: unseen.reduce((sum, { n }) => sum + n, 0),
    contained_count: by_state['contained'] ?? 0,
    resolved_count: by_state['resolved'] ?? 0,
    by_state,
    by_class: sums([...new Set(tallies.map((tally) => tally.class))].toSorted(), tallies, 'class'),
    by_severity: sums(SEVERITIES, tallies, 'severity'),
    open_by_severity: sums(SEVERITIES, unseen, 'severity'),
  };
}

function sums(words: readonly string[], tallies: readonly Tally[], field: 'state' | 'class' | 'severity'): Record<string, number> {
  return Object.fromEntries(
    words.map((word) => [word, tallies.filter((tally) => tally[field] === word).reduce((sum, { n }) => sum + n, 0)]),
  );
}
