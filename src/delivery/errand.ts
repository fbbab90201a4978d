// Carries commands of one lane to their end: each is sent until something came of it, and that is recorded before it is forgotten.

import { type ErrorCode, RecorderError } from '../errors.ts';
import type { Command, Result } from '../incident/command.ts';
import type { Log } from '../log.ts';
import { type Aim, type AttemptParts, attempt } from './attempt.ts';
import { OVERDUE_MS, backoffOf } from './backoff.ts';
import { type Breaker, CLOSED, failed, mayTry, trying } from './breaker.ts';
import type { Again } from './outcome.ts';
import type { Entry, Window } from './window.ts';

export interface Errands {
  /** Sends it, if there is a place, nothing else is under way for its target, and the breaker allows it. @throws what the store throws */
  start(entry: Entry, at: number, to: Aim): void;
  /** Records what came of it, once more. */
  record(entry: Entry): void;
  /** The actuator answers, or is another one: what waits for it is due. */
  back(): void;
  readonly breaker: Breaker;
  readonly lastError: string | null;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

export interface ErrandParts extends AttemptParts {
  /** Of the actuator. */
  name: string;
  window: Pick<Window, 'entries' | 'drop' | 'putBack' | 'sweep'>;
  byId: (id: string) => Command | null;
  /** Records a result. @throws RecorderError */
  tell: (id: string, result: Result, attempts: number) => Promise<unknown>;
  /** A result was recorded. It must not throw. */
  onTold: (result: Result) => void;
  /** An attempt has ended: there may be more to do. It must not throw. */
  onFree: () => void;
  log: Log;
  monotonic: () => number;
  random: () => number;
}

const PARALLEL = 4;
/** Results that wait to be recorded; with more nothing is sent. */
const MAX_UNTOLD = 64;
/** What waits is not tried twice within this, however good the news. */
const SPACING_MS = 1000;
/** Results that were refused for one of these reasons may be taken later. */
const PASSING = new Set<ErrorCode>(['storage_full', 'storage_failed', 'draining', 'internal']);

export function createErrands(parts: ErrandParts): Errands {
  const { name, window, byId, tell, onTold, onFree, log, monotonic, random } = parts;
  const giveUp = new AbortController();
  const running = new Set<Promise<void>>();
  /** Actions and targets of which something is under way, or not recorded yet. */
  const busy = new Set<string>();
  let breaker = CLOSED;
  let lastError: string | null = null;
  let asking = 0;

  function start(entry: Entry, at: number, to: Aim): void {
    if (asking >= PARALLEL || busy.size - asking >= MAX_UNTOLD || busy.has(entry.key)) return;
    if (!mayTry(breaker, at) && !isUrgent(entry)) return;
    const command = byId(entry.id);
    if (!command?.open || command.actuator !== name) return window.drop(entry);
    if (command.overdue && !entry.overdue) {
      entry.overdue = true;
      if (entry.tried) return later(entry, entry.last_tried + OVERDUE_MS - at, false);
    }
    run(send(entry, command, to));
  }

  /** What contains a critical incident is tried once though the breaker is open. */
  function isUrgent(entry: Entry): boolean {
    if (entry.tried || entry.overdue || entry.op !== 'apply') return false;
    entry.urgent ??= parts.facts.incident(entry.incident_id)?.severity === 'critical';
    return entry.urgent;
  }

  async function send(entry: Entry, command: Command, to: Aim): Promise<void> {
    busy.add(entry.key);
    asking += 1;
    breaker = trying(breaker);
    Object.assign(entry, { state: 'asking', tried: true, attempts: entry.attempts + 1, last_tried: monotonic() });
    const outcome = await attempt(command, entry.attempts, to, parts, giveUp.signal);
    asking -= 1;
    if ('again' in outcome) return giveUp.signal.aborted ? undefined : again(entry, outcome);
    if (breaker.failures > 0) {
      log.warning('an actuator does again what it is told', { actuator: name, failures: breaker.failures });
      back();
    }
    entry.result = outcome.result;
    await told(entry, outcome.result);
  }

  function again(entry: Entry, { again: error, after_ms }: Again): void {
    if (breaker.failures === 0) log.warning('an actuator does not do what it is told', { actuator: name, command: entry.id, error });
    breaker = failed(breaker, monotonic());
    lastError = error;
    entry.error = error;
    busy.delete(entry.key);
    const wait = entry.overdue ? OVERDUE_MS * (1 + random() / 5) : backoffOf(entry.attempts, random());
    later(entry, Math.max(wait, after_ms ?? 0), after_ms !== null);
    window.putBack(entry);
  }

  function later(entry: Entry, wait: number, firm: boolean): void {
    Object.assign(entry, { state: 'waiting', due_at: monotonic() + wait, firm });
  }

  function back(): void {
    breaker = CLOSED;
    lastError = null;
    for (const entry of window.entries.values()) {
      if (entry.state !== 'waiting' || entry.firm) continue;
      entry.due_at = Math.min(entry.due_at, Math.max(monotonic(), entry.last_tried + SPACING_MS));
    }
    window.sweep();
  }

  /** Keeps the result when it cannot be recorded: then the actuator is not asked again meanwhile. */
  async function told(entry: Entry, result: Result): Promise<void> {
    entry.state = 'telling';
    try {
      await tell(entry.id, result, entry.attempts);
    } catch (error) {
      return untold(entry, error);
    }
    window.drop(entry);
    busy.delete(entry.key);
    onTold(result);
  }

  function untold(entry: Entry, error: unknown): void {
    const passing = !(error instanceof RecorderError) || PASSING.has(error.code);
    if (entry.refusals === 0 || !passing) {
      log.error('the result of a command is not recorded', { actuator: name, command: entry.id, error: String(error) });
    }
    entry.refusals += 1;
    if (passing) {
      Object.assign(entry, { state: 'untold', due_at: monotonic() + backoffOf(entry.refusals, random()) });
    } else {
      busy.delete(entry.key);
      later(entry, OVERDUE_MS, true);
    }
  }

  function run(what: Promise<void>): void {
    running.add(what);
    void what.finally(() => {
      running.delete(what);
      onFree();
    });
  }

  return {
    start,
    record(entry) {
      if (entry.result) run(told(entry, entry.result));
    },
    back,
    get breaker() {
      return breaker;
    },
    get lastError() {
      return lastError;
    },
    async close() {
      giveUp.abort();
      await Promise.all(running);
    },
  };
}
