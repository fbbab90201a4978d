// What is done every second, whether anybody asks or not. Never throws.

import type { Log } from '../log.ts';
import type { Due } from './due.ts';
import type { Queue } from './queue.ts';
import type { Refusals } from './refusals.ts';
import type { Room } from './room.ts';

export interface UpkeepParts {
  queue: Pick<Queue, 'health' | 'submit'>;
  room: Pick<Room, 'refill' | 'isWhole' | 'isShort' | 'probe'>;
  /** Makes what is new durable in the log, and signs it. */
  ledger: { settle(): Promise<void> };
  refusals: Pick<Refusals, 'settle'>;
  due: Pick<Due, 'tick'>;
  log: Log;
}

/** Closes the minute of refusals, does what is due, settles the log, refills the reserve, and asks a store that took nothing whether it does again. */
export async function upkeep({ queue, room, ledger, refusals, due, log }: UpkeepParts): Promise<void> {
  const attempt = async (what: () => Promise<void>) => {
    try {
      await what();
    } catch (error) {
      log.error('upkeep failed', { error: String(error) });
    }
  };
  refusals.settle();
  await attempt(async () => due.tick());
  await attempt(async () => ledger.settle());
  await attempt(async () => {
    await room.refill();
    if (queue.health !== 'ok' && room.isWhole) await tryStore(queue, room);
  });
}

/** Finds out whether the store takes what comes; the queue's health is the answer. @throws what the store throws, unless it is full */
export async function tryStore(queue: Pick<Queue, 'submit'>, room: Pick<Room, 'isShort' | 'probe'>): Promise<void> {
  await queue.submit(room.probe).catch((error: unknown) => {
    // That it is full was said when it became so.
    if (!room.isShort) throw error;
  });
}
