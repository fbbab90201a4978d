// Giving commands: what is asked of an actuator is on record before it is sent, and what is asked no more is told too.

import { type CommandOp, type CommandReason, superseded } from '../incident/command.ts';
import type { RequestMark } from '../incident/events.ts';
import type { Hold } from '../incident/hold.ts';
import type { Receipt } from '../incident/incident.ts';
import { knownActuator } from '../policy/policy.ts';
import { chance } from './chance.ts';
import type { Draft } from './draft.ts';

/** On whose behalf, for which incident, and what an operator said with it. */
export interface By {
  readonly actor: string;
  readonly incident_id: string | null;
  readonly note?: string | null;
  readonly request?: RequestMark | null;
}

/** The same, where there is an incident that it is for. */
export interface ForIncident extends By {
  readonly incident_id: string;
}

/**
 * Asks the hold's actuator to do something; what it was asked before about this hold is superseded.
 * @param least_ms after the last command of this action on this target, whatever the rule's cooldown
 * @throws Error when the hold has no actuator that is known
 */
export function request(draft: Draft, hold: Hold, op: CommandOp, reason: CommandReason, by: By, least_ms = 0): Receipt {
  const actuator = knownActuator(draft.policy, hold.actuator);
  if (!actuator) throw new Error(`${hold.id} has no actuator`);
  supersede(draft, hold, by.actor);
  const not_before = op === 'apply' ? notBefore(draft, hold, least_ms) : draft.now;
  const deadline_at = later(not_before, actuator.deadline_ms);
  const id = `CMD-${chance()}`;
  const incident_id = by.incident_id ?? hold.incident_id;
  const receipt = draft.record('command.requested', { id: hold.id, about: hold.seq }, by.actor, {
    ...{ command_id: id, op, actuator: actuator.name, incident_id, reason, not_before, deadline_at },
    ...(by.note === undefined ? {} : { note: by.note }),
    ...(by.request === undefined ? {} : { request: by.request }),
  });
  const free_at = draft.monotonic() + Date.parse(not_before) - Date.parse(draft.now);
  draft.commands.insert(
    {
      ...{ seq: receipt.seq, id, op, hold: hold.seq, incident_id, actuator: actuator.name, reason, status: 'pending' },
      ...{ overdue: false, open: true, created_at: draft.now, not_before, deadline_at },
      ...{ attempts: 0, error: null, evidence: null, late: null, completed_at: null },
    },
    { free_at, late_at: free_at + actuator.deadline_ms },
  );
  draft.holds.touch(hold.seq, receipt.seq);
  draft.ring(`actuator ${actuator.name}`);
  return receipt;
}

/** What is still to be done about a hold is not wanted any more. */
export function supersede(draft: Draft, hold: Hold, actor: string): void {
  for (const command of draft.commands.openOf(hold.seq)) {
    const { seq } = draft.record('command.superseded', { id: hold.id, about: hold.seq }, actor, { command_id: command.id });
    draft.commands.change(command.seq, superseded(command));
    draft.holds.touch(hold.seq, seq);
    draft.ring(`actuator ${command.actuator}`);
  }
}

/** What is ordered of nobody is only on record. */
export function statusFor(actuator: string | null): 'recorded' | 'requested' {
  return actuator === null ? 'recorded' : 'requested';
}

/** Not sooner after the last command for the same action and target than the rule's cooldown, or than `least_ms`. */
function notBefore(draft: Draft, { action, target, rule }: Hold, least_ms: number): string {
  const cooldown = Math.max(least_ms, draft.policy.rules.get(rule)?.cooldown_ms ?? 0);
  const last = cooldown === 0 ? null : draft.commands.lastApplied(action, target);
  const free = last === null ? draft.now : later(last, cooldown);
  return free > draft.now ? free : draft.now;
}

/** An instant so many milliseconds after another. */
export function later(instant: string, ms: number): string {
  return new Date(Date.parse(instant) + ms).toISOString();
}
