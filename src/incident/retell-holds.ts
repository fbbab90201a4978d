// What a record about a hold makes of the actions of an incident that owns it. Pure.

import type { Progress } from './hold.ts';
import type { Kept } from './incident.ts';
import type { Recorded } from './recorded.ts';

/** An incident after a record about a hold that it owns; as it was after one that only tells again what was known. */
export function movedBy(record: Recorded, kept: Kept): Kept {
  if (record.type === 'hold.kept' || record.type === 'command.kept') return kept;
  const { incident } = kept;
  const news = progressBy(record);
  if (!news) return { incident, version: record.seq };
  const actions = incident.containment.actions.map((action) => (action.hold_id === record.id ? { ...action, ...news } : action));
  return { incident: { ...incident, containment: { ...incident.containment, actions } }, version: record.seq };
}

/** What a record about a hold changes of how far it has come; null for nothing. */
function progressBy(record: Recorded): Partial<Progress> | null {
  switch (record.type) {
    case 'hold.recorded':
      return { status: record.data.status ?? 'recorded', actuator: record.data.actuator ?? null };
    case 'hold.moved':
    case 'command.moved':
      return record.data.hold;
    case 'hold.releasing':
      return { status: 'releasing' };
    case 'hold.released': {
      const { status = 'released', error } = record.data;
      return { status, ...(error === undefined ? {} : { error }) };
    }
    default:
      return null;
  }
}
