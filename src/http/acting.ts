// Who acts for an actuator: its own token, and the service's.

import { type Token, actsFor } from '../access/token.ts';
import { RecorderError } from '../errors.ts';
import { ACTUATOR_NAME } from '../incident/command.ts';
import type { Refusals } from '../recorder/refusals.ts';

/** An actuator in a path, which is matched whole. */
export const ACTUATOR = `:actuator{${ACTUATOR_NAME.source.slice(1, -1)}}`;

/** @throws RecorderError "forbidden" for another one's token; it is counted */
export function mustActFor(token: Token, actuator: string, refusals: Pick<Refusals, 'denied'>): void {
  if (actsFor(token, actuator)) return;
  refusals.denied('role');
  throw new RecorderError('forbidden', `the token ${token.name} does not act for this actuator`);
}
