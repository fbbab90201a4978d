// A command: what an actuator is asked to do about one hold, followed until it is known what came of it.

import type { Target } from './actions.ts';
import type { Evidence } from './report.ts';

/** What an actuator may be called. */
export const ACTUATOR_NAME = /^[a-z][a-z0-9_-]{0,63}$/;

/** `apply`: make the hold true. `release`: undo it. */
export type CommandOp = 'apply' | 'release';

/**
 * `pending`: to be sent, or to be fetched. `accepted`: the actuator works on it. `succeeded`, `failed`: its end. `superseded`: no longer
 * wanted before it came to an end.
 */
export const COMMAND_STATUSES = ['pending', 'accepted', 'succeeded', 'failed', 'superseded'] as const;
export type CommandStatus = (typeof COMMAND_STATUSES)[number];

/** Why a command was given. */
export type CommandReason = 'ordered' | 'approved' | 'applied' | 'drifted' | 'retried' | 'reconciled' | 'ended';

/** What the params of an action may be. */
export type Params = Readonly<Record<string, string | number | boolean>>;

export interface Command {
  /** Of its `command.requested` record. Of an actuator's commands a later one has a higher seq. */
  readonly seq: number;
  /** `CMD-` and 12 hex digits: the same for each attempt. */
  readonly id: string;
  readonly op: CommandOp;
  /** The hold that it is about, by its seq and its id. */
  readonly hold: number;
  readonly hold_id: string;
  readonly action: string;
  readonly target: Target;
  readonly params: Params;
  /** When the hold ends by itself; null = it does not. */
  readonly expires_at: string | null;
  /** The incident for which it was given. */
  readonly incident_id: string;
  readonly actuator: string;
  readonly reason: CommandReason;
  readonly status: CommandStatus;
  /** Failed because nothing came of it in time; while its hold is wanted it goes on being tried. */
  readonly overdue: boolean;
  /** Whether it is still to be delivered: pending, or overdue and still wanted. */
  readonly open: boolean;
  readonly created_at: string;
  /** It is not sent before this (the rule's cooldown), and must have an end before that. */
  readonly not_before: string;
  readonly deadline_at: string;
  /** How often it was sent, as far as its end tells. */
  readonly attempts: number;
  readonly error: string | null;
  /** What its actuator said of it after its time, or when nobody wanted it any more: its end stays what it was. */
  readonly late: 'succeeded' | 'failed' | null;
  /** What the actuator showed for it. */
  readonly evidence: Evidence | null;
  readonly completed_at: string | null;
}

/** What an actuator says came of a command. */
export const RESULT_STATUSES = ['accepted', 'enforced', 'failed', 'partial', 'unsupported', 'released'] as const;
export type ResultStatus = (typeof RESULT_STATUSES)[number];

export interface Result {
  readonly status: ResultStatus;
  readonly evidence: Evidence | null;
  readonly error: string | null;
}

/** What a result makes of its command, or that none came in time. */
export function statusBy(result: ResultStatus | 'overdue'): 'accepted' | 'succeeded' | 'failed' {
  switch (result) {
    case 'accepted':
      return 'accepted';
    case 'enforced':
    case 'released':
      return 'succeeded';
    case 'failed':
    case 'partial':
    case 'unsupported':
    case 'overdue':
      return 'failed';
  }
}

/** The result by which a command of this kind succeeds. */
export const SUCCESS = { apply: 'enforced', release: 'released' } as const satisfies Record<CommandOp, ResultStatus>;

/** A word about a command: a result, or that none came in time. `status`: what the command is after it. */
export interface Word extends Omit<Result, 'status'> {
  readonly result: ResultStatus | 'overdue';
  readonly status: CommandStatus;
  readonly attempts: number;
  /** It had failed, or was not wanted any more. */
  readonly late: boolean;
}

/** A command after a word about it at an instant. An end that it had it keeps. */
export function commandAfter(command: Command, { result, status, attempts, error, evidence, late }: Word, at: string): Command {
  const to = statusBy(result);
  const isEnd = to !== 'accepted';
  return {
    ...command,
    ...{ status, attempts, error, evidence: evidence ?? command.evidence, overdue: command.overdue || result === 'overdue' },
    open: result === 'overdue' || (!isEnd && late && command.open),
    late: late && to !== 'accepted' ? to : command.late,
    completed_at: isEnd ? (command.completed_at ?? at) : command.completed_at,
  };
}

/** A command that is not wanted any more: an end that it had stays what it was. */
export function superseded(command: Command): Command {
  return { ...command, open: false, status: command.status === 'failed' ? 'failed' : 'superseded' };
}
