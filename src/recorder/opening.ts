// What is recorded when the service starts: the log's own beginning, its key, what is in force, and what was found amiss.

import { randomBytes } from 'node:crypto';
import type { Token } from '../access/token.ts';
import type { Policy } from '../policy/policy.ts';
import type { Log } from '../log.ts';
import { OURSELVES } from './caller.ts';
import { damageFinding, keyFinding } from './findings.ts';
import type { Opened } from './mirror.ts';
import type { Draft } from './draft.ts';
import { adopt } from './recorder.ts';
import { findingChange } from './report.ts';

export interface Opening {
  readonly software: string;
  readonly origin: string;
  readonly verifierKey: string;
  readonly policy: Policy;
  readonly tokens: readonly Token[];
  readonly damaged: Opened['damaged'];
}

/** All of it in one change: what was found is not found again at the next start, so a crash must not lose a part of it. */
export function openingChange({ software, origin, verifierKey, policy, tokens, damaged }: Opening, log: Log): (draft: Draft) => void {
  return (draft) => {
    const known = draft.meta.verifierKey();
    if (known === null) {
      const instance = randomBytes(16).toString('hex');
      draft.record('log.opened', null, OURSELVES.actor, { origin, instance, public_key: verifierKey, software });
    }
    const changedFrom = known !== null && keyIn(known) !== keyIn(verifierKey) ? known : null;
    if (changedFrom !== null) draft.record('key.changed', null, OURSELVES.actor, { old: changedFrom, new: verifierKey });
    if (known !== verifierKey) draft.meta.setVerifierKey(verifierKey);
    draft.record('service.started', null, OURSELVES.actor, { software, pid: process.pid });
    adopt(draft, policy, tokens, OURSELVES);
    if (changedFrom !== null) findingChange(keyFinding(changedFrom, verifierKey), log)(draft);
    if (damaged) {
      draft.record('log.recovered', null, OURSELVES.actor, { damaged: damaged.file, reason: damaged.reason });
      findingChange(damageFinding(damaged), log)(draft);
    }
  };
}

/** The key itself in a verifier key: another origin gives the same one another name. */
function keyIn(verifierKey: string): string {
  return verifierKey.slice(verifierKey.lastIndexOf('+') + 1);
}
