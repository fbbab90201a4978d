// A drill: an actuator is told to contain what is not there, and to let it go, by the very code that delivers commands.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ActionName, type Target, rowOf } from '../incident/actions.ts';
import { type CommandOp, type Result, SUCCESS } from '../incident/command.ts';
import { plainAction } from '../policy/plain-action.ts';
import type { Actuator } from '../policy/policy.ts';
import type { Secrets } from '../policy/secrets.ts';
import { ask } from './ask.ts';
import { type Aim, LONGEST_MS, SHORTEST_MS, aimAt, send } from './attempt.ts';
import { backoffOf } from './backoff.ts';
import type { Order } from './dialect.ts';

export interface Drilled {
  readonly actuator: string;
  readonly action: string | null;
  /** `accepted`: it works on it, and tells the service when that is done. */
  readonly outcome: 'contained' | 'accepted' | 'failed' | 'skipped';
  /** From the first try to the answer, in milliseconds; null where it was not done, or cannot be undone. */
  readonly contain_ms: number | null;
  readonly release_ms: number | null;
  /** How often it was told to contain. */
  readonly attempts: number;
  readonly detail: string | null;
}

/** Nothing is recorded. Never rejects. */
export async function drillOf(actuator: Actuator, secrets: Secrets): Promise<Drilled> {
  const { name, actions } = actuator;
  const aim = aimAt(actuator, secrets);
  const skipped = { actuator: name, action: null, outcome: 'skipped', contain_ms: null, release_ms: null, attempts: 0 } as const;
  if (!aim) return { ...skipped, detail: 'it fetches its commands itself' };
  const action = actions.find((each) => rowOf(each).release !== null) ?? actions[0];
  if (!action) return { ...skipped, detail: 'it does nothing' };
  const hold = idOf();
  const told = { aim, action, hold };
  const applied = await carryOut('apply', told, actuator.deadline_ms);
  if (!applied) return { ...skipped, detail: `its dialect ${actuator.dialect} knows no drill` };
  const isDone = isAnswered('apply', applied);
  // Whatever the answer: what it has done in earnest, if it has, is to be undone.
  const released = rowOf(action).release === null ? null : await carryOut('release', told, isDone ? actuator.deadline_ms : 0);
  const fault = !isDone ? faultOf(applied) : released && !isAnswered('release', released) ? `release: ${faultOf(released)}` : null;
  const { status } = applied.result;
  return {
    ...{ actuator: name, action },
    outcome: fault !== null ? 'failed' : status === 'accepted' ? 'accepted' : 'contained',
    contain_ms: status === 'enforced' ? applied.ms : null,
    release_ms: isDone && released?.result.status === 'released' ? released.ms : null,
    attempts: applied.attempts,
    detail: fault ?? noteOf(applied, released),
  };
}

/** Done, or taken up to be done. */
function isAnswered(op: CommandOp, { result: { status } }: Done): boolean {
  return status === SUCCESS[op] || status === 'accepted';
}

function faultOf({ result: { status, error } }: Done): string {
  return error ?? `it answered "${status}"`;
}

function noteOf({ result }: Done, released: Done | null): string | null {
  const notes = [
    ...(result.status === 'accepted' ? ['it works on it, and tells the service when that is done'] : []),
    ...(released ? [] : ['is undone by hand only']),
  ];
  return notes.length > 0 ? notes.join('; ') : null;
}

interface Told {
  readonly aim: Aim;
  readonly action: ActionName;
  /** The id of what is held, which is no hold. */
  readonly hold: string;
}

interface Done {
  readonly result: Result;
  readonly ms: number;
  readonly attempts: number;
}

/** Tried as any command is, for so many milliseconds, and once at least. Null when the dialect has no words for it. */
async function carryOut(op: CommandOp, told: Told, patience_ms: number): Promise<Done | null> {
  const id = idOf();
  const created = new Date();
  const began = performance.now();
  for (let attempts = 1; ; attempts += 1) {
    const left = told.aim.actuator.deadline_ms - (performance.now() - began);
    const outcome = await send(op, told.aim, {
      ...{ order: () => orderOf(op, id, created, attempts, told), background: () => ({ class: 'drill', model_name: '' }) },
      ...{ at: new Date(), timeout_ms: Math.min(LONGEST_MS, Math.max(SHORTEST_MS, Math.ceil(left))), ask },
    });
    if (!outcome) return null;
    const ms = Math.round((performance.now() - began) * 10) / 10;
    if ('result' in outcome) return { result: outcome.result, ms, attempts };
    const wait = Math.max(backoffOf(attempts, Math.random()), outcome.after_ms ?? 0);
    if (ms + wait > patience_ms) return { result: { status: 'failed', evidence: null, error: outcome.again }, ms, attempts };
    await sleep(wait);
  }
}

function orderOf(op: CommandOp, id: string, created: Date, attempts: number, { aim, action, hold }: Told): Order {
  return {
    ...{ id, op, action, params: plainAction(action).params, hold_id: hold, incident_id: hold, incidents: { count: 1, ids: [hold] } },
    // Of no kind that there is, so that nothing that exists is meant by it.
    target: { type: 'drill', id: hold } as unknown as Target,
    ...{ reason: 'drill', attempt: attempts, created_at: created.toISOString(), expires_at: null, drill: true },
    deadline: new Date(created.getTime() + aim.actuator.deadline_ms).toISOString(),
    // Below that of any command: whoever remembers the highest goes on with real ones.
    seq: 0,
  };
}

/** `DRL-` and 12 hex digits. */
function idOf(): string {
  return `DRL-${randomUUID().slice(-12)}`;
}
