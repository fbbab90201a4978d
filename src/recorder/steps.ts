// The steps of an incident's life that an operator takes: contain, acknowledge, resolve, reopen, note.

import { RecorderError } from '../errors.ts';
import { type ActionName, ACTIONS } from '../incident/actions.ts';
import { type ActionState, isRefused, statusOf } from '../incident/containment.ts';
import type { RequestMark } from '../incident/events.ts';
import type { Incident, Kept, Receipt } from '../incident/incident.ts';
import { type StepName, allowedFrom, stateAfter } from '../incident/lifecycle.ts';
import type { Resolution } from '../incident/vocabulary.ts';
import type { Log } from '../log.ts';
import { isContained } from '../policy/decide.ts';
import { DEFAULT_MAX_HOLDS } from '../policy/policy.ts';
import type { Caller } from './caller.ts';
import { doneBefore, keepDone } from './once.ts';
import { alert, carryOut, plan, told } from './order.ts';
import type { Draft, Subject } from './draft.ts';

export interface Changed extends Kept {
  readonly receipt: Receipt;
  readonly replayed: boolean;
}

export interface StepRequest {
  readonly id: string;
  readonly note: string | null;
  readonly resolution: Resolution | null;
  readonly caller: Caller;
  /** Versions of which the incident must have one; null = any. */
  readonly ifMatch: readonly number[] | null;
  readonly mark: RequestMark | null;
}

/** What a step makes of an incident, and the records it left: the first is its receipt, the last the new version. */
interface Stepped {
  readonly incident: Incident;
  readonly first: Receipt;
  readonly last: Receipt;
}

type Taken = (draft: Draft, incident: Incident, request: StepRequest, log: Log) => Stepped;

const STEPS: Record<StepName, Taken> = { contain, acknowledge, resolve, reopen };

/** @throws RecorderError "not_found", "precondition_failed", "state_conflict", "idempotency_mismatch" */
export function stepChange(step: StepName, request: StepRequest, log: Log): (draft: Draft) => Changed {
  return change(request, (draft, incident) => STEPS[step](draft, incident, request, log));
}

export function noteChange(request: StepRequest & { note: string }): (draft: Draft) => Changed {
  const { caller, note, mark } = request;
  return change(request, (draft, incident) => {
    const record = draft.record('incident.noted', subjectOf(incident), caller.actor, { note, request: mark });
    return { incident, first: record, last: record };
  });
}

/** What every change of one incident has in common: once, this incident, this version, then the step itself. */
function change(request: StepRequest, take: (draft: Draft, incident: Incident) => Stepped): (draft: Draft) => Changed {
  return (draft) => {
    const done = doneBefore(draft, request.mark);
    const kept = draft.incidents.byId(done?.incident ?? request.id);
    if (!kept) throw new RecorderError('not_found', 'there is no such incident');
    if (done) return { ...kept, receipt: done.receipt, replayed: true };
    if (request.ifMatch && !request.ifMatch.includes(kept.version)) {
      throw new RecorderError('precondition_failed', `the incident has changed since: its ETag is now "${kept.version}"`);
    }
    const { incident, first, last } = take(draft, kept.incident);
    const changed = { ...incident, updated_at: draft.now };
    draft.incidents.update(changed, last.seq);
    keepDone(draft, request.mark, changed.id, first);
    return { incident: changed, version: last.seq, receipt: first, replayed: false };
  };
}

/** Orders what the policy had only proposed. An operator's word is carried out in every mode; with nothing to order it contains at once. */
function contain(draft: Draft, incident: Incident, { caller, note, mark }: StepRequest, log: Log): Stepped {
  const state = stateAfter('contain', incident.state);
  const { class: rule, source } = incident;
  const by = { rule, source, max_holds: draft.policy.rules.get(rule)?.max_holds ?? DEFAULT_MAX_HOLDS };
  const wanted = incident.proposed_actions.filter(isAction).map((action) => ({ action, target: ACTIONS[action].target(incident) }));
  const orders = plan(draft, wanted, by);
  const actions = [...incident.containment.actions, ...orders.map((order) => order.state)];
  const status = statusOf(actions);
  const reached = actions.length === 0 || isContained(draft.policy, actions);

  const records: Receipt[] = [];
  if (orders.length > 0) {
    const ordered = draft.record('incident.ordered', subjectOf(incident), caller.actor, {
      actions: told(orders),
      containment: { status, reached },
      note,
      request: mark,
    });
    const owner = {
      id: incident.id,
      seq: incident.audit.seq,
      actor: caller.actor,
      began: ordered.seq,
      n: incident.containment.actions.length,
    };
    carryOut(draft, orders, owner, by);
    records.push(ordered);
  }
  if (reached) {
    records.push(
      draft.record('incident.contained', subjectOf(incident), caller.actor, {
        from: incident.state,
        by: 'operator',
        status,
        note,
        request: orders.length > 0 ? null : mark,
      }),
    );
  }
  if (orders.some((order) => isRefused(order.state))) {
    records.push(alert(draft, subjectOf(incident), caller.actor, incident, true, log));
  }
  const [first] = records;
  if (!first) throw notReached(incident);
  return {
    incident: {
      ...incident,
      state: reached ? state : incident.state,
      containment_actions: [...incident.containment_actions, ...wanted.map(({ action }) => action)],
      proposed_actions: [],
      containment: { status, reached_at: reached ? draft.now : null, actions },
    },
    first,
    last: records.at(-1) ?? first,
  };
}

/** All is ordered already, and the policy's `without_actuator: never` does not let that count. */
function notReached({ containment, state }: Incident): RecorderError {
  return new RecorderError(
    'state_conflict',
    `everything is ordered already and has come as far as ${containment.status}, which the policy does not count as contained`,
    {
      state,
      allowed: allowedFrom(state).filter((step) => step !== 'contain'),
    },
  );
}

function acknowledge(draft: Draft, incident: Incident, { caller, note, mark }: StepRequest): Stepped {
  const state = stateAfter('acknowledge', incident.state);
  const record = draft.record('incident.acknowledged', subjectOf(incident), caller.actor, { from: incident.state, note, request: mark });
  return { incident: { ...incident, state }, first: record, last: record };
}

/** Ends what the incident owns; a hold that nobody else owns is released. */
function resolve(draft: Draft, incident: Incident, { caller, note, resolution, mark }: StepRequest): Stepped {
  const state = stateAfter('resolve', incident.state);
  const actions = incident.containment.actions.map((action): ActionState =>
    action.hold_id === null ? action : { ...action, status: 'released' },
  );
  const status = actions.length === 0 ? incident.containment.status : statusOf(actions);
  const first = draft.record('incident.resolved', subjectOf(incident), caller.actor, {
    ...{ from: incident.state, note, resolution, status },
    request: mark,
  });
  let last = first;
  for (const hold of draft.holds.ownedBy(incident.audit.seq)) {
    if (draft.holds.hasOtherOwner(hold.seq, incident.audit.seq)) continue;
    last = draft.record('hold.released', { id: hold.id, about: hold.seq }, caller.actor, {
      reason: 'last owner ended',
      incident_id: incident.id,
    });
    draft.holds.release(hold.seq, draft.now);
  }
  draft.holds.disown(incident.audit.seq, last.seq);
  return {
    incident: { ...incident, state, resolved_at: draft.now, resolution, containment: { ...incident.containment, status, actions } },
    first,
    last,
  };
}

/** Un-acknowledge: back to contained while the containment stands, else to open. */
function reopen(draft: Draft, incident: Incident, { caller, note, mark }: StepRequest): Stepped {
  const opened = stateAfter('reopen', incident.state);
  const to = incident.containment.reached_at === null ? opened : 'contained';
  const record = draft.record('incident.reopened', subjectOf(incident), caller.actor, { from: incident.state, to, note, request: mark });
  return { incident: { ...incident, state: to }, first: record, last: record };
}

function subjectOf({ id, audit }: Incident): Required<Subject> {
  return { id, about: audit.seq };
}

function isAction(name: string): name is ActionName {
  return name in ACTIONS;
}
