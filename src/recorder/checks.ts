// What was found when an actuator was asked whether a hold still stands: it is verified, or it has drifted and is commanded again.

import { type Hold, isInForce, isWanted } from '../incident/hold.ts';
import type { Evidence } from '../incident/report.ts';
import type { Log } from '../log.ts';
import { alertOfHold } from './alert.ts';
import { request, supersede } from './commands.ts';
import type { Draft } from './draft.ts';
import { move } from './holds.ts';
import { settle } from './settle.ts';

export interface Check {
  /** By its seq. */
  readonly hold: number;
  readonly stands: boolean;
  /** Why it does not, in words. */
  readonly detail: string | null;
  readonly evidence: Evidence | null;
  /** The version of the hold that was looked at: when it has moved since, nothing is known of it. Null = whatever it is. */
  readonly commanded: number | null;
}

export function checksChange(actuator: string, checks: readonly Check[], log: Log): (draft: Draft) => void {
  return (draft) => {
    // Who has left the policy is not asked any more, and what he does is nobody's to say.
    if (!draft.policy.actuators.has(actuator)) return;
    for (const check of checks) {
      const hold = draft.holds.bySeq(check.hold);
      if (!hold || hold.actuator !== actuator || !isWanted(hold.status)) continue;
      if (check.commanded !== null && check.commanded !== hold.version) continue;
      if (check.stands) verified(draft, hold, check, actuator);
      else if (isInForce(hold.status)) drifted(draft, hold, check, actuator, log);
    }
    settle(draft);
  };
}

/** What stands stands, whatever was known of it: also what had failed, or was still under way. */
function verified(draft: Draft, hold: Hold, { evidence }: Check, actuator: string): void {
  if (['verified', 'awaiting_approval', 'recorded'].includes(hold.status)) return;
  const actor = `actuator:${actuator}`;
  const completed_at = hold.status === 'enforced' ? hold.completed_at : draft.now;
  supersede(draft, hold, actor);
  move(draft, hold, {
    ...{ to: { status: 'verified', error: null, completed_at }, reason: 'verified', evidence },
    by: { actor, incident_id: null },
  });
}

function drifted(draft: Draft, hold: Hold, { detail, evidence }: Check, actuator: string, log: Log): void {
  const by = { actor: `actuator:${actuator}`, incident_id: null };
  const reason = detail ?? 'it is not in force any more';
  const to = { status: 'drifted', error: reason, completed_at: draft.now } as const;
  const { hold: now } = move(draft, hold, { to, reason, evidence, by });
  alertOfHold(draft, now, by.actor, `containment drifted: ${reason}`, log);
  request(draft, now, 'apply', 'drifted', by);
}
