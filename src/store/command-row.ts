// A command as a row, with what is its hold's, and a row as a command.

import type { TargetType } from '../incident/actions.ts';
import type { Command, CommandOp, CommandReason, CommandStatus, Params } from '../incident/command.ts';
import type { Evidence } from '../incident/report.ts';

export interface CommandRow {
  seq: number;
  id: string;
  op: CommandOp;
  hold: number;
  hold_id: string;
  action: string;
  target_type: TargetType;
  target_id: string;
  params: string;
  expires_at: string | null;
  incident_id: string;
  actuator: string;
  reason: CommandReason;
  status: CommandStatus;
  overdue: number;
  open: number;
  created_at: string;
  not_before: string;
  deadline_at: string;
  attempts: number;
  error: string | null;
  evidence: string | null;
  late: 'succeeded' | 'failed' | null;
  completed_at: string | null;
}

/** What is kept of a command itself; the rest of it is its hold's. */
export type CommandEntry = Omit<Command, 'hold_id' | 'action' | 'target' | 'params' | 'expires_at'>;

/** Of a command `c` and its hold `h`. */
export const COLUMNS = `SELECT c.seq, c.id, c.op, c.hold, c.incident_id, c.actuator, c.reason, c.status, c.overdue, c.open, c.created_at, c.not_before,
  c.deadline_at, c.attempts, c.error, c.evidence, c.late, c.completed_at, h.id AS hold_id, h.action, h.target_type, h.target_id, h.params, h.expires_at`;

export function entryOf(command: CommandEntry): (string | number | null)[] {
  const { seq, id, op, hold, incident_id, actuator, reason, status, overdue, created_at, not_before, deadline_at } = command;
  return [
    ...[
      seq,
      id,
      op,
      hold,
      incident_id,
      actuator,
      reason,
      status,
      Number(overdue),
      Number(command.open),
      created_at,
      not_before,
      deadline_at,
    ],
    ...[command.attempts, command.error, jsonOf(command.evidence), command.late, command.completed_at],
  ];
}

export function jsonOf(evidence: Evidence | null): string | null {
  return evidence && JSON.stringify(evidence);
}

export function commandOf({ target_type, target_id, params, overdue, open, evidence, ...row }: CommandRow): Command {
  return {
    ...row,
    target: { type: target_type, id: target_id },
    params: JSON.parse(params) as Params,
    overdue: overdue === 1,
    open: open === 1,
    evidence: evidence === null ? null : (JSON.parse(evidence) as Evidence),
  };
}
