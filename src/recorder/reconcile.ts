// Holds against the policy in force: whoever carried one out may have left it, or what counts as contained may have changed.

import type { Hold } from '../incident/hold.ts';
import { type Policy, doerOf, knownActuator } from '../policy/policy.ts';
import { askAnew } from './ask-anew.ts';
import { OURSELVES } from './caller.ts';
import { request, supersede } from './commands.ts';
import type { Change, Draft } from './draft.ts';
import { endHold, ended, move } from './holds.ts';
import { settle } from './settle.ts';

const PAGE = 200;
const BY = { actor: OURSELVES.actor, incident_id: null };

/** One page of the holds behind `after`; resolves with where the next begins, or null at the end. */
export function reconcileChange(after: number): Change<number | null> {
  return (draft) => {
    const page = draft.holds.standing(after, PAGE);
    for (const hold of page) reconcile(draft, hold);
    settle(draft);
    return page.length < PAGE ? null : (page.at(-1)?.seq ?? null);
  };
}

function reconcile(draft: Draft, hold: Hold): void {
  // A log that was cut short can leave a hold that nobody owns.
  if (hold.ending === null && !draft.holds.hasOwner(hold.seq)) {
    endHold(draft, hold, { reason: 'last owner ended', ending: 'released', by: BY });
    return;
  }
  if (hold.status === 'awaiting_approval') return askAnew(draft, hold, BY.actor);
  if (hold.status === 'recorded' || hold.actuator === null) return;
  const actuator = doerOf(draft.policy, hold.action);
  if (actuator === hold.actuator) return;
  if (hold.status === 'releasing') return letGo(draft, hold);
  supersede(draft, hold, BY.actor);
  draft.ring(`actuator ${hold.actuator}`);
  if (actuator === null) {
    const error = `its actuator ${hold.actuator} is not in the policy any more`;
    move(draft, hold, { to: { status: 'recorded', actuator, error }, reason: error, by: BY });
    return;
  }
  const reason = `${actuator} does it now, and not ${hold.actuator}`;
  const { hold: now } = move(draft, hold, { to: { status: 'requested', actuator, error: null }, reason, by: BY });
  request(draft, now, 'apply', 'reconciled', BY);
}

/** Nobody is left to tell that it is not wanted any more. */
function letGo(draft: Draft, hold: Hold): void {
  if (knownActuator(draft.policy, hold.actuator)) return;
  supersede(draft, hold, BY.actor);
  ended(draft, hold, { reason: 'superseded', ending: hold.ending ?? 'released', by: BY, by_hand: true });
}

/** When what counts as contained is not what it was, each incident with holds is looked at again. */
export function measureBy(draft: Draft, { contained_when, without_actuator }: Policy): void {
  const measure = `${contained_when} ${without_actuator}`;
  const before = draft.meta.measure();
  if (before === measure) return;
  draft.meta.setMeasure(measure);
  draft.settling.markAll();
  draft.ring('unsettled');
}
