// A hold: containment that is wanted now, on one target, for as long as an incident owns it.

import type { Target } from './actions.ts';

/** `recorded`: no actuator is known for the action, so it is left to its service to take up. */
export type HoldStatus = 'recorded' | 'released';

export interface Hold {
  /** The seq of the record that opened it. */
  readonly seq: number;
  /** `HLD-` and 12 hex digits. */
  readonly id: string;
  readonly action: string;
  readonly target: Target;
  readonly status: HoldStatus;
  /** The class whose rule wanted it, and the source whose report did: together they are bounded by `max_holds`. */
  readonly rule: string;
  readonly source: string;
  readonly created_at: string;
}
