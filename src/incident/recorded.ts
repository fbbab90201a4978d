// A record of the audit log read back: what happened, to what, by whom, and what its kind carries.

import type { EventType, Events } from './events.ts';

interface RecordOf<T extends EventType> {
  readonly seq: number;
  /** ISO 8601 UTC with milliseconds. */
  readonly ts: string;
  readonly type: T;
  /** The incident or hold that it is about, or null. */
  readonly id: string | null;
  readonly actor: string;
  readonly data: Events[T];
  /** 64 hex digits */
  readonly hash: string;
}

/** `type` tells which data it carries. */
export type Recorded = { [T in EventType]: RecordOf<T> }[EventType];

/** The SHA-256 of the policy by which something was decided that a record tells of; null when it tells of no decision. */
export function policyOf(record: Recorded): string | null {
  switch (record.type) {
    case 'incident.reported':
    case 'incident.joined':
      return record.data.decided_by.policy_sha256;
    case 'incident.kept':
      return record.data.incident.decided_by.policy_sha256;
    default:
      return null;
  }
}

/** The holds that an incident comes to own by a record about it, as far as the record tells: by their ids. */
export function holdsIn(record: Recorded): string[] {
  switch (record.type) {
    case 'incident.reported':
    case 'incident.joined':
    case 'incident.ordered':
    case 'actions.kept':
      return record.data.actions.map(({ hold_id }) => hold_id).filter((id) => id !== null);
    case 'incident.kept':
      return record.data.incident.containment.actions.map(({ hold_id }) => hold_id).filter((id) => id !== null);
    default:
      return [];
  }
}

/** @param line of a log that was verified: what it holds is the recorder's own. @throws SyntaxError when it is no JSON */
export function readRecord(line: string): Recorded {
  return JSON.parse(line) as Recorded;
}
