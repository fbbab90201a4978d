// When each actuator that fetches its commands last said that it lives, and what it said of its holds: what it has lost has drifted.

import type { Log } from '../log.ts';
import type { Actuator } from '../policy/policy.ts';
import { type Beat, type Before, type Judge, MISSED, gistOf, judgeOf } from './beat.ts';
import type { Desired } from './desired.ts';
import { type Finding, type HoldPages, isJudged, newsOf, restedPagesOf } from './finding.ts';

export interface Pulse {
  /** `failing`: it has missed two heartbeats. */
  readonly health: 'ok' | 'failing';
  /** When it was heard last; null = not since we started. */
  readonly heard_at: string | null;
  readonly boot_id: string | null;
}

export interface Heartbeats {
  /** These fetch their commands from now on, and no others; each has two intervals until it must have been heard. */
  adopt(actuators: readonly Pick<Actuator, 'name' | 'heartbeat_ms'>[]): void;
  /** Does nothing for an actuator that was not adopted. @throws RecorderError, and what the store throws */
  beat(actuator: string, beat: Beat): Promise<void>;
  /** Its holds may not be what they were. */
  changed(actuator: string): void;
  /** By the names of those that were adopted. */
  health(): Map<string, Pulse>;
  /** Nothing is found any more. */
  close(): Promise<void>;
}

export interface HeartbeatsParts {
  holds: HoldPages;
  desired: Pick<Desired, 'digest' | 'changes'>;
  /** The seq of the newest record. */
  head: () => number;
  /** Records what was found. @throws RecorderError */
  report: (actuator: string, findings: readonly Finding[]) => Promise<void>;
  log: Log;
  now: () => Date;
  /** Milliseconds that never go back. */
  monotonic: () => number;
}

interface Heart {
  readonly name: string;
  interval: number | null;
  /** Monotonic milliseconds of the last beat, or of when it was adopted. */
  lastAt: number;
  heard_at: string | null;
  boot_id: string | null;
  /** What was known when all that it said was looked at. */
  before: Before;
  isMissing: boolean;
  /** What was said of all its holds the last time, after how many changes of them, and how often since. */
  said: { readonly gist: string; readonly changes: number; times: number } | null;
  running: Promise<void> | null;
  timer: NodeJS.Timeout | undefined;
}

/** Intervals: a second beat that is just on its way is not missed yet. */
const MISSED_AFTER = 2.1;
/** Where nothing has changed, all holds are looked at only every so many times. */
const TIMES = 10;

export function createHeartbeats({ holds, desired, head, report, log, now, monotonic }: HeartbeatsParts): Heartbeats {
  const hearts = new Map<string, Heart>();
  let closed = false;

  /** One look at a time; what is heard meanwhile is only a sign of life, and false. */
  async function look(heart: Heart, gist: string, judge: Judge): Promise<boolean> {
    if (heart.running || closed) return false;
    const { name } = heart;
    const changes = desired.changes(name);
    if (heart.said?.gist === gist && heart.said.changes === changes && heart.said.times < TIMES) {
      heart.said.times += 1;
      return true;
    }
    heart.said = null;
    const walk = walkOver(name, judge);
    heart.running = walk.then(
      () => {},
      () => {},
    );
    try {
      if (await walk) heart.said = { gist, changes, times: 0 };
      return true;
    } finally {
      heart.running = null;
    }
  }

  /** What it says it has stands, also what had failed or was still under way. True when something could be said of all that was in force. */
  async function walkOver(name: string, judge: Judge): Promise<boolean> {
    let isAll = true;
    for await (const page of restedPagesOf(holds, name)) {
      if (closed) return false;
      const judged = page.map((hold) => ({ hold, verdict: judge(hold) }));
      isAll &&= judged.every(({ hold, verdict }) => verdict !== null || !isJudged(hold));
      const found = judged.flatMap(({ hold, verdict }) => (verdict ? newsOf(hold, verdict) : []));
      if (found.length > 0) await report(name, found);
    }
    return isAll;
  }

  function watch(heart: Heart, wait: number): void {
    clearTimeout(heart.timer);
    if (heart.interval === null || closed) return;
    heart.timer = setTimeout(() => void missed(heart), wait).unref();
  }

  async function missed(heart: Heart): Promise<void> {
    const { name, interval } = heart;
    if (interval === null) return;
    watch(heart, 2 * interval);
    if (!heart.isMissing) log.warning('an actuator has missed two heartbeats', { actuator: name, heard_at: heart.heard_at });
    heart.isMissing = true;
    try {
      await look(heart, 'missed', () => MISSED);
    } catch (error) {
      log.error('missed heartbeats are not recorded', { actuator: name, error: String(error) });
    }
  }

  function adoptOne(name: string, interval: number | null): void {
    const known = hearts.get(name);
    if (known?.interval === interval) return;
    const fresh: Heart = {
      ...{ name, interval, lastAt: 0, heard_at: null, boot_id: null, before: { head: null, boot_id: null }, isMissing: false },
      ...{ said: null, running: null, timer: undefined },
    };
    const heart = Object.assign(known ?? fresh, { interval, lastAt: monotonic() });
    hearts.set(name, heart);
    watch(heart, (interval ?? 0) * MISSED_AFTER);
  }

  return {
    adopt(actuators) {
      const named = new Set(actuators.map(({ name }) => name));
      for (const [name, heart] of [...hearts]) {
        if (named.has(name)) continue;
        clearTimeout(heart.timer);
        hearts.delete(name);
      }
      for (const { name, heartbeat_ms } of actuators) adoptOne(name, heartbeat_ms);
    },
    async beat(actuator, beat) {
      const heart = hearts.get(actuator);
      if (!heart || closed) return;
      const { before } = heart;
      if (heart.isMissing) log.warning('an actuator is heard again', { actuator });
      const boot_id = beat.boot_id ?? heart.boot_id;
      Object.assign(heart, { lastAt: monotonic(), heard_at: now().toISOString(), boot_id, isMissing: false });
      watch(heart, (heart.interval ?? 0) * MISSED_AFTER);
      const digest = await desired.digest(actuator);
      const looked = await look(heart, gistOf(beat, digest, before), judgeOf(beat, digest, before));
      // Our own findings are nothing that it had to hear of first.
      if (looked) heart.before = { head: head(), boot_id };
    },
    changed(actuator) {
      const heart = hearts.get(actuator);
      if (heart) heart.said = null;
    },
    health() {
      const pulses = [...hearts.values()].map(({ name, isMissing, heard_at, boot_id }): [string, Pulse] => [
        name,
        { health: isMissing ? 'failing' : 'ok', heard_at, boot_id },
      ]);
      return new Map(pulses);
    },
    async close() {
      closed = true;
      for (const { timer } of hearts.values()) clearTimeout(timer);
      for (const { running } of hearts.values()) await running;
    },
  };
}
