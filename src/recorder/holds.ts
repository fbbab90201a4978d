// What becomes of a hold: it is opened, moves on, and ends; each step is recorded, and its incidents are looked at again.

import { isAction, rowOf } from '../incident/actions.ts';
import type { EndReason } from '../incident/events.ts';
import type { Hold, Progress } from '../incident/hold.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Evidence } from '../incident/report.ts';
import { knownActuator } from '../policy/policy.ts';
import { type By, type ForIncident, later, request, supersede } from './commands.ts';
import type { Draft } from './draft.ts';

/** A hold that is to be opened. */
export interface Opening extends Pick<Hold, 'id' | 'action' | 'target' | 'params' | 'rule' | 'source' | 'actuator'> {
  readonly status: 'recorded' | 'requested' | 'awaiting_approval';
  /** Milliseconds until it ends by itself; null = it does not. */
  readonly ttl_ms: number | null;
}

/** Opens it, and commands it when that is what its status says. What was being undone on the same target is not undone any more. */
export function openHold(draft: Draft, { ttl_ms, status, actuator, ...of }: Opening, by: ForIncident): Hold {
  overtake(draft, of, by);
  const expires_at = ttl_ms === null || status === 'awaiting_approval' ? null : later(draft.now, ttl_ms);
  const { seq } = draft.record('hold.recorded', { id: of.id }, by.actor, {
    ...{ action: of.action, target: of.target, rule: of.rule, source: of.source, incident_id: by.incident_id },
    ...{ status, params: of.params, actuator, expires_at },
  });
  const hold: Hold = {
    ...{ ...of, seq, status, actuator, attempts: 0, error: null, completed_at: null, incident_id: by.incident_id },
    ...{ created_at: draft.now, expires_at, ending: null, released_at: null, version: seq },
  };
  draft.holds.insert(hold);
  if (expires_at !== null && ttl_ms !== null) guard(draft, seq, ttl_ms);
  if (status === 'requested') request(draft, hold, 'apply', 'ordered', by);
  return hold;
}

/** The hold of the same action and target that is just being released: the new one says what is wanted now. */
function overtake(draft: Draft, { action, target }: Pick<Hold, 'action' | 'target'>, by: By): void {
  const { last } = draft.holds.past(action, target, 1);
  const old = last === null ? null : draft.holds.bySeq(last);
  if (old?.status !== 'releasing') return;
  supersede(draft, old, by.actor);
  ended(draft, old, { reason: 'superseded', ending: old.ending ?? 'released', by });
}

/** Its end moves, to an instant or to never; its actuator is to know. Whether it may is for the caller to say. */
export function extendHold(draft: Draft, { id, seq: about, actuator }: Hold, expires_at: string | null, by: By): Receipt {
  const { incident_id, note = null, request: mark = null } = by;
  const receipt = draft.record('hold.extended', { id, about }, by.actor, { expires_at, incident_id, note, request: mark });
  draft.holds.extend(about, expires_at, receipt.seq);
  if (expires_at !== null) guard(draft, about, Date.parse(expires_at) - Date.parse(draft.now));
  if (actuator !== null) draft.ring(`actuator ${actuator}`);
  return receipt;
}

/** Within this run it does not end before so many milliseconds have passed, whatever the wall clock says. */
function guard(draft: Draft, hold: number, ttl_ms: number): void {
  draft.holds.guard(hold, draft.monotonic() + ttl_ms);
}

interface Move {
  readonly to: Partial<Progress>;
  readonly reason: string;
  readonly evidence?: Evidence | null;
  readonly by: By;
}

/** It has come further, or has fallen back. */
export function move(draft: Draft, hold: Hold, { to, reason, evidence = null, by }: Move): { hold: Hold; receipt: Receipt } {
  const progress = progressOf({ ...hold, ...to });
  const receipt = draft.record('hold.moved', { id: hold.id, about: hold.seq }, by.actor, {
    ...{ hold: progress, reason, evidence },
    ...{ note: by.note ?? null, request: by.request ?? null },
  });
  return { hold: moved(draft, hold, progress, receipt), receipt };
}

/** Keeps how far it has come, as a record tells it. */
export function moved(draft: Draft, hold: Hold, progress: Progress, { seq }: Receipt): Hold {
  draft.holds.move(hold.seq, progress, seq);
  draft.settling.mark(hold.seq);
  return { ...hold, ...progress, version: seq };
}

export function progressOf({ status, actuator, attempts, error, completed_at }: Progress): Progress {
  return { status, actuator, attempts, error, completed_at };
}

interface End {
  readonly reason: EndReason;
  readonly ending: 'released' | 'expired';
  readonly by: By;
}

/** What it is when nobody wants it any more, until that is done: releasing, or released at once. */
export function endingOf(draft: Draft, hold: Hold): 'releasing' | 'released' {
  return isCommanded(draft, hold) && canRelease(draft, hold) ? 'releasing' : 'released';
}

/** Nobody wants it any more. Where its actuator may have done something, it is told to undo it, if it can be. */
export function endHold(draft: Draft, hold: Hold, end: End): Receipt {
  const { reason, ending, by } = end;
  supersede(draft, hold, by.actor);
  if (endingOf(draft, hold) === 'released') return ended(draft, hold, { ...end, by_hand: isCommanded(draft, hold) });
  const receipt = draft.record('hold.releasing', { id: hold.id, about: hold.seq }, by.actor, {
    ...{ reason, incident_id: by.incident_id, ending },
    ...{ note: by.note ?? null, request: by.request ?? null },
  });
  draft.settling.mark(hold.seq);
  draft.holds.beginEnd(hold.seq, ending, receipt.seq);
  request(draft, hold, 'release', 'ended', { actor: by.actor, incident_id: by.incident_id });
  return receipt;
}

/** Whether an actuator was ever told of it. */
function isCommanded(draft: Draft, { seq }: Hold): boolean {
  return draft.commands.lastOf(seq) !== null;
}

/** Whether the action can be undone by a command, and there is somebody to command. */
export function canRelease(draft: Draft, { action, actuator }: Hold): boolean {
  return knownActuator(draft.policy, actuator)?.dialect === 'standard' && isAction(action) && rowOf(action).release !== null;
}

interface Ended extends Omit<End, 'reason'> {
  readonly reason: EndReason | 'released';
  readonly by_hand?: boolean;
  /** Of its actions then, if not as it ended itself. */
  readonly failed?: string;
}

/** It is over: whoever still owned it does not any more. */
export function ended(draft: Draft, hold: Hold, { reason, ending, by, by_hand = false, failed }: Ended): Receipt {
  const status = failed === undefined ? ending : 'failed';
  const error = failed ?? hold.error;
  const receipt = draft.record('hold.released', { id: hold.id, about: hold.seq }, by.actor, {
    ...{ reason, incident_id: by.incident_id, status, error, by_hand },
    ...{ note: by.note ?? null, request: by.request ?? null },
  });
  draft.settling.mark(hold.seq);
  draft.holds.end(hold.seq, { at: draft.now, ending, status, error, version: receipt.seq });
  if (hold.actuator !== null) draft.ring(`actuator ${hold.actuator}`);
  return receipt;
}
