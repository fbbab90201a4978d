// What the first record of a change promises: the records that must follow it, should the log have been cut short behind it.

import type { Entry } from '../audit/record.ts';
import { type Target, targetNamed } from '../incident/actions.ts';
import type { EventType, Events, OrderedAction } from '../incident/events.ts';
import type { Incident } from '../incident/incident.ts';
import type { Recorded } from '../incident/recorded.ts';
import type { Retelling } from '../store/retelling.ts';
import type { Tables } from '../store/store.ts';
import type { IncidentReplay } from './replay-incidents.ts';

/** A record to come, at the instant of the one that promised it. */
type Promised = Omit<Entry, 'ts'> & { readonly type: EventType };

export interface Owed {
  /** A record is about to be told: it keeps a promise, or makes new ones. */
  note(record: Recorded): void;
  /** The next record that is still owed, or null. */
  next(): Promised | null;
}

type Ordering = Extract<Recorded, { type: 'incident.reported' | 'incident.joined' | 'incident.ordered' }>;
/** The class and source that holds are counted for. */
type By = Pick<Incident, 'class' | 'source'>;

export function createOwed({ holds }: Tables, retelling: Retelling, told: Pick<IncidentReplay, 'incident'>): Owed {
  let owed: Promised[] = [];

  /** Null when the record makes none. Alerts and refusals are not promised: nothing depends on them. */
  function promisesOf(record: Recorded): Promised[] | null {
    switch (record.type) {
      case 'incident.reported':
        return [...holdsOf(record, record.data.report), ...moveOf(record, 'open')];
      case 'incident.joined':
        return [...holdsOf(record, record.data.report), ...moveOf(record, incidentOf(record).state)];
      case 'incident.ordered': {
        const incident = incidentOf(record);
        return [...holdsOf(record, incident), ...moveOf(record, incident.state)];
      }
      case 'incident.resolved':
        return releasesOf(record);
      default:
        return null;
    }
  }

  function incidentOf({ id }: Recorded): Incident {
    const kept = told.incident(String(id));
    if (!kept) throw new TypeError(`it is about ${id}, of which no record before it tells`);
    return kept.incident;
  }

  function holdsOf({ id, actor, data }: Ordering, { class: rule, source }: By): Promised[] {
    const opened = data.actions.filter(({ hold_id }) => hold_id !== null && retelling.hold(hold_id) === null);
    return opened.map(({ action, target, hold_id, status, opens }: OrderedAction) => {
      const rest = opens && { ...opens, status: status as NonNullable<Events['hold.recorded']['status']> };
      const hold: Events['hold.recorded'] = { action, target: targetOf(target), rule, source, incident_id: String(id), ...rest };
      return { type: 'hold.recorded', id: hold_id, actor, data: hold };
    });
  }

  /**
   * What only this incident owns. Where an actuator was told of it, the next start tells it that nobody wants it any more; what was only on
   * record ends here.
   */
  function releasesOf({ id, actor, data }: Extract<Recorded, { type: 'incident.resolved' }>): Promised[] {
    const incident = retelling.incident(String(id)) ?? 0;
    const owned = holds.ownedBy(incident).filter((hold) => !holds.hasOtherOwner(hold.seq, incident));
    const released = owned.filter(({ status }) => status === 'recorded' || status === 'awaiting_approval');
    return released.map((hold) => {
      const rest =
        data.ending === undefined ? {} : { status: 'released' as const, error: hold.error, by_hand: false, note: null, request: null };
      const end: Events['hold.released'] = { reason: 'last owner ended', incident_id: String(id), ...rest };
      return { type: 'hold.released', id: hold.id, actor, data: end };
    });
  }

  return {
    note(record) {
      owed = promisesOf(record) ?? owed.filter(({ type, id }) => type !== record.type || id !== record.id);
    },
    next: () => owed[0] ?? null,
  };
}

/** Where the incident moves to because of what was ordered: by an operator's word, or of itself between open and contained. */
function moveOf({ id, actor, type, data }: Ordering, from: Incident['state']): Promised[] {
  const { status, reached } = data.containment;
  const rest = { note: null, request: null };
  if (reached && (type === 'incident.ordered' || from === 'open')) {
    const by = type === 'incident.ordered' ? 'operator' : 'policy';
    return [{ type: 'incident.contained', id, actor, data: { from, by, status, ...rest } satisfies Events['incident.contained'] }];
  }
  if (reached || from !== 'contained') return [];
  return [{ type: 'incident.reopened', id, actor, data: { from, to: 'open', ...rest } satisfies Events['incident.reopened'] }];
}

function targetOf(name: string): Target {
  const target = targetNamed(name);
  if (!target) throw new TypeError('it orders something on a target of a kind that is not known');
  return target;
}
