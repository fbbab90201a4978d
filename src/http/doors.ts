// Every route that there is, wired: what each of them may reach of the house.

import type { Config } from '../config.ts';
import type { Delivery } from '../delivery/delivery.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { Evidence } from '../observers/evidence.ts';
import type { Health } from '../observers/health.ts';
import type { Actuator } from '../policy/policy.ts';
import type { Bell } from '../recorder/bell.ts';
import type { Configuration } from '../recorder/configuration.ts';
import type { Queue } from '../recorder/queue.ts';
import type { Recorder } from '../recorder/recorder.ts';
import type { Refusals } from '../recorder/refusals.ts';
import type { SeenLayer } from '../sandbox/seen.ts';
import type { Store } from '../store/store.ts';
import type { Route } from './guard.ts';
import { createAwaitOutcome } from './outcome.ts';
import type { Pace } from './pace.ts';
import { actuatorRoutes } from './routes/actuators.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { attestRoutes } from './routes/attest.ts';
import { auditRoutes } from './routes/audit.ts';
import { commandRoutes } from './routes/commands.ts';
import { evidenceRoutes } from './routes/evidence.ts';
import { fetchingRoutes } from './routes/fetching.ts';
import { healthRoutes } from './routes/health.ts';
import { holdRoutes } from './routes/holds.ts';
import { incidentRoutes } from './routes/incidents.ts';
import { policyRoutes } from './routes/policy.ts';
import { problemRoutes } from './routes/problems.ts';
import { reloadRoutes } from './routes/reload.ts';
import { reportRoutes } from './routes/reports.ts';
import { sandboxRoutes } from './routes/sandbox.ts';
import { statsRoutes } from './routes/stats.ts';
import { stepRoutes } from './routes/steps.ts';
import { createWaitingRoom } from './waiting.ts';

export interface DoorParts {
  store: Store;
  queue: Pick<Queue, 'policy' | 'tree'>;
  recorder: Recorder;
  delivery: Delivery;
  ledger: Pick<Ledger, 'checkpoints'>;
  configuration: Pick<Configuration, 'reload'>;
  refusals: Refusals;
  bell: Pick<Bell, 'listen'>;
  health: Health;
  evidence: Evidence;
  pace: Pace;
  /** Actuators of the environment. */
  actuators: readonly Actuator[];
  config: Pick<Config, 'REPORT_WAIT_MS'>;
  /** At the service's own cage. */
  look: () => Promise<readonly SeenLayer[]>;
  log: Log;
}

export interface Doors {
  readonly routes: readonly Route[];
  /** Answers all who wait for something to happen, and keeps nobody waiting from now on. */
  letGo(): void;
}

export function createDoors(parts: DoorParts): Doors {
  const { store, queue, recorder, delivery, ledger, configuration, refusals, bell, health, evidence, pace, actuators, config, look, log } =
    parts;
  const policy = () => queue.policy;
  const outcomes = createWaitingRoom({ bell, max: 16, maxEach: 4 });
  const polls = createWaitingRoom({ bell, max: 8, maxEach: 4 });
  const awaitOutcome = createAwaitOutcome({ waiting: outcomes, store });
  return {
    routes: [
      ...healthRoutes({ health }),
      ...incidentRoutes({ store }),
      ...evidenceRoutes({ store, evidence, log }),
      ...attestRoutes({ recorder }),
      ...statsRoutes({ store }),
      ...reportRoutes({ recorder, pace, refusals, policy, awaitOutcome, wait_ms: config.REPORT_WAIT_MS }),
      ...stepRoutes({ recorder, awaitOutcome }),
      ...holdRoutes({ store, recorder }),
      ...commandRoutes({ store, recorder, delivery, refusals }),
      ...approvalRoutes({ store, recorder }),
      ...actuatorRoutes({ store, delivery, policy, refusals, log }),
      ...fetchingRoutes({ store, delivery, policy, refusals, waiting: polls }),
      ...policyRoutes({ store, policy, actuators }),
      ...auditRoutes({ store, checkpoints: ledger.checkpoints, tree: () => queue.tree }),
      ...reloadRoutes({ configuration, policy }),
      ...sandboxRoutes({ look }),
      ...problemRoutes(),
    ],
    letGo() {
      outcomes.close();
      polls.close();
    },
  };
}
