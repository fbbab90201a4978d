// The token bucket against its definition: what may come at once, what comes back by time, and whose bucket it is.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLimiter } from '../../src/access/rate.ts';
import type { Rate, Token } from '../../src/access/token.ts';

const tokenOf = (rate: Rate | null, name = 't'): Token => ({
  ...{ name, role: 'reporter', sha256: Buffer.alloc(32) },
  sources: null,
  classes: null,
  actuator: null,
  rate,
});

/** A limiter with a clock that stands until it is moved. */
function limiterAt(start = 0) {
  let now = start;
  const limiter = createLimiter(() => now);
  return { ...limiter, advance: (ms: number) => void (now += ms) };
}

describe('a token with a rate', () => {
  it('may send a burst at once, then as many as its rate brings back', () => {
    const limiter = limiterAt(1e9);
    const token = tokenOf({ per_second: 50, burst: 500 });
    const taken = (tries: number) => Array.from({ length: tries }, () => limiter.take(token)).filter(Boolean).length;
    expect(taken(600)).toBe(500);
    limiter.advance(1000);
    expect(taken(600)).toBe(50);
    limiter.advance(20);
    expect(taken(600)).toBe(1);
    limiter.advance(3_600_000);
    expect(taken(600)).toBe(500);
  });

  it('is told after how many whole seconds one is there again, and then it is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.integer({ min: 0, max: 400 })),
        (per_second, burst, pauses) => {
          const limiter = limiterAt();
          const token = tokenOf({ per_second, burst });
          for (const pause of pauses) {
            limiter.advance(pause);
            limiter.take(token);
          }
          while (limiter.take(token));
          const seconds = limiter.wait(token);
          expect(Number.isInteger(seconds) && seconds >= 1).toBe(true);
          limiter.advance(seconds * 1000);
          expect(limiter.take(token)).toBe(true);
        },
      ),
    );
  });

  it('is not told to wait a second longer than it must, however slow its rate', () => {
    // In eighths of seconds and halves of rates, so that binary fractions are exact.
    const slow = fc.constantFrom(1, 1 / 2, 1 / 4, 1 / 8, 1 / 64);
    const pauses = fc.array(fc.integer({ min: 0, max: 40 }).map((eighths) => eighths * 125));
    fc.assert(
      fc.property(slow, pauses, (per_second, given) => {
        const limiter = limiterAt();
        const token = tokenOf({ per_second, burst: 1 });
        for (const pause of given) {
          limiter.advance(pause);
          limiter.take(token);
        }
        while (limiter.take(token));
        const seconds = limiter.wait(token);
        limiter.advance((seconds - 1) * 1000);
        expect(limiter.take(token)).toBe(false);
        limiter.advance(1000);
        expect(limiter.take(token)).toBe(true);
      }),
    );
    const limiter = limiterAt();
    expect(limiter.take(tokenOf({ per_second: 1 / 64, burst: 1 }))).toBe(true);
    expect(limiter.wait(tokenOf({ per_second: 1 / 64, burst: 1 }))).toBe(64);
  });

  it('has a bucket of its own', () => {
    const limiter = limiterAt();
    const [a, b] = [tokenOf({ per_second: 1, burst: 1 }, 'a'), tokenOf({ per_second: 1, burst: 1 }, 'b')];
    expect([limiter.take(a), limiter.take(a), limiter.take(b), limiter.take(b)]).toEqual([true, false, true, false]);
  });

  it('keeps its bucket over a reload, which makes new tokens of the same name', () => {
    const limiter = limiterAt();
    expect(limiter.take(tokenOf({ per_second: 1, burst: 1 }))).toBe(true);
    expect(limiter.take(tokenOf({ per_second: 1, burst: 1 }))).toBe(false);
    expect(limiter.take(tokenOf({ per_second: 1, burst: 500 }))).toBe(false);
  });

  it('that is given a smaller burst has no more than that', () => {
    const limiter = limiterAt();
    expect(limiter.take(tokenOf({ per_second: 1, burst: 100 }))).toBe(true);
    const small = tokenOf({ per_second: 1, burst: 2 });
    expect([limiter.take(small), limiter.take(small), limiter.take(small)]).toEqual([true, true, false]);
  });
});

describe('a token without a rate', () => {
  it('is never refused', () => {
    const limiter = limiterAt();
    for (let i = 0; i < 10_000; i += 1) expect(limiter.take(tokenOf(null))).toBe(true);
    expect(limiter.wait(tokenOf(null))).toBe(1);
  });
});

describe('any sequence of requests', () => {
  it('is let through exactly as a bucket of whole thousandths would', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 20 }), steps, (per_second, burst, pauses) => {
        const limiter = limiterAt(123_456.789);
        const token = tokenOf({ per_second, burst });
        let thousandths = burst * 1000;
        for (const pause of pauses) {
          limiter.advance(pause);
          thousandths = Math.min(burst * 1000, thousandths + pause * per_second);
          const taken = limiter.take(token);
          // Exactly full to the rim of one, binary fractions may say either; all else is decided.
          if (thousandths !== 1000) expect(taken).toBe(thousandths > 1000);
          if (taken) thousandths -= 1000;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never gets more than its burst and what its rate brought back since', () => {
    const steps = fc.array(fc.double({ min: 0, max: 500, noNaN: true }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 50 }), steps, (per_second, burst, pauses) => {
        const limiter = limiterAt();
        const token = tokenOf({ per_second, burst });
        let [passed, elapsed] = [0, 0];
        for (const pause of pauses) {
          limiter.advance(pause);
          elapsed += pause;
          passed += limiter.take(token) ? 1 : 0;
          expect(passed).toBeLessThanOrEqual(burst + (elapsed / 1000) * per_second + 1e-6);
        }
      }),
    );
  });
});
