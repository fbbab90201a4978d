// Whether a record of an incident can be the next one of its timeline, by what it says itself of how it found it. Pure.

import type { Incident } from './incident.ts';
import type { Recorded } from './recorded.ts';

/** Why something is missing before it, or null. Not all that can be missing leaves such a gap: a note does not. */
export function gapBefore(record: Recorded, { state, occurrences }: Incident): string | null {
  switch (record.type) {
    case 'incident.joined':
      if (record.data.occurrences === occurrences + 1) return null;
      return `it is occurrence ${record.data.occurrences} of the incident; those before it tell of ${occurrences}`;
    case 'incident.contained':
    case 'incident.acknowledged':
    case 'incident.resolved':
    case 'incident.reopened':
      return record.data.from === state ? null : `it found the incident ${record.data.from}; those before it leave it ${state}`;
    default:
      return null;
  }
}
