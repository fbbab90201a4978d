// Records about incidents and holds, told again to the tables.

import type { ActionState } from '../incident/containment.ts';
import type { Ownership } from '../incident/events.ts';
import type { Incident, Kept } from '../incident/incident.ts';
import type { Recorded } from '../incident/recorded.ts';
import { retell } from '../incident/retell.ts';
import type { Retelling } from '../store/retelling.ts';
import type { Tables } from '../store/store.ts';

type Of<T extends Recorded['type']> = Extract<Recorded, { type: T }>;

/**
 * Both tell a record and return the seq of the record that opened what it is about; null while that is not known, which may only be while
 * the log is `partial`: its beginning was pruned, and what came of that is told further on.
 */
export interface IncidentReplay {
  tellIncident(record: Recorded, partial: boolean): number | null;
  tellHold(record: Of<'hold.recorded' | 'hold.released' | 'hold.kept'>, partial: boolean): number | null;
  /** The incident as it is now; null while it is not known. */
  incident(id: string): Kept | null;
}

export function createIncidentReplay({ incidents, holds }: Tables, retelling: Retelling): IncidentReplay {
  /** The one that was told of last: of most changes, all records are about one incident. */
  let last: Kept | null = null;

  function incident(id: string): Kept | null {
    return last?.incident.id === id ? last : incidents.byId(id);
  }

  function open(record: Of<'incident.reported'>): number {
    const told = retell(null, record);
    if (!told) throw new TypeError('it tells of no incident');
    incidents.insert(told.incident, told.version, record.data.problem);
    order(told.incident, 0, record.seq);
    last = told;
    return record.seq;
  }

  function change(record: Recorded, id: string, partial: boolean): number | null {
    const kept = incident(id);
    if (!kept) return unknown(id, record.seq, partial);
    const told = retell(kept, record);
    if (!told || told === kept) return kept.incident.audit.seq;
    incidents.update(told.incident, told.version);
    order(told.incident, kept.incident.containment.actions.length, record.seq);
    if (record.type === 'incident.resolved') retelling.end(told.incident.audit.seq, record.seq);
    last = told;
    return told.incident.audit.seq;
  }

  /** Keeps its actions from the `n`-th on. A hold that is not known yet is told of by a later record. */
  function order({ audit, containment }: Incident, n: number, began: number): void {
    containment.actions.slice(n).forEach((action, i) => {
      const hold = action.hold_id === null ? null : retelling.hold(action.hold_id);
      incidents.setAction(audit.seq, n + i, action, hold, began);
      if (action.hold_id !== null && hold === null) retelling.actionWaits(action.hold_id, audit.seq, n + i);
    });
  }

  function keep({ data }: Of<'incident.kept'>): number {
    const { seq } = data.incident.audit;
    if (retelling.incident(data.incident.id) !== null) return seq;
    incidents.insert(data.incident, data.version, data.problem);
    keepActions(seq, 0, data.incident.containment.actions, data.owned);
    retelling.place(data.incident.id, seq);
    return seq;
  }

  function keepMore({ id, data }: Of<'actions.kept'>): number {
    const seq = retelling.incident(String(id));
    if (seq === null) throw new TypeError(`it is about ${id}, of which no record before it tells`);
    keepActions(seq, data.n, data.actions, data.owned);
    return seq;
  }

  /** From the `n`-th on; those that are known already stay as they are. */
  function keepActions(of: number, n: number, actions: readonly ActionState[], owned: readonly Ownership[]): void {
    actions.forEach((action, i) => {
      const ownership = owned[i];
      if (!ownership) throw new TypeError('it does not tell how each action is owned');
      retelling.keepAction(of, n + i, action, ownership);
    });
  }

  function openHold({ id, seq, ts, data }: Of<'hold.recorded'>): number {
    const { action, target, rule, source } = data;
    holds.insert({ seq, id: String(id), action, target, status: 'recorded', rule, source, created_at: ts });
    retelling.place(String(id), seq);
    return seq;
  }

  function releaseHold(record: Of<'hold.released'>, partial: boolean): number | null {
    const { seq, ts, data } = record;
    const hold = retelling.hold(String(record.id));
    if (hold !== null) holds.release(hold, ts);
    const told = retell(incident(data.incident_id), record);
    if (told) {
      incidents.update(told.incident, told.version);
      retelling.end(told.incident.audit.seq, seq);
      last = told;
    }
    return hold ?? unknown(String(record.id), seq, partial);
  }

  function keepHold({ data }: Of<'hold.kept'>): number {
    const { hold, released_at } = data;
    if (retelling.hold(hold.id) === null) retelling.keepHold(hold, released_at);
    retelling.place(hold.id, hold.seq);
    return hold.seq;
  }

  function unknown(id: string, record: number, partial: boolean): null {
    if (!partial) throw new TypeError(`it is about ${id}, of which no record before it tells`);
    retelling.recordWaits(id, record);
    return null;
  }

  return {
    incident,
    tellIncident(record, partial) {
      switch (record.type) {
        case 'incident.reported':
          return open(record);
        case 'incident.kept':
          return keep(record);
        case 'actions.kept':
          return keepMore(record);
        default:
          return change(record, String(record.id), partial);
      }
    },
    tellHold(record, partial) {
      switch (record.type) {
        case 'hold.recorded':
          return openHold(record);
        case 'hold.released':
          return releaseHold(record, partial);
        case 'hold.kept':
          return keepHold(record);
      }
    },
  };
}
