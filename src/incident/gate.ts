// The release gate of an incident: what must be shown before it lets go of what contains it. Pure.

import { createHash } from 'node:crypto';
import type { Gate, Incident } from './incident.ts';

/** What an attestation is bound to, 64 hex digits: exactly this containment, as far as it has come. Another action, or a drift, is another. */
export function bindingOf({ id, containment }: Pick<Incident, 'id' | 'containment'>): string {
  const told = containment.actions.map(({ action, target, hold_id, completed_at }) => [action, target, hold_id, completed_at]);
  return createHash('sha256')
    .update(JSON.stringify([id, told]))
    .digest('hex');
}

/** What its gate still lacks; empty when it can be resolved. */
export function missingAt(incident: Incident): Gate[] {
  const { release, state } = incident;
  return (release?.gate ?? []).filter((gate) =>
    gate === 'acknowledged' ? state !== 'acknowledged' : release?.attested?.binding !== bindingOf(incident),
  );
}
