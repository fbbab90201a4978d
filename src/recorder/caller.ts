// On whose behalf a change is made, and how the audit log names them.

import type { Token } from '../access/token.ts';
import { RecorderError } from '../errors.ts';

export interface Caller {
  /** The token's name. */
  readonly name: string;
  /** As the audit log writes it: role and name. */
  readonly actor: string;
}

export function callerOf({ name, role }: Token): Caller {
  return { name, actor: `${role}:${name}` };
}

/** Four eyes: who reports something does not decide on it. @throws RecorderError "forbidden" */
export function mustBeAnother({ name }: Caller, reporter: string): void {
  if (name === reporter) throw new RecorderError('forbidden', 'what a token has reported it can not decide on');
}

/** The recorder itself. */
export const OURSELVES: Caller = { name: 'incident-recorder', actor: 'recorder' };
