// The lane of one actuator: sees what is open for it, when each is due, and what of it can be sent now. Never throws.

import type { Aim } from './attempt.ts';
import { OVERDUE_MS } from './backoff.ts';
import { type BreakerState, nextTryAt, stateOf } from './breaker.ts';
import { type ErrandParts, createErrands } from './errand.ts';
import { type Outbox, createWindow } from './window.ts';

export interface Lane {
  /** Where it sends to from now on, at once; null: nothing more is sent, and what is under way is still followed. */
  aim(at: Aim | null): void;
  /** There may be something new. */
  wake(): void;
  /** The actuator was heard elsewhere: what waits for it need not wait. */
  back(): void;
  /** What is in memory of a command; null when nothing is. */
  view(id: string): Delivery | null;
  /** @throws what the store throws */
  health(): LaneHealth;
  /** Gives up what is under way; afterwards nothing is sent or told. */
  close(): Promise<void>;
}

export interface Delivery {
  readonly attempts: number;
  readonly last_error: string | null;
  /** Null while an attempt is under way. */
  readonly next_attempt_at: string | null;
}

export interface LaneHealth {
  /** `failing`: its breaker is not closed, or the oldest that waits is overdue. */
  readonly health: 'ok' | 'failing';
  readonly breaker: BreakerState;
  /** Since when the oldest waits. */
  readonly oldest: string | null;
  readonly last_error: string | null;
}

export interface LaneParts extends Omit<ErrandParts, 'window' | 'byId' | 'onFree'> {
  outbox: Outbox;
}

/** After the store could not be read. */
const STUMBLED_MS = 1000;

export function createLane(parts: LaneParts): Lane {
  const { name, outbox, log, now, monotonic } = parts;
  const window = createWindow(outbox, name);
  const errands = createErrands({ ...parts, window, byId: outbox.byId, onFree: pump });
  let target: Aim | null = null;
  let closed = false;
  let scheduled = false;
  let sweepAt = monotonic() + OVERDUE_MS;
  let timer: NodeJS.Timeout | undefined;

  /** Bells that ring together are heard once, and after whoever rang was answered. */
  function soon(): void {
    if (scheduled || closed) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      pump();
    });
  }

  function pump(): void {
    if (closed) return;
    clearTimeout(timer);
    let next = monotonic() + STUMBLED_MS;
    try {
      next = work(monotonic());
    } catch (error) {
      log.error('commands cannot be read', { actuator: name, error: String(error) });
    }
    timer = setTimeout(pump, Math.min(OVERDUE_MS, Math.max(1, next - monotonic()))).unref();
  }

  /** Starts what can be started; returns when it is time to look again. @throws what the store throws */
  function work(at: number): number {
    if (at >= sweepAt) {
      sweepAt = at + OVERDUE_MS;
      window.sweep();
    }
    if (target && window.fill(at)) soon();
    for (const overdue of [false, true]) {
      for (const entry of window.entries.values()) {
        if (entry.due_at > at || entry.overdue !== overdue) continue;
        if (entry.state === 'untold') errands.record(entry);
        if (entry.state === 'waiting' && target) errands.start(entry, at, target);
      }
    }
    return nextAfter(at);
  }

  /** What is due and was not started waits for the breaker, or for something that ends. */
  function nextAfter(at: number): number {
    const probe = nextTryAt(errands.breaker);
    let next = sweepAt;
    for (const { state, due_at } of window.entries.values()) {
      if (state !== 'waiting' && state !== 'untold') continue;
      const when = due_at > at ? due_at : probe;
      if (when !== null && when > at) next = Math.min(next, when);
    }
    return next;
  }

  return {
    aim(at) {
      target = at;
      window.look();
      errands.back();
      soon();
    },
    wake() {
      window.look();
      soon();
    },
    back() {
      if (errands.breaker.failures === 0) return;
      errands.back();
      soon();
    },
    view(id) {
      const entry = window.entryOf(id);
      if (!entry) return null;
      const wait = Math.max(0, entry.due_at - monotonic());
      const next = entry.state === 'waiting' ? new Date(now().getTime() + wait).toISOString() : null;
      return { attempts: entry.attempts, last_error: entry.error, next_attempt_at: next };
    },
    health() {
      const oldest = outbox.open(name, 0, 1)[0];
      const breaker = stateOf(errands.breaker, monotonic());
      const failing = breaker !== 'closed' || oldest?.overdue === true;
      return { health: failing ? 'failing' : 'ok', breaker, oldest: oldest?.created_at ?? null, last_error: errands.lastError };
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await errands.close();
    },
  };
}
