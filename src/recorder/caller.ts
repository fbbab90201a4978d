// On whose behalf a change is made, and how the audit log names them.

import type { Token } from '../access/token.ts';

export interface Caller {
  /** The token's name. */
  readonly name: string;
  /** As the audit log writes it: role and name. */
  readonly actor: string;
}

export function callerOf({ name, role }: Token): Caller {
  return { name, actor: `${role}:${name}` };
}

/** The recorder itself. */
export const OURSELVES: Caller = { name: 'incident-recorder', actor: 'recorder' };
