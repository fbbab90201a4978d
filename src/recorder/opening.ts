// What is recorded when the service starts: the log's own beginning, its key, what is in force, and what was found amiss.

import { randomBytes } from 'node:crypto';
import type { Token } from '../access/token.ts';
import { keyIn } from '../audit/note.ts';
import type { Damage } from '../audit/segments.ts';
import type { Policy } from '../policy/policy.ts';
import type { Log } from '../log.ts';
import { OURSELVES } from './caller.ts';
import { keyFinding, storeFinding } from './findings.ts';
import type { Draft } from './draft.ts';
import { adopt, foundChange } from './recorder.ts';
import { findingChange } from './report.ts';

/** What the store was found to be short of, by what was signed. */
export interface Recovery {
  /** Records that were taken from the log. */
  readonly restored: { readonly from: number; readonly to: number } | null;
  /** Why it is not what was signed, and could not be made so; null when it is. */
  readonly lost: string | null;
}

export interface Opening {
  readonly software: string;
  readonly origin: string;
  readonly verifierKey: string;
  readonly policy: Policy;
  readonly tokens: readonly Token[];
  /** Files of the log that were no copy of the store. */
  readonly damaged: readonly Damage[];
  /** The first record of the newest file of the log. */
  readonly begins: number;
  readonly recovery: Recovery;
  /** The instance as which the log goes on from here, because the store is not the one that it was last kept with; else null. */
  readonly fork: string | null;
}

/** All of it in one change: what was found is not found again at the next start, so a crash must not lose a part of it. */
export function openingChange(opening: Opening, log: Log): (draft: Draft) => void {
  const { software, origin, verifierKey, policy, tokens, damaged, begins, fork } = opening;
  return (draft) => {
    const known = draft.meta.verifierKey();
    if (known === null) {
      const instance = fork ?? newInstance();
      draft.record('log.opened', null, OURSELVES.actor, { origin, instance, public_key: verifierKey, software });
    }
    const changedFrom = known !== null && keyIn(known) !== keyIn(verifierKey) ? known : null;
    if (changedFrom !== null) draft.record('key.changed', null, OURSELVES.actor, { old: changedFrom, new: verifierKey });
    if (known !== verifierKey) draft.meta.setVerifierKey(verifierKey);
    draft.record('service.started', null, OURSELVES.actor, { software, pid: process.pid, public_key: verifierKey });
    adopt(draft, policy, tokens, OURSELVES);
    if (changedFrom !== null) findingChange(keyFinding(changedFrom, verifierKey), log)(draft);
    storeChange(draft, opening, log);
    for (const damage of damaged) foundChange(draft, damage, log);
    draft.meta.setFound({ damaged: [], restored: null });
    // What stands there now was not durable yet when it was replaced: of a file that is not whole at the next start nothing is to be made.
    if (damaged.length > 0) draft.meta.setSynced({ first: begins, seq: begins - 1, offset: 0 });
  };
}

/** What was amiss with the store: records that were taken from the log, or a log that has to go on as another. */
function storeChange(draft: Draft, { recovery: { restored, lost }, fork, origin }: Opening, log: Log): void {
  if (!restored && fork === null) return;
  const reason = lost ?? (restored ? 'the store was an older copy' : 'a file of the log holds records that the store does not');
  const went_on_as = fork === null ? null : { instance: fork, origin };
  draft.record('log.recovered', null, OURSELVES.actor, { reason, damaged: null, restored, went_on_as });
  findingChange(storeFinding(restored?.to ?? null, reason), log)(draft);
}

/** 128 bits of chance, as 32 hex digits. */
export function newInstance(): string {
  return randomBytes(16).toString('hex');
}
