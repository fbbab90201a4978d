// What is recorded when the service starts: the log's own beginning, its key, and what is in force.

import { randomBytes } from 'node:crypto';
import type { Token } from '../access/token.ts';
import type { Policy } from '../policy/policy.ts';
import { OURSELVES } from './caller.ts';
import type { Draft } from './queue.ts';
import { adopt } from './recorder.ts';

export interface Opening {
  readonly software: string;
  readonly origin: string;
  readonly verifierKey: string;
  readonly policy: Policy;
  readonly tokens: readonly Token[];
}

/** @returns the key that the log was signed under before, when it was another one */
export function openingChange({
  software,
  origin,
  verifierKey,
  policy,
  tokens,
}: Opening): (draft: Draft) => { changedFrom: string | null } {
  return (draft) => {
    const known = draft.meta.verifierKey();
    if (known === null) {
      const instance = randomBytes(16).toString('hex');
      draft.record('log.opened', null, OURSELVES.actor, { origin, instance, public_key: verifierKey, software });
    }
    const changedFrom = known === verifierKey ? null : known;
    if (changedFrom !== null) draft.record('key.changed', null, OURSELVES.actor, { old: changedFrom, new: verifierKey });
    if (known !== verifierKey) draft.meta.setVerifierKey(verifierKey);
    draft.record('service.started', null, OURSELVES.actor, { software, pid: process.pid });
    adopt(draft, policy, tokens, OURSELVES);
    return { changedFrom };
  };
}
