// The truth of an incident: what it is called follows its holds. Looked at again whenever one of them has moved.

import { type ContainmentStatus, statusOf } from '../incident/containment.ts';
import type { Incident, Receipt } from '../incident/incident.ts';
import type { State } from '../incident/vocabulary.ts';
import { isContained } from '../policy/decide.ts';
import { OURSELVES } from './caller.ts';
import type { Change, Draft, Subject } from './draft.ts';

/** So many incidents are settled in the change that moved their hold; the rest in changes of their own, right after it. */
const AT_ONCE = 20;

/** To be called at the end of a change, when all that it writes itself is written. @returns the seqs of the incidents that were looked at */
export function settle(draft: Draft): readonly number[] {
  const seqs = draft.settling.next(AT_ONCE);
  for (const seq of seqs) {
    settleOne(draft, seq);
    draft.settling.settled(seq);
  }
  if (seqs.length === AT_ONCE) draft.ring('unsettled');
  return seqs;
}

/** What is left of an earlier change; true when there is still more. */
export const settleChange: Change<boolean> = (draft) => {
  return settle(draft).length === AT_ONCE;
};

function settleOne(draft: Draft, seq: number): void {
  const kept = draft.incidents.bySeq(seq);
  if (!kept) return;
  const { incident } = kept;
  const { containment } = incident;
  const status = statusOf(containment.actions);
  const reached = reachedNow(draft, incident);
  draft.ring(`incident ${seq}`);
  if (status === containment.status && reached === (containment.reached_at !== null)) return;
  const state = stateBy(incident.state, reached);
  const reached_at = reached ? (containment.reached_at ?? draft.now) : null;
  const { seq: version } = tell(draft, incident, { state, status, reached });
  const changed = { ...incident, state, updated_at: draft.now, containment: { ...containment, status, reached_at } };
  draft.incidents.update(incident.state === 'resolved' ? { ...changed, containment: { ...containment, status } } : changed, version);
}

/** When it was contained is history once it is resolved. */
function reachedNow(draft: Draft, { state, containment }: Incident): boolean {
  return state === 'resolved' ? containment.reached_at !== null : isContained(draft.policy, containment.actions);
}

/** Of itself an incident moves between open and contained only, so that the word is true whenever it is shown. */
export function stateBy(state: State, reached: boolean): State {
  if (state !== 'open' && state !== 'contained') return state;
  return reached ? 'contained' : 'open';
}

function tell(
  draft: Draft,
  { id, audit, state: from }: Incident,
  { state, status, reached }: { state: State; status: ContainmentStatus; reached: boolean },
): Receipt {
  const subject = { id, about: audit.seq };
  if (state === from) return draft.record('containment.moved', subject, OURSELVES.actor, { status, reached });
  if (state === 'contained') return tellContained(draft, subject, OURSELVES.actor, status);
  const step = { note: null, request: null };
  return draft.record('incident.reopened', subject, OURSELVES.actor, { from: 'contained', to: 'open', status, ...step });
}

/** By the policy: what is ordered has come as far as it demands. */
export function tellContained(draft: Draft, subject: Required<Subject>, actor: string, status: ContainmentStatus): Receipt {
  return draft.record('incident.contained', subject, actor, { from: 'open', by: 'policy', status, note: null, request: null });
}
