// THE WRITE PATH: every change of the service is written here, together with the audit records that tell of it.
//
//   submit ──► waiting ──► one transaction for all that waited ──► COMMIT (the one fsync) ──► log file ──► answers
//
// A change is a synchronous function: it reads facts, decides, writes and records, or throws and leaves nothing behind.

import { type Range, append } from '../audit/merkle.ts';
import { type Head, type Sealed, seal } from '../audit/record.ts';
import type { Policy } from '../policy/policy.ts';
import { isFsync, isFull, refusalOf } from '../store/failure.ts';
import type { Store, Tables } from '../store/store.ts';
import type { Bell } from './bell.ts';
import { type Change, type Draft, tablesOf } from './draft.ts';
import type { Room } from './room.ts';

export interface Queue {
  /** Resolves with what the change returned once that is durable; rejects with what it threw, and nothing was written. */
  submit<T>(change: Change<T>): Promise<T>;
  readonly policy: Policy;
  readonly monotonic: () => number;
  /** The Merkle tree over all that is committed. */
  readonly tree: Range;
  /** `full` while what can wait is refused, `failing` when the store could not be written; `ok` when it will take what comes next. */
  readonly health: 'ok' | 'full' | 'failing';
}

export interface QueueParts {
  store: Pick<Store, 'transaction' | 'usedBytes' | keyof Tables>;
  /** In force until a change says otherwise. */
  policy: Policy;
  now: () => Date;
  /** Milliseconds that never go back. */
  monotonic: () => number;
  bell: Pick<Bell, 'ring'>;
  room: Room;
  /** The followers catch up: called after each commit and before its callers are answered. It must not throw. */
  onCommit: () => void;
  /** The disk lied: a failed fsync has dropped what the kernel had taken. The process must end and recover at its next start. */
  onBroken: (error: unknown) => void;
}

/** What the chain, the tree over it and the policy are after the last change; taken back together with a change that failed. */
interface State {
  readonly head: Head;
  readonly tree: Range;
  readonly policy: Policy;
}

interface Waiting {
  readonly change: Change<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly value: unknown; readonly effects: readonly (() => void)[] } | { readonly error: unknown };

const MAX_BATCH = 256;
const MAX_BATCH_BYTES = 1024 * 1024;

export function createQueue({ store, policy, now, monotonic, bell, room, onCommit, onBroken }: QueueParts): Queue {
  const { transaction } = store;
  const head = store.records.head();
  let state: State = { head, tree: store.tree.at(head.seq), policy };
  let failing = false;
  /** Whether the change that ran last has said that it can wait. */
  let canWait = false;
  const waiting: Waiting[] = [];
  let scheduled = false;

  function schedule(): void {
    if (scheduled || waiting.length === 0) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      waiting.unshift(...commit(waiting.splice(0, MAX_BATCH)));
      schedule();
    });
  }

  /** Writes a batch and answers it; returns the end of it that no longer fitted into the transaction. */
  function commit(batch: readonly Waiting[]): readonly Waiting[] {
    let written: { state: State; outcomes: Outcome[] };
    try {
      written = write(batch);
    } catch (error) {
      if (batch.length === 1 && isFull(error) && room.make(canWait)) return commit(batch);
      settleLost(batch, error);
      return [];
    }
    state = written.state;
    onCommit();
    written.outcomes.forEach((outcome, i) => settle(batch[i], outcome));
    return batch.slice(written.outcomes.length);
  }

  /** One transaction. @throws what made SQLite, or the disk under it, give up the whole of it; then nothing of it is there */
  function write(batch: readonly Waiting[]): { state: State; outcomes: Outcome[] } {
    const instant = now().toISOString();
    const outcomes: Outcome[] = [];
    let next = state;
    let bytes = 0;
    let effects: (() => void)[] = [];
    let usedBytes = 0;
    canWait = false;

    const draft: Draft = {
      ...tablesOf(store),
      now: instant > state.head.ts ? instant : state.head.ts,
      get policy() {
        return next.policy;
      },
      set policy(inForce) {
        next = { ...next, policy: inForce };
      },
      get last() {
        return next.head.seq;
      },
      record(type, subject, actor, data) {
        const sealed: Sealed = seal(next.head, { ts: draft.now, type, id: subject?.id ?? null, actor, data });
        store.records.insert(sealed.seq, subject && (subject.about ?? sealed.seq), sealed.line);
        next = { head: sealed, tree: append(next.tree, sealed.hash, store.tree.keep), policy: next.policy };
        bytes += sealed.line.length;
        return { seq: sealed.seq, hash: sealed.hash };
      },
      monotonic,
      ring: (topic) => void effects.push(() => bell.ring(topic)),
      afterwards: (effect) => void effects.push(effect),
      canWait: () => void (canWait = true),
      needsRoom() {
        canWait = true;
        room.demand();
      },
    };

    try {
      transaction.begin();
      for (const { change } of batch) {
        const before = next;
        effects = [];
        canWait = false;
        transaction.savepoint();
        try {
          const value = change(draft);
          transaction.release();
          outcomes.push({ value, effects });
        } catch (error) {
          // A full disk or an I/O error ends the whole transaction; what followed would commit by itself, outside of any.
          if (!transaction.isOpen() || isFull(error)) throw error;
          transaction.takeBack();
          next = before;
          outcomes.push({ error });
        }
        if (bytes > MAX_BATCH_BYTES) break;
      }
      usedBytes = store.usedBytes();
      transaction.commit();
    } catch (error) {
      if (transaction.isOpen()) transaction.rollback();
      throw error;
    }
    room.measure(usedBytes);
    failing = false;
    return { state: next, outcomes };
  }

  /** Nobody of a lost batch was answered: each of its changes is run again in a transaction of its own. */
  function settleLost(batch: readonly Waiting[], error: unknown): void {
    if (isFsync(error)) return onBroken(error);
    if (batch.length > 1) return batch.forEach((one) => void commit([one]));
    failing = !isFull(error);
    settle(batch[0], { error });
  }

  return {
    submit: (change) =>
      new Promise((resolve, reject) => {
        waiting.push({ change, resolve: resolve as (value: unknown) => void, reject });
        schedule();
      }),
    monotonic,
    get policy() {
      return state.policy;
    },
    get tree() {
      return state.tree;
    },
    get health() {
      return room.isShort ? 'full' : failing ? 'failing' : 'ok';
    },
  };
}

function settle(waiting: Waiting | undefined, outcome: Outcome): void {
  if ('error' in outcome) return waiting?.reject(refusalOf(outcome.error));
  outcome.effects.forEach((effect) => effect());
  waiting?.resolve(outcome.value);
}
