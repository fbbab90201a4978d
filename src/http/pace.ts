// How fast a token may go, wherever it knocks: by request, or by line of a batch.

import type { Limiter } from '../access/rate.ts';
import type { Token } from '../access/token.ts';
import { RecorderError } from '../errors.ts';
import type { Refusals } from '../recorder/refusals.ts';

/** Takes one of what the token may send. @throws RecorderError "rate_limited" with the seconds to wait; it is counted */
export type Pace = (token: Token) => void;

export function createPace(limiter: Limiter, refusals: Pick<Refusals, 'limited'>): Pace {
  return (token) => {
    if (limiter.take(token)) return;
    refusals.limited(token.name);
    throw new RecorderError('rate_limited', `the token ${token.name} is over its rate`, { retry_after: limiter.wait(token) });
  };
}
