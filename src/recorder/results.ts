// What comes of a command: an actuator's word, or none in time. It ends the command once, and moves its hold.

import { RecorderError } from '../errors.ts';
import { type Command, type Result, SUCCESS, type Word, commandAfter, statusBy } from '../incident/command.ts';
import { type Hold, type Progress, isWanted, statusAfter } from '../incident/hold.ts';
import type { Log } from '../log.ts';
import { canVerify, knownActuator } from '../policy/policy.ts';
import { alertOfHold } from './alert.ts';
import { type Caller, OURSELVES } from './caller.ts';
import { request, supersede } from './commands.ts';
import type { Draft } from './draft.ts';
import { canRelease, ended, moved, progressOf } from './holds.ts';
import { settle } from './settle.ts';

export interface ResultFrom {
  /** The actuator whose word it is. */
  readonly actuator: string;
  readonly caller: Caller;
  /** How often the command was sent; null when it was fetched. */
  readonly attempts: number | null;
}

export interface Told {
  readonly command: Command;
  /** It was told before, or comes too late to say anything. */
  readonly repeated: boolean;
}

/** @throws RecorderError "not_found", "forbidden" (another actuator's), "state_conflict" (it contradicts what was told before) */
export function resultChange(id: string, result: Result, from: ResultFrom, log: Log): (draft: Draft) => Told {
  return (draft) => {
    const command = draft.commands.byId(id);
    if (!command) throw new RecorderError('not_found', 'there is no such command');
    if (command.actuator !== from.actuator) throw new RecorderError('forbidden', 'that command is another actuator’s');
    if (saysNothingNew(command, result, draft.holds.bySeq(command.hold))) return { command, repeated: true };
    const attempts = from.attempts ?? Math.max(command.attempts, 1);
    const { status, error, evidence } = result;
    take(draft, command, { result: status, error, evidence, attempts, by: from.caller.actor }, log);
    settle(draft);
    return { command: draft.commands.byId(id) ?? command, repeated: false };
  };
}

/** @throws RecorderError "state_conflict" when it contradicts the command, or what was told of it before */
function saysNothingNew(command: Command, { status }: Result, hold: Hold | null): boolean {
  const { op } = command;
  const to = statusBy(status);
  if (to === 'succeeded' && status !== SUCCESS[op])
    throw contradiction(command, `a command to ${op} does not end with "${status}" but with "${SUCCESS[op]}"`);
  if (isLate(command)) return saysNothingLate(command, to, hold);
  if (command.status === 'pending') return false;
  if (command.status === to) return true;
  // What was on its way when the end came.
  if (to === 'accepted') return true;
  if (command.status === 'accepted') return false;
  throw contradiction(command, `the command has ${command.status} already`);
}

function saysNothingLate(command: Command, to: 'accepted' | 'succeeded' | 'failed', hold: Hold | null): boolean {
  const { late, op, status } = command;
  // Only a hold that has failed comes further by being on its way after all.
  if (to === 'accepted') return late !== null || status === 'superseded' || op === 'release' || hold?.status !== 'failed';
  if (late === null || late === to) return late === to;
  throw contradiction(command, `it has ${late} already, as was told after its time`);
}

function contradiction({ status }: Command, detail: string): RecorderError {
  return new RecorderError('state_conflict', detail, { state: status, allowed: [] });
}

/** It had no end in time, or was not wanted any more: an authentic word about it still says how things stand. */
function isLate({ status, overdue }: Command): boolean {
  return status === 'superseded' || (status === 'failed' && overdue);
}

interface Said extends Omit<Word, 'status' | 'late'> {
  /** The actor */
  readonly by: string;
}

/** Ends the command, once; its end stays what it was when the word comes late. Then the hold moves. */
function take(draft: Draft, command: Command, said: Said, log: Log): void {
  const hold = draft.holds.bySeq(command.hold);
  if (!hold) throw new Error(`command ${command.id} has no hold`);
  const { result, error, evidence, attempts, by } = said;
  const late = isLate(command);
  const status = late ? command.status : statusBy(result);
  const word: Word = { result, status, attempts, error, evidence, late };
  const progress = progressBy(draft, command, hold, said);
  const receipt = draft.record('command.moved', { id: hold.id, about: hold.seq }, by, {
    ...{ hold: progress, command_id: command.id, op: command.op },
    ...word,
  });
  const after = moved(draft, hold, progress, receipt);
  draft.commands.change(command.seq, commandAfter(command, word, draft.now));
  follow(draft, command, after, said, log);
}

/** How far the hold has come by it. A command that is not the last word about its hold moves nothing. */
function progressBy(draft: Draft, { op, status, seq }: Command, hold: Hold, { result: word, attempts, error }: Said): Progress {
  const last = draft.commands.lastOf(hold.seq);
  if (status === 'superseded' || last?.seq !== seq) return progressOf(hold);
  // What comes of a release stands on its command: the hold tells how it contained.
  if (op === 'release' || !isWanted(hold.status)) return progressOf(hold);
  const next = word === 'overdue' ? 'failed' : statusAfter(hold.status, op, word, canVerify(knownActuator(draft.policy, hold.actuator)));
  const failed = next === 'failed';
  const reason = failed ? (error ?? WORDS[word] ?? word) : next === 'drifted' ? hold.error : null;
  const completed_at = failed || (next === 'enforced' && hold.status !== 'enforced') ? draft.now : hold.completed_at;
  return { status: next, actuator: hold.actuator, attempts, error: reason, completed_at };
}

const WORDS: Partial<Record<string, string>> = { unsupported: 'the actuator does not do this', partial: 'done only in part' };

/** What a word about a command leads to. */
function follow(draft: Draft, { op }: Command, hold: Hold, { result, error, by: actor }: Said, log: Log): void {
  const by = { actor, incident_id: null };
  const failed = result !== 'accepted' && result !== SUCCESS[op];
  if (op === 'apply' && failed && hold.status === 'failed') alertOfHold(draft, hold, actor, `containment failed: ${hold.error}`, log);
  // It was done after nobody wanted it any more.
  if (op === 'apply' && result === 'enforced' && isUndone(draft, hold)) request(draft, hold, 'release', 'ended', by);
  if (op !== 'release' || hold.status !== 'releasing') return;
  if (failed) alertOfHold(draft, hold, actor, `it could not be released: ${error ?? result}`, log);
  else if (result === 'released') {
    supersede(draft, hold, actor);
    ended(draft, hold, { reason: 'released', ending: hold.ending ?? 'released', by });
  }
}

/** Over, and nobody else wants the same. */
function isUndone(draft: Draft, hold: Hold): boolean {
  return hold.released_at !== null && canRelease(draft, hold) && draft.holds.live(hold.action, hold.target) === null;
}

/** Nothing came of it in time. While its hold is wanted, or is to be released, it goes on being tried. */
export function overdueCommand(draft: Draft, command: Command, tried: { attempts: number; error: string | null } | null, log: Log): void {
  const seconds = Math.round((Date.parse(command.deadline_at) - Date.parse(command.not_before)) / 1000);
  const error = `overdue: no end within ${seconds} s${tried?.error ? `; last: ${tried.error}` : ''}`;
  take(
    draft,
    command,
    { result: 'overdue', error, evidence: null, attempts: tried?.attempts ?? command.attempts, by: OURSELVES.actor },
    log,
  );
}
