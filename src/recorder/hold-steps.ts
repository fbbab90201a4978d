// What an operator does to a hold or a command: release, extend, apply, try again.

import { RecorderError } from '../errors.ts';
import { type Command, SUCCESS } from '../incident/command.ts';
import type { RequestMark } from '../incident/events.ts';
import { missingAt } from '../incident/gate.ts';
import { type Hold, isWanted } from '../incident/hold.ts';
import type { Receipt } from '../incident/incident.ts';
import { actuatorOf } from '../policy/policy.ts';
import { closeIdle } from './approvals.ts';
import type { Caller } from './caller.ts';
import { type By, later, request } from './commands.ts';
import type { Draft } from './draft.ts';
import { endHold, extendHold, move } from './holds.ts';
import { doneBefore, keepDone } from './once.ts';
import { settle } from './settle.ts';

export type HoldStep = 'release' | 'extend' | 'apply';

export interface HoldRequest {
  readonly id: string;
  readonly note: string | null;
  /** To extend: until this instant, or so many milliseconds from now; one of them. */
  readonly expires_at: string | null;
  readonly ttl_ms: number | null;
  readonly caller: Caller;
  /** Versions of which the hold must have one; null = any. */
  readonly ifMatch: readonly number[] | null;
  readonly mark: RequestMark | null;
}

export interface HoldChanged {
  readonly hold: Hold;
  readonly receipt: Receipt;
  readonly replayed: boolean;
}

const STEPS = { release, extend, apply } satisfies Record<HoldStep, (draft: Draft, hold: Hold, asked: HoldRequest) => Receipt>;

/** @throws RecorderError "not_found", "precondition_failed", "state_conflict", "idempotency_mismatch" */
export function holdChange(step: HoldStep, asked: HoldRequest): (draft: Draft) => HoldChanged {
  return (draft) => {
    const done = doneBefore(draft, asked.mark);
    const hold = draft.holds.byId(asked.id);
    if (!hold) throw new RecorderError('not_found', 'there is no such hold');
    if (done) return { hold, receipt: done.receipt, replayed: true };
    if (asked.ifMatch && !asked.ifMatch.includes(hold.version))
      throw new RecorderError('precondition_failed', `the hold has changed since: its ETag is now "${hold.version}"`);
    const receipt = STEPS[step](draft, hold, asked);
    settle(draft);
    keepDone(draft, asked.mark, hold.id, receipt);
    return { hold: draft.holds.byId(asked.id) ?? hold, receipt, replayed: false };
  };
}

/** Ends it for all incidents that own it. @throws RecorderError "state_conflict" while one of them has a release gate that is not met */
function release(draft: Draft, hold: Hold, asked: HoldRequest): Receipt {
  if (!isWanted(hold.status)) throw conflict(hold, 'it is not wanted any more');
  for (const id of draft.holds.gatedOwners(hold.seq)) {
    const kept = draft.incidents.byId(id);
    const missing = kept ? missingAt(kept.incident) : [];
    if (missing.length > 0) {
      const { status: state } = hold;
      throw new RecorderError('state_conflict', `${id} has a release gate that is not met`, { state, missing, allowed: ['extend'] });
    }
  }
  const owners = draft.holds.owningIncidents(hold.seq);
  const receipt = endHold(draft, hold, { reason: 'operator', ending: 'released', by: byOf(asked) });
  if (hold.status === 'awaiting_approval') for (const incident of owners) closeIdle(draft, incident);
  return receipt;
}

/** Its end moves out. */
function extend(draft: Draft, hold: Hold, asked: HoldRequest): Receipt {
  if (!isWanted(hold.status)) throw conflict(hold, 'it is not wanted any more');
  if (hold.expires_at === null) throw conflict(hold, 'it does not end by itself');
  const expires_at = asked.ttl_ms === null ? asked.expires_at : later(draft.now, asked.ttl_ms);
  if (expires_at === null || expires_at <= hold.expires_at)
    throw new RecorderError('invalid_request', `it ends at ${hold.expires_at}; an extension ends later`);
  return extendHold(draft, hold, expires_at, byOf(asked));
}

/** A hold that was only on record is commanded: its actuator is known now. */
function apply(draft: Draft, hold: Hold, asked: HoldRequest): Receipt {
  if (hold.status !== 'recorded') throw conflict(hold, 'only what is recorded, without an actuator, is applied by hand');
  const actuator = actuatorOf(draft.policy, hold.action);
  if (!actuator) throw conflict(hold, `no actuator is known for ${hold.action}`);
  const by = byOf(asked);
  const to = { status: 'requested', actuator: actuator.name } as const;
  const { hold: requested, receipt } = move(draft, hold, { to, reason: 'applied by an operator', by });
  request(draft, requested, 'apply', 'applied', { actor: by.actor, incident_id: null });
  return receipt;
}

function byOf({ caller, note, mark }: Pick<HoldRequest, 'caller' | 'note' | 'mark'>): By {
  return { actor: caller.actor, incident_id: null, note, request: mark };
}

function conflict({ status: state }: Hold, detail: string): RecorderError {
  return new RecorderError('state_conflict', `the hold is ${state}: ${detail}`, { state, allowed: allowedOf(state) });
}

function allowedOf(state: Hold['status']): HoldStep[] {
  if (!isWanted(state)) return [];
  return state === 'recorded' ? ['release', 'extend', 'apply'] : ['release', 'extend'];
}

export type RetryRequest = Pick<HoldRequest, 'id' | 'note' | 'caller' | 'mark'>;

export interface Retried {
  readonly command: Command;
  readonly receipt: Receipt;
  readonly replayed: boolean;
}

/** A command that has failed is given again, under a new id, while what it was for is still wanted. @throws RecorderError as holdChange */
export function retryChange(asked: RetryRequest): (draft: Draft) => Retried {
  return (draft) => {
    const done = doneBefore(draft, asked.mark);
    const command = draft.commands.byId(asked.id);
    const hold = command && draft.holds.bySeq(command.hold);
    if (!hold) throw new RecorderError('not_found', 'there is no such command');
    if (done) return { command: draft.commands.bySeq(done.receipt.seq) ?? command, receipt: done.receipt, replayed: true };
    const { status: state, op, actuator } = command;
    const refuse = (detail: string) => new RecorderError('state_conflict', detail, { state, allowed: [] });
    if (state !== 'failed') throw refuse(`the command is ${state}: only one that has failed is tried again`);
    const wanted = op === 'apply' ? isWanted(hold.status) : hold.status === 'releasing';
    if (!wanted || draft.commands.lastOf(hold.seq)?.seq !== command.seq) throw refuse(`nobody waits for it to be ${SUCCESS[op]} any more`);
    if (hold.actuator !== actuator || !draft.policy.actuators.has(actuator)) throw refuse(`${actuator} does this no more`);
    const by = byOf(asked);
    const again = op === 'apply' && hold.status === 'failed';
    const asWanted = again
      ? move(draft, hold, { to: { status: 'requested', error: null }, reason: 'tried again by an operator', by: { ...by, request: null } })
          .hold
      : hold;
    const receipt = request(draft, asWanted, op, 'retried', { ...by, incident_id: command.incident_id });
    settle(draft);
    keepDone(draft, asked.mark, hold.id, receipt);
    return { command: draft.commands.bySeq(receipt.seq) ?? command, receipt, replayed: false };
  };
}
