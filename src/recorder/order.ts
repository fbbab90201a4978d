// Ordering what a decision wants: each action becomes one owner of a hold, or is done at once, or is refused and said to be.

import { ACTIONS, targetName } from '../incident/actions.ts';
import { type ActionState, isRefused } from '../incident/containment.ts';
import type { OrderedAction } from '../incident/events.ts';
import type { Hold } from '../incident/hold.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Severity } from '../incident/vocabulary.ts';
import type { Log } from '../log.ts';
import type { Wanted } from '../policy/decide.ts';
import { chance } from './chance.ts';
import type { Draft, Subject } from './draft.ts';

/** For whom something is ordered. */
export interface OrderFor {
  readonly rule: string;
  readonly source: string;
  readonly max_holds: number;
}

/** One action as it will be ordered; planned first, so that the report's own record can tell of it. */
export interface Planned {
  readonly wanted: Wanted;
  readonly state: ActionState;
  /** The live hold that it joins, or null. */
  readonly joins: Hold | null;
}

/** Reads what stands already and says what each wanted action will become. Writes nothing. */
export function plan(draft: Draft, wanted: readonly Wanted[], { rule, source, max_holds }: OrderFor): Planned[] {
  let room: number | null = null;
  return wanted.map((each) => {
    if (ACTIONS[each.action].done_by === 'recorder') return planned(draft, each, null, { status: 'verified' });
    const joins = draft.holds.live(each.action, each.target);
    if (joins) return planned(draft, each, joins, { status: joins.status, hold_id: joins.id });
    room ??= max_holds - draft.holds.count(rule, source, max_holds);
    if (room <= 0)
      return planned(draft, each, null, { status: 'failed', error: `limit: the rule has ${max_holds} live holds for this source` });
    room -= 1;
    return planned(draft, each, null, { status: 'recorded', hold_id: newHoldId() });
  });
}

type Becomes = Pick<ActionState, 'status'> & Partial<Pick<ActionState, 'hold_id' | 'error'>>;

function planned(draft: Draft, wanted: Wanted, joins: Hold | null, { status, hold_id = null, error = null }: Becomes): Planned {
  const completed_at = hold_id === null ? draft.now : null;
  const state = {
    action: wanted.action,
    target: targetName(wanted.target),
    hold_id,
    status,
    actuator: null,
    attempts: 0,
    error,
    completed_at,
  };
  return { wanted, joins, state };
}

/** Makes what was planned true for incident `seq`, by its record `began`; `n` numbers its first action. */
export function carryOut(
  draft: Draft,
  orders: readonly Planned[],
  owner: { seq: number; id: string; actor: string; began: number; n: number },
  by: OrderFor,
): void {
  orders.forEach(({ wanted, joins, state }, i) => {
    const hold = joins?.seq ?? (state.hold_id === null ? null : openHold(draft, wanted, state.hold_id, owner, by));
    if (isRefused(state)) refuse(draft, state, owner, by);
    draft.incidents.setAction(owner.seq, owner.n + i, state, hold, owner.began);
  });
}

function openHold(
  draft: Draft,
  { action, target }: Wanted,
  id: string,
  owner: { id: string; actor: string },
  { rule, source }: OrderFor,
): number {
  const { seq } = draft.record('hold.recorded', { id }, owner.actor, { action, target, rule, source, incident_id: owner.id });
  draft.holds.insert({ seq, id, action, target, status: 'recorded', rule, source, created_at: draft.now });
  return seq;
}

function refuse(draft: Draft, { action, target }: ActionState, owner: { seq: number; id: string; actor: string }, by: OrderFor): void {
  draft.record('action.refused', { id: owner.id, about: owner.seq }, owner.actor, { action, target, reason: 'limit', limit: by.max_holds });
}

/** What is alarming about an incident. */
interface Facts {
  readonly class: string;
  readonly severity: Severity;
  readonly source: string;
  readonly description: string;
}

/** The alert that log_alert orders, or that a refused action deserves: a record, and a critical line once it is durable. */
export function alert(
  draft: Draft,
  subject: Required<Subject>,
  actor: string,
  { class: className, severity, source, description }: Facts,
  refused: boolean,
  log: Log,
): Receipt {
  const facts = { reason: refused ? 'an action was refused' : 'log_alert', class: className, severity, source };
  draft.afterwards(() => log.critical('alert raised', { incident: subject.id, ...facts, description }));
  return draft.record('alert.raised', subject, actor, facts);
}

/** True of what the recorder has done itself at commit: an alert. */
export function isDoneByUs({ status, hold_id }: ActionState): boolean {
  return status === 'verified' && hold_id === null;
}

/** What an order is told as in the audit log. */
export function told(orders: readonly Planned[]): OrderedAction[] {
  return orders.map(({ state: { action, target, hold_id, status, error } }) => ({ action, target, hold_id, status, error }));
}

/** `HLD-` and 12 hex digits of chance. */
function newHoldId(): string {
  return `HLD-${chance()}`;
}
