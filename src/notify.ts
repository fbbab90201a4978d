// What systemd is told of how the service is doing (sd_notify(3)), through the socket that the launcher has opened.

import { writeSync } from 'node:fs';

export interface Supervisor {
  /** It serves from now on. @param status asked for one line of how it is doing, now and at each sign of life */
  ready(status: () => string): void;
  /** It reads its configuration again; `ready` ends that. */
  reloading(): void;
  /** It ends, in its own time. */
  stopping(): void;
}

export interface SupervisorParts {
  /** Each write to it is a message; null = nobody listens. */
  fd: number | null;
  /** How long systemd waits for a sign of life, in milliseconds; null = for ever. */
  watchdog_ms: number | null;
  write?: (fd: number, message: string) => unknown;
}

/** Between two signs of life, at most. */
const MAX_BEAT_MS = 10_000;
/** Of the time that systemd waits, so that one which comes late is in time still. */
const BEATS_A_WATCHDOG = 3;
/** How long a start may take from here, each time that it shows that it lives. In microseconds. */
const START_PATIENCE = '60000000';

/**
 * As long as the event loop turns, the service lives: a start that has much to make good is waited for, and one that hangs is ended.
 * What the socket has no room for goes with the next message. It never throws: whether the service runs must not hang on who watches it.
 */
export function createSupervisor({ fd, watchdog_ms, write = writeSync }: SupervisorParts): Supervisor {
  const unsent = new Map<string, string>();
  let sign = (): Record<string, string> => ({ EXTEND_TIMEOUT_USEC: START_PATIENCE });
  const send = (assignments: Record<string, string>) => {
    if (fd === null) return;
    for (const [name, value] of Object.entries(assignments)) unsent.set(name, value.replaceAll('\n', ' '));
    try {
      write(fd, [...unsent].map(([name, value]) => `${name}=${value}\n`).join(''));
      unsent.clear();
    } catch {
      // Full, or nobody there any more.
    }
  };
  const beat = setInterval(() => send(sign()), Math.min(MAX_BEAT_MS, (watchdog_ms ?? Infinity) / BEATS_A_WATCHDOG));
  beat.unref();
  return {
    ready(status) {
      sign = () => ({ WATCHDOG: '1', STATUS: status() });
      send({ READY: '1', ...sign() });
    },
    reloading: () => send({ RELOADING: '1' }),
    stopping() {
      clearInterval(beat);
      send({ STOPPING: '1', STATUS: 'finishing what was accepted' });
    },
  };
}
