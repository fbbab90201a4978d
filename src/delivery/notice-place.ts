// How far a webhook has been told, and that this is not forgotten: kept soon where something was told, else only now and then.

import type { Log } from '../log.ts';

export interface Place {
  /** The last record that is done with. */
  readonly seq: number;
  /** `told`: the webhook was told something, or it was given up; what is not kept will be told again after a crash. */
  moveTo(seq: number, told: boolean): void;
  /** Keeps it when it is time for that. `idle`: nothing more is to be told now. Never throws. */
  keep(idle: boolean): void;
  /** Keeps it for the last time. */
  close(): Promise<void>;
}

export interface PlaceParts {
  seq: number;
  /** False when it was never kept. */
  known: boolean;
  keep: (seq: number) => Promise<void>;
  /** How the webhook is called in the log. */
  name: () => string;
  log: Log;
  /** Milliseconds that never go back. */
  monotonic: () => number;
}

/** Between two of them while there is always more to tell. */
const BUSY_MS = 1000;
/** When nothing was told, and after one that failed. */
const SELDOM_MS = 60_000;

export function createPlace({ seq: start, known, keep, name, log, monotonic }: PlaceParts): Place {
  let seq = start;
  let kept = known ? start : -1;
  let keptAt = monotonic();
  let told = false;
  let failed = false;
  let idle = true;
  let underWay: Promise<void> | null = null;

  function keepNow(): void {
    const reached = seq;
    [keptAt, told] = [monotonic(), false];
    underWay = keep(reached)
      .then(
        () => {
          [kept, failed] = [reached, false];
        },
        (error: unknown) => {
          if (!failed) log.warning('how far a webhook was told cannot be kept', { webhook: name(), seq: reached, error: String(error) });
          [told, failed] = [true, true];
        },
      )
      .then(() => {
        underWay = null;
        keepWhenDue();
      });
  }

  function keepWhenDue(): void {
    if (underWay || kept === seq) return;
    const within = failed || !told ? SELDOM_MS : idle ? 0 : BUSY_MS;
    if (monotonic() - keptAt >= within) keepNow();
  }

  if (!known) keepNow();
  return {
    get seq() {
      return seq;
    },
    moveTo(reached, isTold) {
      seq = reached;
      told ||= isTold;
    },
    keep(isIdle) {
      idle = isIdle;
      keepWhenDue();
    },
    async close() {
      await underWay;
      if (kept !== seq) keepNow();
      await underWay;
    },
  };
}
