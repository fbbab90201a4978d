// Whether the recorder can do its work: one word for each part, and one for the whole.

import { type Policy, actuatorOf } from '../policy/policy.ts';
import type { Delivery } from '../delivery/delivery.ts';
import type { Notices } from '../delivery/notices.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Queue } from '../recorder/queue.ts';
import { isOurs } from '../incident/actions.ts';
import type { Store } from '../store/store.ts';

export interface HealthReport {
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
    /** `none`: no actuator is known, so there is nothing to deliver. `failing`: one does not answer, or a command is overdue. */
    readonly outbox: 'none' | 'ok' | 'failing';
    /** `unverified`: actions count as contained because they are on record, not because a service said so. `failing`: some hold failed or has drifted. */
    readonly containment: 'ok' | 'unverified' | 'observing' | 'failing';
    /** Webhooks that are told of incidents. */
    readonly notices: Notices['health'];
  };
}

export interface Health {
  report(): HealthReport;
  /** False exactly when the next ordinary report would be refused. */
  isReady(): boolean;
}

export interface HealthParts {
  store: Pick<Store, 'statistics' | 'holds' | 'commands'>;
  queue: Pick<Queue, 'policy' | 'health'>;
  ledger: Pick<Ledger, 'health' | 'witness'>;
  delivery: Pick<Delivery, 'health'>;
  notices: Pick<Notices, 'health'>;
  isDraining: () => boolean;
}

export function createHealth({ store, queue, ledger, delivery, notices, isDraining }: HealthParts): Health {
  const isReady = () => queue.health === 'ok' && !isDraining();
  return {
    isReady,
    report() {
      const audit = store.statistics.isDamaged() ? 'damaged' : ledger.health;
      const tallies = store.statistics.tallies();
      const count = (states: readonly string[]) => tallies.filter(({ state }) => states.includes(state)).reduce((sum, { n }) => sum + n, 0);
      const { health } = delivery.health();
      const outbox = health === 'ok' && store.commands.hasOverdue() ? 'failing' : health;
      const containment = containmentOf(queue.policy, store.holds.isFailing());
      const failing = [outbox, containment, notices.health].includes('failing');
      return {
        status: isReady() && audit !== 'damaged' ? (['ok', 'verifying'].includes(audit) && !failing ? 'ok' : 'degraded') : 'critical',
        open_incidents: count(['open', 'contained']),
        total_incidents: tallies.reduce((sum, { n }) => sum + n, 0),
        checks: {
          store: queue.health === 'failing' ? 'failing' : 'ok',
          audit,
          witness: ledger.witness,
          policy: queue.policy.from === 'built_in' ? 'built_in' : 'ok',
          disk: queue.health === 'full' ? 'full' : 'ok',
          outbox,
          containment,
          notices: notices.health,
        },
      };
    },
  };
}

function containmentOf(policy: Policy, isFailing: boolean): HealthReport['checks']['containment'] {
  if (isFailing) return 'failing';
  if (policy.mode === 'observe') return 'observing';
  const orders = [...policy.rules.values()].some(
    ({ auto_contain, actions }) => auto_contain && actions.some(({ action }) => !isOurs(action) && !actuatorOf(policy, action)),
  );
  return orders && policy.without_actuator === 'recorded' ? 'unverified' : 'ok';
}
