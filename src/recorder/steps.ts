// The steps of an incident's life that an operator takes: contain, acknowledge, resolve, reopen, note.

import { RecorderError } from '../errors.ts';
import { isRefused, isUnderWay, statusOf } from '../incident/containment.ts';
import { isWanted } from '../incident/hold.ts';
import type { Incident } from '../incident/incident.ts';
import { type StepName, allowedFrom, stateAfter } from '../incident/lifecycle.ts';
import type { Log } from '../log.ts';
import { isContained, propose } from '../policy/decide.ts';
import { DEFAULT_MAX_HOLDS } from '../policy/policy.ts';
import { alert } from './alert.ts';
import type { Draft } from './draft.ts';
import { checkGate } from './gate.ts';
import { type Changed, type StepRequest, type Stepped, change, subjectOf } from './incident-change.ts';
import { letGo } from './letting-go.ts';
import { carryOut } from './order.ts';
import { plan, told } from './plan.ts';

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

/**
 * Orders what the policy had only proposed. An operator's word is carried out in every mode; with nothing to order it contains at once,
 * and what is under way contains when it has come far enough. With nothing proposed, what has ended meanwhile is ordered again.
 */
function contain(draft: Draft, incident: Incident, { caller, note, mark }: StepRequest, log: Log): Stepped {
  const state = stateAfter('contain', incident.state);
  const { class: rule, source } = incident;
  const max_holds = draft.policy.rules.get(rule)?.max_holds ?? DEFAULT_MAX_HOLDS;
  const by = { rule, source, max_holds, requested_by: incident.reported_by };
  const orders = plan(draft, propose(draft.policy, incident, toOrder(incident)), by);
  const actions = [...incident.containment.actions, ...orders.map((order) => order.state)];
  const status = actions.length === 0 ? incident.containment.status : statusOf(actions);
  const reached = actions.length === 0 || isContained(draft.policy, actions);
  const subject = subjectOf(incident);
  const ordered =
    orders.length === 0
      ? null
      : draft.record('incident.ordered', subject, caller.actor, {
          actions: told(orders),
          containment: { status, reached },
          note,
          request: mark,
        });
  const n = incident.containment.actions.length;
  if (ordered) carryOut(draft, orders, { ...subject, seq: incident.audit.seq, actor: caller.actor, began: ordered.seq, n }, by);
  const contained = reached
    ? draft.record('incident.contained', subject, caller.actor, {
        ...{ from: incident.state, by: 'operator', status, note },
        request: ordered ? null : mark,
      })
    : null;
  const refused = orders.some((order) => isRefused(order.state))
    ? alert(draft, subject, caller.actor, { ...incident, reason: 'an action was refused' }, incident.description, log)
    : null;
  const first = ordered ?? contained;
  if (!first) throw notReached(incident);
  return {
    incident: {
      ...incident,
      state: reached ? state : incident.state,
      containment_actions: [...incident.containment_actions, ...orders.map(({ wanted }) => wanted.action)],
      proposed_actions: [],
      containment: { status, reached_at: reached ? draft.now : null, actions },
    },
    first,
    last: refused ?? contained ?? first,
  };
}

/** What was proposed; else what was ordered and has ended, by itself or by an operator's word. */
function toOrder({ proposed_actions, containment: { actions } }: Incident): readonly string[] {
  if (proposed_actions.length > 0) return proposed_actions;
  const standing = new Set(actions.filter(({ status }) => isWanted(status)).map(({ action }) => action));
  return [...new Set(actions.map(({ action }) => action))].filter((action) => !standing.has(action));
}

/** All is ordered already, and does not count as contained: it is under way, or failed, or the policy says `without_actuator: never`. */
function notReached({ containment, state }: Incident): RecorderError {
  const { status } = containment;
  const more = isUnderWay(containment.actions)
    ? 'it is contained when that has come far enough'
    : 'which the policy does not count as contained';
  return new RecorderError('state_conflict', `everything is ordered already and has come as far as ${status}; ${more}`, {
    state,
    allowed: allowedFrom(state).filter((step) => step !== 'contain'),
  });
}

function acknowledge(draft: Draft, incident: Incident, { caller, note, mark }: StepRequest): Stepped {
  const state = stateAfter('acknowledge', incident.state);
  const record = draft.record('incident.acknowledged', subjectOf(incident), caller.actor, { from: incident.state, note, request: mark });
  return { incident: { ...incident, state }, first: record, last: record };
}

/** Ends what the incident owns; a hold that nobody else owns is released. @throws RecorderError "state_conflict" with what its gate lacks */
function resolve(draft: Draft, incident: Incident, { caller, note, resolution, mark }: StepRequest): Stepped {
  const state = stateAfter('resolve', incident.state);
  checkGate(incident);
  const { status, ending, let_go, carryOut: end } = letGo(draft, incident);
  const first = draft.record('incident.resolved', subjectOf(incident), caller.actor, {
    ...{ from: incident.state, note, resolution, status, ending, let_go },
    request: mark,
  });
  end(first, { actor: caller.actor, incident_id: incident.id });
  const containment = { ...incident.containment, status };
  return { incident: { ...incident, state, resolved_at: draft.now, resolution, containment }, first, last: first };
}

/** Un-acknowledge: back to contained while the containment stands, else to open. */
function reopen(draft: Draft, incident: Incident, { caller, note, mark }: StepRequest): Stepped {
  const opened = stateAfter('reopen', incident.state);
  const to = incident.containment.reached_at === null ? opened : 'contained';
  const record = draft.record('incident.reopened', subjectOf(incident), caller.actor, { from: incident.state, to, note, request: mark });
  return { incident: { ...incident, state: to }, first: record, last: record };
}
