// What is done every second, whether anybody asks or not. Never throws.

import type { Log } from '../log.ts';
import type { Mirror } from './mirror.ts';
import type { Queue } from './queue.ts';
import type { Recorder } from './recorder.ts';
import type { Refusals } from './refusals.ts';

export interface UpkeepParts {
  queue: Pick<Queue, 'health' | 'submit'>;
  mirror: Pick<Mirror, 'sync'>;
  recorder: Pick<Recorder, 'remember'>;
  refusals: Pick<Refusals, 'settle'>;
  log: Log;
}

/** Closes the minute of refusals, asks a store that took nothing whether it does again, makes the log file durable. */
export async function upkeep({ queue, mirror, recorder, refusals, log }: UpkeepParts): Promise<void> {
  refusals.settle();
  try {
    if (queue.health !== 'ok') await queue.submit((draft) => draft.meta.probe());
    const synced = await mirror.sync();
    if (synced) await recorder.remember(synced);
  } catch (error) {
    log.error('upkeep failed', { error: String(error) });
  }
}
