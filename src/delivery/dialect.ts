// What is said to an actuator, in the words that it knows: headers and body of one attempt. Pure.

import { type Target, isAction, rowOf } from '../incident/actions.ts';
import type { Params } from '../incident/command.ts';
import type { Actuator } from '../policy/policy.ts';
import { SOFTWARE } from '../version.ts';
import { signatureHeaders } from './signature.ts';

/** One attempt at a command, or one question whether a hold stands. */
export interface Order {
  /** The same for each attempt. */
  readonly id: string;
  readonly op: 'apply' | 'verify' | 'release';
  readonly action: string;
  readonly target: Target;
  readonly params: Params;
  readonly hold_id: string;
  readonly incident_id: string;
  /** The incidents that own the hold: how many, and the first hundred. */
  readonly incidents: { readonly count: number; readonly ids: readonly string[] };
  readonly reason: string;
  /** From 1. */
  readonly attempt: number;
  readonly created_at: string;
  /** When the hold ends by itself; null = it does not. */
  readonly expires_at: string | null;
  readonly deadline: string;
  /** Nothing is to be done: it is an exercise. */
  readonly drill: boolean;
  /** Of an actuator's orders a later one has a higher seq. */
  readonly seq: number;
}

/** What the services of SecAI_OS want to know beside it. */
export interface Background {
  readonly class: string;
  readonly model_name: string;
}

export interface Secret {
  /** Of `whsec_`; empty = unsigned. */
  readonly keys: readonly Buffer[];
  /** A bearer token, or null. */
  readonly token: string | null;
}

export interface Letter {
  readonly headers: Record<string, string>;
  readonly body: string;
}

const USER_AGENT = SOFTWARE.replace(' ', '/');

/** Null when the dialect has no words for it. `now` is the time of the attempt. */
export function letterOf(
  dialect: Actuator['dialect'],
  order: Order,
  background: () => Background,
  secret: Secret,
  now: Date,
): Letter | null {
  const body = dialect === 'secai' ? secaiBody(order, background) : standardBody(order);
  if (body === null) return null;
  const signed =
    dialect === 'standard' && secret.keys.length > 0 ? signatureHeaders(secret.keys, order.id, now.getTime() / 1000, body) : {};
  return { headers: { 'content-type': 'application/json', ...headersOf(secret), ...signed }, body };
}

/** The headers of any request to an actuator. */
export function headersOf({ token }: Secret): Record<string, string> {
  return { accept: 'application/json', 'user-agent': USER_AGENT, ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
}

/** A command in the standard dialect, but for its envelope: also what those are told who fetch theirs. */
export function dataOf(order: Order): Record<string, unknown> {
  const { id, op, action, target, params, hold_id, incident_id, incidents, reason, attempt, expires_at, deadline, drill, seq } = order;
  return {
    ...{ command_id: id, op, action, target: { type: target.type, id: target.id }, params, hold_id, incident_id },
    ...{ incidents: incidents.ids, incidents_count: incidents.count, reason, attempt, expires_at, deadline, drill, seq },
  };
}

function standardBody(order: Order): string {
  return JSON.stringify({ type: 'containment.command', timestamp: order.created_at, data: dataOf(order) });
}

/** It knows neither a release nor a question nor an exercise. */
function secaiBody({ op, action, target, incident_id, drill }: Order, background: () => Background): string | null {
  const name = isAction(action) ? rowOf(action).secai : null;
  if (name === null || op !== 'apply' || drill) return null;
  const { class: of, model_name } = background();
  const model = action === 'quarantine_model' ? { model_path: target.id === 'unknown' ? '' : target.id, model_name } : {};
  return JSON.stringify({ action: name, incident_id, reason: `containment for incident ${incident_id} (${of})`, ...model });
}
