// Whether the recorder can do its work: one word for each part, and one for the whole.

import type { Policy } from '../policy/policy.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Queue } from '../recorder/queue.ts';
import { ACTIONS } from '../incident/actions.ts';
import type { Store } from '../store/store.ts';

interface HealthReport {
  readonly status: 'ok' | 'degraded' | 'critical';
  readonly open_incidents: number;
  readonly total_incidents: number;
  readonly checks: {
    readonly store: 'ok' | 'failing';
    /** `damaged`: an incident of our own says that a file or a record was not what was written, and nobody has resolved it. */
    readonly audit: Ledger['health'] | 'damaged';
    readonly witness: Ledger['witness'];
    readonly policy: 'ok' | 'built_in';
    readonly disk: 'ok' | 'full';
    /** `none`: no actuator is known, so there is nothing to deliver. */
    readonly outbox: 'none';
    /** `unverified`: actions count as contained because they are on record, not because a service said so. */
    readonly containment: 'ok' | 'unverified' | 'observing';
  };
}

export interface Health {
  report(): HealthReport;
  /** False exactly when the next ordinary report would be refused. */
  isReady(): boolean;
}

export interface HealthParts {
  store: Pick<Store, 'statistics'>;
  queue: Pick<Queue, 'policy' | 'health'>;
  ledger: Pick<Ledger, 'health' | 'witness'>;
  isDraining: () => boolean;
}

export function createHealth({ store, queue, ledger, isDraining }: HealthParts): Health {
  const isReady = () => queue.health === 'ok' && !isDraining();
  return {
    isReady,
    report() {
      const audit = store.statistics.isDamaged() ? 'damaged' : ledger.health;
      const tallies = store.statistics.tallies();
      const count = (states: readonly string[]) => tallies.filter(({ state }) => states.includes(state)).reduce((sum, { n }) => sum + n, 0);
      return {
        status: isReady() && audit !== 'damaged' ? (['ok', 'verifying'].includes(audit) ? 'ok' : 'degraded') : 'critical',
        open_incidents: count(['open', 'contained']),
        total_incidents: tallies.reduce((sum, { n }) => sum + n, 0),
        checks: {
          store: queue.health === 'failing' ? 'failing' : 'ok',
          audit,
          witness: ledger.witness,
          policy: queue.policy.from === 'built_in' ? 'built_in' : 'ok',
          disk: queue.health === 'full' ? 'full' : 'ok',
          outbox: 'none',
          containment: containmentOf(queue.policy),
        },
      };
    },
  };
}

function containmentOf({ mode, without_actuator, rules }: Policy): HealthReport['checks']['containment'] {
  if (mode === 'observe') return 'observing';
  const orders = [...rules.values()].some(
    ({ auto_contain, actions }) => auto_contain && actions.some((action) => ACTIONS[action].done_by !== 'recorder'),
  );
  return orders && without_actuator === 'recorded' ? 'unverified' : 'ok';
}
