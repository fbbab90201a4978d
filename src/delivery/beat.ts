// What a heartbeat says of each hold of its actuator. Pure.

import type { Hold } from '../incident/hold.ts';
import type { Verdict } from './finding.ts';

/** An actuator lives, and this is what it has in force. */
export interface Beat {
  /** ETag of the last desired set that it has applied, quoted or not; null = it does not say. */
  readonly desired_digest: string | null;
  /** Ids of all holds that it has in force; null = it does not say. */
  readonly holds: readonly string[] | null;
  /** Another one after each of its starts; null = it does not say. */
  readonly boot_id: string | null;
}

/** What was known when it was heard before; each null when there was no such time. */
export interface Before {
  /** The seq of the newest record then. */
  readonly head: number | null;
  readonly boot_id: string | null;
}

/** Null = nothing can be said of this hold now. */
export type Judge = (hold: Pick<Hold, 'id' | 'version'>) => Verdict | null;

export const MISSED: Verdict = { stands: false, detail: 'it missed two heartbeats', evidence: null };
const STANDS: Verdict = { stands: true, detail: null, evidence: null };

/**
 * Its own list decides; where it gives none, that it has applied just what is desired, or that it has restarted and has not. A hold that
 * has moved since it was heard before may have come too late for what it says now.
 */
export function judgeOf(beat: Beat, digest: string, before: Before): Judge {
  const listed = beat.holds && new Set(beat.holds);
  const applied = hasApplied(beat, digest);
  const restarted = hasRestarted(beat, before);
  return ({ id, version }) => {
    if (listed ? listed.has(id) : applied) return STANDS;
    if (before.head === null || version > before.head) return null;
    if (listed) return fell(restarted ? 'it restarted, and has it no more' : 'it has it no more');
    return restarted ? fell('it restarted, and has not applied what is desired') : null;
  };
}

/** What a beat says, in so far as it can differ from the one before. */
export function gistOf(beat: Beat, digest: string, before: Before): string {
  return JSON.stringify([hasApplied(beat, digest), hasRestarted(beat, before), beat.holds]);
}

function hasApplied({ desired_digest }: Beat, digest: string): boolean {
  return desired_digest?.replaceAll(/^W\/|"/g, '') === digest;
}

function hasRestarted({ boot_id }: Beat, before: Before): boolean {
  return boot_id !== null && before.boot_id !== null && boot_id !== before.boot_id;
}

function fell(detail: string): Verdict {
  return { stands: false, detail, evidence: null };
}
