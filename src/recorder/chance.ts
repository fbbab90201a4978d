// The part of an id that nobody can guess.

import { randomUUID } from 'node:crypto';

/** 12 hex digits from the system's CSPRNG: the last 48 bits of a version 4 UUID, of which node makes a stock ahead. */
export function chance(): string {
  return randomUUID().slice(-12);
}
