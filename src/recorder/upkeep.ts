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

/** Closes the minute of refusals, makes the log file durable, asks a store that took nothing whether it does again. */
export async function upkeep({ queue, mirror, recorder, refusals, log }: UpkeepParts): Promise<void> {
  const attempt = async (what: () => Promise<void>) => {
    try {
      await what();
    } catch (error) {
      log.error('upkeep failed', { error: String(error) });
    }
  };
  refusals.settle();
  await attempt(async () => {
    const synced = await mirror.sync();
    if (synced) await recorder.remember(synced);
  });
  await attempt(async () => {
    if (queue.health !== 'ok') await queue.submit((draft) => draft.meta.probe());
  });
}
