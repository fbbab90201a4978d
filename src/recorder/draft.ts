// What a change of the write path is, and what it works with.

import type { EventType, Events } from '../incident/events.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tables } from '../store/store.ts';

/** What a record is about. `about` is the seq of the record that opened it; left out by the opening record itself. */
export interface Subject {
  readonly id: string;
  readonly about?: number;
}

/** What a change works with: the tables, the policy in force, one instant for the whole batch, and the audit log. */
export interface Draft extends Tables {
  /** ISO 8601 UTC with milliseconds; never before the last record's. */
  readonly now: string;
  /** A change may put another one in force; the changes after it decide by that. */
  policy: Policy;
  /** The seq of the last record. */
  readonly last: number;
  /** Seals the next record. It is durable exactly when the change is. */
  record<T extends EventType>(type: T, subject: Subject | null, actor: string, data: Events[T]): Receipt;
  /** Tells whoever listens for `topic` that there is something new, once it is durable. */
  ring(topic: string): void;
  /** Milliseconds that never go back, of this run of the service. */
  readonly monotonic: () => number;
  /** Runs once the change is durable, before its caller is answered. It must not throw. */
  afterwards(effect: () => void): void;
  /** On a full disk the reserve is not given up for this change. */
  canWait(): void;
  /** The same. @throws RecorderError "storage_full" while what can wait is refused: the disk is full, or the store over its bound */
  needsRoom(): void;
}

/** Synchronous: it reads facts, decides, writes and records, or throws and leaves nothing behind. */
export type Change<T> = (draft: Draft) => T;

/** No more of a store than a change may touch. */
export function tablesOf(store: Tables): Tables {
  const { incidents, holds, commands, approvals, settling, records, requests, sightings, meta, tree, pruning } = store;
  return { incidents, holds, commands, approvals, settling, records, requests, sightings, meta, tree, pruning };
}
