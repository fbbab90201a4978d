// A token bucket for each token that has a rate. Pure but for the clock that is handed in.

import type { Token } from './token.ts';

export interface Limiter {
  /** Takes one; false when the bucket is empty. */
  take(token: Token): boolean;
  /** Seconds until one is there again, at least 1. */
  wait(token: Token): number;
}

interface Bucket {
  full: number;
  at: number;
}

/** @param monotonic milliseconds that never go back, such as performance.now() */
export function createLimiter(monotonic: () => number): Limiter {
  // By name: a reload makes new tokens, and must not refill anybody's bucket.
  const buckets = new Map<string, Bucket>();
  return {
    take({ name, rate }) {
      if (rate === null) return true;
      const now = monotonic();
      const bucket = buckets.get(name) ?? { full: rate.burst, at: now };
      const full = Math.min(rate.burst, bucket.full + ((now - bucket.at) / 1000) * rate.per_second);
      const taken = full >= 1;
      buckets.set(name, { full: taken ? full - 1 : full, at: now });
      return taken;
    },
    wait({ name, rate }) {
      const missing = 1 - (buckets.get(name)?.full ?? 1);
      return Math.max(1, Math.ceil(missing / (rate?.per_second ?? 1)));
    },
  };
}
