// Follows the records for one webhook: tells it what matters, in order, each until it is taken, refused for good or too old.

import type { Log } from '../log.ts';
import type { Notice } from './notice-event.ts';
import type { Place } from './notice-place.ts';
import type { Reception } from './notice-try.ts';
import { backoffOf } from './backoff.ts';

export interface Follower {
  /** Looks whether there is something new, unless it is at work or waits. Never throws. */
  wake(): void;
  /** What it is told, or how, is another now: it does not wait any longer. */
  changed(): void;
  /** `failing`: it has not taken what it was told last. */
  readonly health: 'ok' | 'failing';
  /** Notices that it refused for good, or that grew too old. */
  readonly lost: number;
  /** Gives up what is under way, and keeps its place. */
  close(): Promise<void>;
}

/** What a look behind a record has found: the first notice, or that there is none up to record `seq`. */
export type Found = { readonly notice: Notice } | { readonly notice: null; readonly seq: number; readonly more: boolean };

export interface FollowerParts {
  place: Place;
  /** Looks at a bounded number of records behind `seq`. */
  look: (seq: number) => Found;
  /** One try. Never rejects. */
  tell: (notice: Notice, giveUp: AbortSignal) => Promise<Reception>;
  /** How the webhook is called in the log. */
  name: () => string;
  log: Log;
  now: () => Date;
  /** From 0 to 1. */
  random: () => number;
}

const MAX_REFUSALS = 3;
const MAX_AGE_MS = 24 * 3_600_000;

export function createFollower({ place, look, tell, name, log, now, random }: FollowerParts): Follower {
  const closing = new AbortController();
  let working: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  /** Of the notice that comes next. */
  let [tries, refusals] = [0, 0];
  /** Since the last one that was taken; and whether the log knows. */
  let [failures, isKnown] = [0, false];
  let lost = 0;
  /** Those that were too old, by their seqs, and of which the log does not know yet. */
  let old: { count: number; from: number; to: number } | null = null;

  function wake(): void {
    if (working || timer || closing.signal.aborted) return;
    working = follow().then(() => void (working = null));
  }

  async function follow(): Promise<void> {
    try {
      while (!closing.signal.aborted && (await goOn()));
    } catch (error) {
      if (!isKnown) log.error('what a webhook is to be told cannot be read', { webhook: name(), after: place.seq, error: String(error) });
      [failures, isKnown] = [failures + 1, true];
      waitFor(waitAfter(null));
    }
    tellOfOld();
    place.keep(true);
  }

  /** False when there is nothing to do now. */
  async function goOn(): Promise<boolean> {
    const found = look(place.seq);
    if (found.notice === null) {
      place.moveTo(found.seq, false);
      if (found.more) await othersFirst();
      return found.more;
    }
    const isDone = isOld(found.notice) ? await giveUp(found.notice) : await tellOf(found.notice);
    place.keep(false);
    return isDone;
  }

  const isOld = ({ ts }: Notice) => now().getTime() - Date.parse(ts) > MAX_AGE_MS;

  async function giveUp(notice: Notice): Promise<true> {
    old = { count: (old?.count ?? 0) + 1, from: old?.from ?? notice.seq, to: notice.seq };
    await othersFirst();
    return leave(notice);
  }

  /** Whether it is done with. */
  async function tellOf(notice: Notice): Promise<boolean> {
    tellOfOld();
    const reception = await tell(notice, closing.signal);
    if (reception.is === 'taken') return taken(notice);
    if (closing.signal.aborted) return false;
    const fields = { webhook: name(), notice: notice.seq, event: notice.event, incident: notice.incident.id, error: reception.error };
    if (reception.is === 'refused' && (refusals += 1) === MAX_REFUSALS) {
      log.error('a webhook refuses a notice; it is left out', fields);
      [failures, isKnown] = [failures + 1, true];
      return leave(notice);
    }
    failures += 1;
    if (reception.is === 'failed' && !isKnown) {
      log.warning('a webhook does not take its notices', fields);
      isKnown = true;
    }
    waitFor(waitAfter(reception.retry_after_ms));
    return false;
  }

  function taken(notice: Notice): true {
    if (isKnown) log.warning('a webhook takes its notices again', { webhook: name(), notice: notice.seq, failures });
    [failures, isKnown] = [0, false];
    return done(notice);
  }

  function leave(notice: Notice): true {
    lost += 1;
    return done(notice);
  }

  function done({ seq }: Notice): true {
    place.moveTo(seq, true);
    [tries, refusals] = [0, 0];
    return true;
  }

  function tellOfOld(): void {
    if (old) log.error('notice given up: a webhook has not taken it within a day', { webhook: name(), ...old });
    old = null;
  }

  /** Never before the answer asks for it. */
  function waitAfter(asked: number | null): number {
    tries += 1;
    return Math.max(backoffOf(tries, random()), asked ?? 0);
  }

  function waitFor(ms: number): void {
    if (!closing.signal.aborted) timer = setTimeout(endWait, Math.ceil(ms)).unref();
  }

  function endWait(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    wake();
  }

  return {
    wake,
    changed() {
      [tries, refusals] = [0, 0];
      endWait();
    },
    get health() {
      return failures > 0 ? 'failing' : 'ok';
    },
    get lost() {
      return lost;
    },
    async close() {
      closing.abort();
      if (timer) clearTimeout(timer);
      await working;
      await place.close();
    },
  };
}

/** What else waits goes first. */
function othersFirst(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
