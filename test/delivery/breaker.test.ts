// The breaker and the waits between attempts, on a clock of their own.
import { describe, expect, it } from 'vitest';
import { OVERDUE_MS, backoffOf } from '../../src/delivery/backoff.ts';
import { type Breaker, CLOSED, failed, mayTry, nextTryAt, stateOf, trying } from '../../src/delivery/breaker.ts';

const after = (failures: number, at = 0): Breaker =>
  Array.from({ length: failures }).reduce<Breaker>((breaker) => failed(breaker, at), CLOSED);

describe('the breaker', () => {
  it('opens after five failures in a row', () => {
    for (let n = 0; n < 5; n += 1) expect([stateOf(after(n), 0), mayTry(after(n), 0), nextTryAt(after(n))]).toEqual(['closed', true, null]);
    expect([stateOf(after(5), 0), mayTry(after(5), 0), nextTryAt(after(5))]).toEqual(['open', false, 30_000]);
  });

  it('lets one probe through after 30 seconds, and no second one beside it', () => {
    const open = after(5, 1000);
    expect(mayTry(open, 30_999)).toBe(false);
    expect([stateOf(open, 31_000), mayTry(open, 31_000)]).toEqual(['half_open', true]);
    expect([mayTry(trying(open), 31_000), nextTryAt(trying(open))]).toEqual([false, null]);
  });

  it('stays open for another 30 seconds when the probe fails, however often', () => {
    let breaker = after(5, 0);
    for (let at = 30_000; at < 300_000; at += 30_000) {
      breaker = failed(trying(breaker), at);
      expect([stateOf(breaker, at + 29_999), mayTry(breaker, at + 29_999), mayTry(breaker, at + 30_000)]).toEqual(['open', false, true]);
    }
  });

  it('has no probe while it is closed', () => {
    expect(trying(after(4))).toEqual(after(4));
  });
});

describe('the waits', () => {
  it('are 0, 1, 2, 5, 10, 30 and then 60 seconds, a fifth more or less', () => {
    const at = (chance: number) => [0, 1, 2, 3, 4, 5, 6, 7, 1000].map((n) => Math.round(backoffOf(n, chance)));
    expect(at(0.5)).toEqual([0, 1000, 2000, 5000, 10_000, 30_000, 60_000, 60_000, 60_000]);
    expect(at(0)).toEqual([0, 800, 1600, 4000, 8000, 24_000, 48_000, 48_000, 48_000]);
    expect(at(1)).toEqual([0, 1200, 2400, 6000, 12_000, 36_000, 72_000, 72_000, 72_000]);
    expect(OVERDUE_MS).toBe(60_000);
  });
});
