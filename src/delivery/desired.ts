// The digest of what an actuator should have in force: when it says the same one, it has all of it, and needs nothing else.

import { createHash } from 'node:crypto';
import { desiredView } from '../incident/view.ts';
import type { Hold } from '../incident/hold.ts';
import { type HoldPages, pagesOf, restedPagesOf } from './finding.ts';

export interface Desired {
  /** SHA-256 over the JSON of each hold as it is shown (`desiredView`), one a line, in the order of seq: 64 hex digits. @throws what the store throws */
  digest(actuator: string): Promise<string>;
  /** How often the holds of an actuator may have changed since it was asked about first. */
  changes(actuator: string): number;
  /** Listens no longer. */
  close(): void;
}

interface Made {
  readonly text: string;
  /** Made of so many holds that it is worth keeping. */
  readonly isLarge: boolean;
}

interface Kept {
  changes: number;
  /** Of the state that so many changes had led to. */
  digest: { readonly at: number; readonly made: Promise<Made> } | null;
}

export interface DesiredParts {
  holds: HoldPages;
  /** @returns what stops the listening */
  listen: (topic: string, heard: () => void) => () => void;
}

/** So often a digest is begun anew before everybody else has to wait for it. */
const PATIENCE = 5;

export function createDesired({ holds, listen }: DesiredParts): Desired {
  const actuators = new Map<string, Kept>();
  const stops: (() => void)[] = [];

  function keptOf(actuator: string): Kept {
    const known = actuators.get(actuator);
    if (known) return known;
    const kept: Kept = { changes: 0, digest: null };
    actuators.set(actuator, kept);
    stops.push(listen(`actuator ${actuator}`, () => void (kept.changes += 1)));
    return kept;
  }

  /** Begins anew when something changes meanwhile: a digest is of one state, never of two. */
  async function digestNow(actuator: string, kept: Kept): Promise<Made> {
    for (let begun = 0; begun < PATIENCE; begun += 1) {
      const before = kept.changes;
      const hash = createHash('sha256');
      let pages = 0;
      for await (const page of restedPagesOf(holds, actuator)) {
        if (kept.changes !== before) break;
        pages += 1;
        page.forEach((hold) => hash.update(lineOf(hold)));
      }
      if (kept.changes === before) return { text: hash.digest('hex'), isLarge: pages > 1 };
    }
    return { text: digestAtOnce(actuator), isLarge: true };
  }

  /** Without giving others a turn. */
  function digestAtOnce(actuator: string): string {
    const hash = createHash('sha256');
    for (const page of pagesOf(holds, actuator)) page.forEach((hold) => hash.update(lineOf(hold)));
    return hash.digest('hex');
  }

  return {
    async digest(actuator) {
      const kept = keptOf(actuator);
      if (kept.digest?.at !== kept.changes) {
        const made = digestNow(actuator, kept);
        const digest = { at: kept.changes, made };
        kept.digest = digest;
        const forget = () => {
          if (kept.digest === digest) kept.digest = null;
        };
        made.then(({ isLarge }) => isLarge || forget(), forget);
      }
      return (await kept.digest.made).text;
    },
    changes: (actuator) => keptOf(actuator).changes,
    close() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

function lineOf(hold: Hold): string {
  return `${JSON.stringify(desiredView(hold))}\n`;
}
