// What time it is, for what is due: a wall clock is set, and a monotonic one begins anew with each run.

/** The time by both clocks. */
export interface Time {
  readonly run: string;
  readonly monotonic: number;
  /** What the wall clock shows. */
  readonly now: string;
  /** Milliseconds since this run began. */
  readonly elapsed: number;
  /** What it would show had it gone on evenly since this run began. */
  readonly steady: string;
}
