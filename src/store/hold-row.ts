// A hold as a row, and a row as a hold.

import type { TargetType } from '../incident/actions.ts';
import type { Params } from '../incident/command.ts';
import type { Hold } from '../incident/hold.ts';

export interface HoldRow extends Omit<Hold, 'target' | 'params'> {
  readonly target_type: TargetType;
  readonly target_id: string;
  /** JSON */
  readonly params: string;
}

export const INSERT_HOLD = `INSERT INTO holds (seq, id, action, target_type, target_id, params, status, live, rule, source, incident_id,
  actuator, attempts, error, completed_at, created_at, expires_at, ending, released_at, version)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** Of INSERT_HOLD. */
export function valuesOf(hold: Hold): (string | number | null)[] {
  const { seq, id, action, target, params, status, rule, source, incident_id, actuator, attempts, error, completed_at } = hold;
  const wanted = hold.ending === null && hold.released_at === null ? 1 : 0;
  return [
    ...[seq, id, action, target.type, target.id, JSON.stringify(params), status, wanted, rule, source, incident_id],
    ...[actuator, attempts, error, completed_at, hold.created_at, hold.expires_at, hold.ending, hold.released_at, hold.version],
  ];
}

export function holdOf(row: HoldRow): Hold {
  return {
    seq: row.seq,
    id: row.id,
    action: row.action,
    target: { type: row.target_type, id: row.target_id },
    params: JSON.parse(row.params) as Params,
    status: row.status,
    actuator: row.actuator,
    attempts: row.attempts,
    error: row.error,
    completed_at: row.completed_at,
    rule: row.rule,
    source: row.source,
    incident_id: row.incident_id,
    created_at: row.created_at,
    expires_at: row.expires_at,
    ending: row.ending,
    released_at: row.released_at,
    version: row.version,
  };
}
