// Waiting for what the recorder publishes every second, as an auditor who asks again would.

import { setTimeout } from 'node:timers/promises';
import type { TestHouse } from './house.ts';

/** The newest checkpoint (or cosigned one) over at least `size` records. @throws Error when none comes within 10 seconds */
export async function checkpointOver(house: Pick<TestHouse, 'url'>, size: number, query = ''): Promise<string> {
  for (const latest = Date.now() + 10_000; Date.now() < latest; await setTimeout(20)) {
    const answer = await fetch(`${house.url}/api/v1/audit/checkpoint${query}`);
    const note = await answer.text();
    if (answer.ok && sizeOf(note) >= size) return note;
  }
  throw new Error(`no checkpoint over ${size} records was published`);
}

/** Records that a checkpoint is over. */
export function sizeOf(note: string): number {
  return Number(note.split('\n')[1]);
}
