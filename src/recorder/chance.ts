// The part of an id that nobody can guess.

import { randomFillSync } from 'node:crypto';

const BYTES = 6;
/** Drawn ahead: asking the system's CSPRNG once for many is cheaper. */
const stock = Buffer.alloc(BYTES * 128);
let used = stock.length;

/** 12 hex digits from the system's CSPRNG; none is handed out twice. */
export function chance(): string {
  if (used === stock.length) {
    randomFillSync(stock);
    used = 0;
  }
  used += BYTES;
  return stock.toString('hex', used - BYTES, used);
}
