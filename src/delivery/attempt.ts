// One attempt to have an actuator do what a command says: never rejects, whatever the actuator does.

import type { Command, CommandOp } from '../incident/command.ts';
import type { Evidence } from '../incident/report.ts';
import type { Severity } from '../incident/vocabulary.ts';
import type { Actuator } from '../policy/policy.ts';
import type { Secrets } from '../policy/secrets.ts';
import type { Answer, Ask } from './ask.ts';
import { type Background, type Order, type Secret, letterOf } from './dialect.ts';
import { type Outcome, outcomeOf } from './outcome.ts';

/** What is read about a command beside itself. */
export interface Facts {
  /** The incidents that own a hold now: how many, and the ids of the first `limit`. */
  owners(hold: number, limit: number): { count: number; ids: string[] };
  /** By its id. */
  incident(id: string): { readonly class: string; readonly severity: Severity; readonly evidence: Evidence | null } | null;
}

/** A push actuator as it is in force now, with what opens its door. */
export interface Aim {
  readonly actuator: Actuator & { readonly push: NonNullable<Actuator['push']> };
  readonly secret: Secret;
}

/** Null for one that fetches its commands itself. */
export function aimAt(actuator: Actuator, secrets: Secrets): Aim | null {
  const { push, secret, token } = actuator;
  if (!push) return null;
  const keys = secret === null ? [] : secrets.keys(secret);
  return { actuator: { ...actuator, push }, secret: { keys, token: token === null ? null : secrets.token(token) } };
}

export interface AttemptParts {
  facts: Facts;
  ask: (what: Ask, giveUp?: AbortSignal) => Promise<Answer>;
  now: () => Date;
}

/** The longest that one attempt may take, whatever the deadline of its actuator; and the shortest, however little is left of that. */
export const LONGEST_MS = 10_000;
export const SHORTEST_MS = 1000;
/** Those that own a hold, in one order. */
export const NAMED_INCIDENTS = 100;

/** @param n which attempt it is, from 1 */
export async function attempt(command: Command, n: number, aim: Aim, parts: AttemptParts, giveUp: AbortSignal): Promise<Outcome> {
  const { facts, ask, now } = parts;
  const at = now();
  const { op, action, incident_id } = command;
  const outcome = await send(op, aim, {
    ...{ order: () => orderOf(command, n, facts), background: () => backgroundOf(incident_id, facts) },
    ...{ at, timeout_ms: timeoutOf(command, aim.actuator, at), ask, giveUp },
  });
  return outcome ?? { result: { status: 'unsupported', evidence: null, error: `its dialect has no word for ${op} ${action}` } };
}

export interface Sending {
  readonly order: () => Order;
  readonly background: () => Background;
  readonly at: Date;
  readonly timeout_ms: number;
  readonly ask: AttemptParts['ask'];
  readonly giveUp?: AbortSignal;
}

/** Sends an order once. Null when the actuator's dialect has no words for it. */
export async function send(op: CommandOp, { actuator, secret }: Aim, of: Sending): Promise<Outcome | null> {
  const { order, background, at, timeout_ms, ask, giveUp } = of;
  try {
    const letter = letterOf(actuator.dialect, order(), background, secret, at);
    if (!letter) return null;
    return outcomeOf(op, actuator.dialect, await ask({ method: 'POST', address: actuator.push, ...letter, timeout_ms }, giveUp));
  } catch (error) {
    return { again: whyNot(error), after_ms: null };
  }
}

/** Why there was no answer, in words. */
export function whyNot(error: unknown): string {
  return error instanceof Error ? error.message : 'it cannot be asked';
}

/** What is left until its deadline, but at least a second, and no longer than any attempt. */
function timeoutOf({ deadline_at, overdue }: Command, { deadline_ms }: Actuator, at: Date): number {
  const longest = Math.min(deadline_ms, LONGEST_MS);
  return overdue ? longest : Math.min(longest, Math.max(SHORTEST_MS, Date.parse(deadline_at) - at.getTime()));
}

/** A command as the `n`-th attempt at it is told. */
export function orderOf(command: Command, n: number, facts: Facts): Order {
  const { id, op, hold, action, target, params, hold_id, incident_id, reason, created_at, expires_at, deadline_at, seq } = command;
  const owners = facts.owners(hold, NAMED_INCIDENTS);
  // A release is given when nobody owns the hold any more.
  const incidents = owners.count > 0 ? owners : { count: 1, ids: [incident_id] };
  return {
    ...{ id, op, action, target, params, hold_id, incident_id, incidents, reason, attempt: n, created_at, expires_at },
    ...{ deadline: deadline_at, drill: false, seq },
  };
}

function backgroundOf(incident_id: string, facts: Facts): Background {
  const incident = facts.incident(incident_id);
  const name = incident?.evidence?.['model_name'];
  return { class: incident?.class ?? 'unknown', model_name: typeof name === 'string' ? name : '' };
}
