// Tells webhooks what happens to incidents: each follows the records from a place of its own, and none delays another.

import { typeOf } from '../audit/record.ts';
import { readRecord } from '../incident/recorded.ts';
import type { Log } from '../log.ts';
import type { Webhook } from '../policy/policy.ts';
import type { Store } from '../store/store.ts';
import type { Answer, Ask } from './ask.ts';
import { originOf, placesOf } from './notice-address.ts';
import { type Notice, type NoticeEvent, eventsOf, incidentIn, isTold, noticeOf } from './notice-event.ts';
import { type Follower, type Found, createFollower } from './notice-follower.ts';
import { createPlace } from './notice-place.ts';
import { createTry } from './notice-try.ts';

export interface Notices {
  /** To be called after each commit: it only remembers that it was. */
  wake(): void;
  /** Takes up the webhooks of the policy in force. One that is new is told from the next record on. */
  adopt(): void;
  /** `failing`: one of them has not taken what it was told last. */
  readonly health: 'none' | 'ok' | 'failing';
  /** Notices that were refused for good or grew too old, since the start. */
  readonly lost: number;
  /** Gives up what is under way, and keeps each place. The store must still be there. */
  close(): Promise<void>;
}

export interface NoticesParts {
  store: Pick<Store, 'records' | 'incidents' | 'holds'>;
  /** Those of the policy in force. */
  webhooks: () => readonly Webhook[];
  /** The keys in a file of SECRETS_DIR. */
  keysOf: (secret: string) => readonly Buffer[];
  /** The last record that was kept for a webhook; null when there was none. */
  cursorOf: (key: string) => number | null;
  keepCursor: (key: string, seq: number) => Promise<void>;
  ask: (what: Ask, giveUp?: AbortSignal) => Promise<Answer>;
  log: Log;
  now: () => Date;
  /** Milliseconds that never go back. */
  monotonic: () => number;
  /** From 0 to 1. */
  random?: () => number;
}

interface Told {
  webhook: Webhook;
  /** Its place in the policy, from 1: several may be of one origin. */
  n: number;
  readonly follower: Follower;
}

/** What is written by many commits is looked at once. */
const WAKE_MS = 20;
/** One look, so that others are not kept waiting. */
const LOOK = { records: 32, bytes: 128 * 1024 };

export function createNotices({ store, webhooks, keysOf, cursorOf, keepCursor, log, ...rest }: NoticesParts): Notices {
  const { ask, now, monotonic, random = Math.random } = rest;
  const told = new Map<string, Told>();
  let leaving: Promise<void>[] = [];
  let timer: NodeJS.Timeout | null = null;
  let lostBefore = 0;
  let closed = false;

  /** Webhooks that stand at the same place read once. */
  let read: { readonly after: number; readonly lines: ReturnType<Store['records']['after']> } = { after: 0, lines: [] };

  function linesAfter(after: number): typeof read.lines {
    if (read.after !== after || read.lines.length === 0) read = { after, lines: store.records.after(after, LOOK.records, LOOK.bytes) };
    return read.lines;
  }

  function look(after: number, { events }: Webhook): Found {
    const lines = linesAfter(after);
    const isWanted = (event: NoticeEvent) => events.length === 0 || events.includes(event);
    for (const { seq, line } of lines) {
      const notice = eventsOf(typeOf(line)).some(isWanted) ? noticeIn(seq, line) : null;
      if (notice && isWanted(notice.event)) return { notice };
    }
    return { notice: null, seq: lines.at(-1)?.seq ?? after, more: lines.length > 0 };
  }

  function noticeIn(seq: number, line: string): Notice | null {
    try {
      const record = readRecord(line);
      if (!isTold(record)) return null;
      const hold = record.id?.startsWith('HLD-') ? store.holds.byId(record.id) : null;
      const id = incidentIn(record, hold);
      return noticeOf(record, (id === null ? null : store.incidents.byId(id)?.incident) ?? null, hold);
    } catch (error) {
      // A record that was damaged holds up nobody for ever; whether the store can be read is another question.
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
      log.error('a record cannot be read: no webhook is told of it', { seq });
      return null;
    }
  }

  function follow(key: string, first: Omit<Told, 'follower'>): Told {
    const cursor = cursorOf(key);
    const current = () => told.get(key) ?? first;
    const name = () => `${originOf(current().webhook.url)} (no. ${current().n})`;
    const head = store.records.head().seq;
    const place = createPlace({
      ...{ seq: Math.min(cursor ?? head, head), known: cursor !== null, keep: async (seq) => keepCursor(key, seq) },
      ...{ name, log, monotonic },
    });
    const tell = createTry({ ask, webhook: () => current().webhook, keysOf, now });
    const follower = createFollower({ place, look: (seq) => look(seq, current().webhook), tell, name, log, now, random });
    return { ...first, follower };
  }

  function leave(key: string, { follower }: Told): void {
    told.delete(key);
    lostBefore += follower.lost;
    const left = follower.close().then(() => void (leaving = leaving.filter((other) => other !== left)));
    leaving.push(left);
  }

  function wakeAll(): void {
    timer = null;
    for (const { follower } of told.values()) follower.wake();
  }

  function wake(): void {
    if (timer === null && told.size > 0 && !closed) timer = setTimeout(wakeAll, WAKE_MS).unref();
  }

  return {
    wake,
    adopt() {
      if (closed) return;
      const named = webhooks();
      const keys = placesOf(named);
      for (const [key, one] of told) if (!keys.includes(key)) leave(key, one);
      for (const [i, webhook] of named.entries()) {
        const key = keys[i] ?? '';
        const known = told.get(key);
        if (!known) told.set(key, follow(key, { webhook, n: i + 1 }));
        else {
          const isOther = JSON.stringify(known.webhook) !== JSON.stringify(webhook);
          Object.assign(known, { webhook, n: i + 1 });
          if (isOther) known.follower.changed();
        }
      }
      wake();
    },
    get health() {
      if (told.size === 0) return 'none';
      return [...told.values()].some(({ follower }) => follower.health === 'failing') ? 'failing' : 'ok';
    },
    get lost() {
      return [...told.values()].reduce((sum, { follower }) => sum + follower.lost, lostBefore);
    },
    async close() {
      closed = true;
      if (timer) clearTimeout(timer);
      for (const [key, one] of told) leave(key, one);
      await Promise.all(leaving);
    },
  };
}
