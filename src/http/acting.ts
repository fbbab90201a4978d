// Who acts for an actuator: its own token, and the service's.

import { type Token, actsFor } from '../access/token.ts';
import { RecorderError } from '../errors.ts';
import type { Refusals } from '../recorder/refusals.ts';

/** An actuator in a path. */
export const ACTUATOR = ':actuator{[a-z][a-z0-9_-]{0,63}}';

/** @throws RecorderError "forbidden" for another one's token; it is counted */
export function mustActFor(token: Token, actuator: string, refusals: Pick<Refusals, 'denied'>): void {
  if (actsFor(token, actuator)) return;
  refusals.denied('role');
  throw new RecorderError('forbidden', `the token ${token.name} does not act for this actuator`);
}
