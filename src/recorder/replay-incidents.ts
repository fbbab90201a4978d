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
 * Tells a record and returns the seq of the record that opened what it is about; null while that is not known, which may only be while
 * the log is `partial`: its beginning was pruned, and what came of that is told further on.
 */
export interface IncidentReplay {
  tellIncident(record: Recorded, partial: boolean): number | null;
  /** An incident's own part of the end of its holds, as early versions told it. */
  endTogether(record: Of<'hold.released'>, incident: string): void;
  /** The incident as it is now; null while it is not known. */
  incident(id: string): Kept | null;
}

export function createIncidentReplay({ incidents }: Tables, retelling: Retelling): IncidentReplay {
  /** The one that was told of last: of most changes, all records are about one incident. */
  let last: Kept | null = null;

  function incident(id: string): Kept | null {
    if (last?.incident.id === id) return last;
    const kept = incidents.byId(id);
    return kept && withAwaited(kept);
  }

  /** With the holds that are not known yet: an action that failed, and had none, would be one that was refused. */
  function withAwaited(kept: Kept): Kept {
    const { containment, audit } = kept.incident;
    const awaited = retelling.awaited(audit.seq);
    if (awaited.size === 0) return kept;
    const actions = containment.actions.map((action, n) => ({ ...action, hold_id: awaited.get(n) ?? action.hold_id }));
    return { ...kept, incident: { ...kept.incident, containment: { ...containment, actions } } };
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
    if (record.type === 'incident.resolved') letGo(told.incident.audit.seq, record);
    last = told;
    return told.incident.audit.seq;
  }

  /** Early versions told only that all of it ended. */
  function letGo(of: number, { seq, data }: Of<'incident.resolved'>): void {
    if (data.let_go) for (const then of data.let_go) retelling.letGo(of, seq, then);
    else retelling.end(of, seq);
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

  function keepMore({ id, data }: Of<'actions.kept'>, partial: boolean): number {
    const seq = retelling.incident(String(id));
    // It was told again with an incident that a later pruning has let go.
    if (seq === null && partial && data.incident !== undefined) return data.incident;
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
      const { hold_id } = action;
      if (hold_id !== null && retelling.hold(hold_id) === null) retelling.actionWaits(hold_id, of, n + i);
    });
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
          return keepMore(record, partial);
        default:
          return change(record, String(record.id), partial);
      }
    },
    endTogether(record, id) {
      const told = retell(incident(id), record);
      if (!told) return;
      incidents.update(told.incident, told.version);
      retelling.end(told.incident.audit.seq, record.seq);
      last = told;
    },
  };
}
