// Records about holds, their commands and approvals, told again to the tables.

import { commandAfter, superseded } from '../incident/command.ts';
import type { Hold } from '../incident/hold.ts';
import type { Recorded } from '../incident/recorded.ts';
import type { Retelling } from '../store/retelling.ts';
import type { Tables } from '../store/store.ts';
import type { IncidentReplay } from './replay-incidents.ts';

type Of<T extends Recorded['type']> = Extract<Recorded, { type: T }>;
type HoldType = Extract<Recorded['type'], `hold.${string}` | `command.${string}`>;

/**
 * Tells a record about a hold and returns the seq of the record that opened it; null while that is not known, which may only be while the
 * log is `partial`: its beginning was pruned, and what came of that is told further on.
 */
export interface HoldReplay {
  tellHold(record: Of<HoldType | 'alert.raised'>, partial: boolean): number | null;
  tellApproval(
    record: Of<'approval.requested' | 'approval.escalated' | 'approval.decided' | 'approval.kept'>,
    partial: boolean,
  ): number | null;
}

export function createHoldReplay(store: Tables, retelling: Retelling, told: Pick<IncidentReplay, 'endTogether'>): HoldReplay {
  const { holds, commands, approvals, settling } = store;

  function open({ id, seq, ts, data }: Of<'hold.recorded'>): number {
    const { action, target, rule, source, incident_id, status = 'recorded', params = {}, actuator = null, expires_at = null } = data;
    holds.insert({
      ...{ seq, id: String(id), action, target, params, status, rule, source, incident_id, actuator, expires_at },
      ...{ attempts: 0, error: null, completed_at: null, created_at: ts, ending: null, released_at: null, version: seq },
    });
    retelling.place(String(id), seq);
    return seq;
  }

  /** A record about a hold that is known. */
  function change(hold: Hold, record: Of<HoldType | 'alert.raised'>): void {
    const { seq, ts } = record;
    switch (record.type) {
      case 'hold.moved':
        holds.move(hold.seq, record.data.hold, seq);
        return settling.mark(hold.seq);
      case 'hold.extended':
        return holds.extend(hold.seq, record.data.expires_at, seq);
      case 'hold.releasing':
        settling.mark(hold.seq);
        return holds.beginEnd(hold.seq, record.data.ending, seq);
      case 'hold.released':
        return end(hold, record);
      case 'command.requested':
        return request(hold, record);
      case 'command.moved': {
        const { hold: progress, command_id, op: _, ...word } = record.data;
        holds.move(hold.seq, progress, seq);
        settling.mark(hold.seq);
        const command = commands.byId(command_id);
        return command ? commands.change(command.seq, commandAfter(command, word, ts)) : undefined;
      }
      case 'command.superseded': {
        const command = commands.byId(record.data.command_id);
        holds.touch(hold.seq, seq);
        return command ? commands.change(command.seq, superseded(command)) : undefined;
      }
      default:
        return holds.touch(hold.seq, seq);
    }
  }

  function end(hold: Hold, record: Of<'hold.released'>): void {
    const { seq, ts, data } = record;
    const { status = 'released', error = hold.error, incident_id } = data;
    settling.mark(hold.seq);
    const ending = hold.ending ?? (status === 'expired' ? 'expired' : 'released');
    holds.end(hold.seq, { at: ts, ending, status, error, version: seq });
    if (data.status === undefined && incident_id !== null) told.endTogether(record, incident_id);
  }

  function request({ seq: hold }: Hold, { seq, ts, data }: Of<'command.requested'>): void {
    const { command_id: id, op, actuator, incident_id, reason, not_before, deadline_at } = data;
    commands.insert({
      ...{ seq, id, op, hold, incident_id, actuator, reason, status: 'pending', overdue: false, open: true },
      ...{ created_at: ts, not_before, deadline_at, attempts: 0, error: null, evidence: null, late: null, completed_at: null },
    });
    holds.touch(hold, seq);
  }

  function keep({ data }: Of<'hold.kept'>): number {
    const hold: Hold = Object.assign({ version: retelling.lastOf(data.hold.id) ?? data.hold.seq, ...AS_EARLY_VERSIONS_KEPT }, data.hold);
    const released_at = data.released_at ?? hold.released_at;
    const ending = hold.ending ?? (released_at === null ? null : 'released');
    if (retelling.hold(hold.id) === null) retelling.keepHold({ ...hold, released_at, ending });
    retelling.place(hold.id, hold.seq);
    return hold.seq;
  }

  function unknown(record: Of<HoldType | 'alert.raised'>, partial: boolean): null {
    const id = String(record.id);
    if (!partial) throw new TypeError(`it is about ${id}, of which no record before it tells`);
    retelling.recordWaits(id, record.seq);
    if (record.type !== 'hold.released') return null;
    const { status = 'released', error = null, incident_id } = record.data;
    retelling.endUnknown(id, record.seq, status, error);
    if (record.data.status === undefined && incident_id !== null) told.endTogether(record, incident_id);
    return null;
  }

  return {
    tellHold(record, partial) {
      if (record.type === 'hold.recorded') return open(record);
      if (record.type === 'hold.kept') return keep(record);
      const hold = holds.byId(String(record.id));
      if (record.type === 'command.kept') {
        if (hold && !commands.byId(record.data.command.id)) commands.insert(record.data.command);
        // It was told again with a hold that a later pruning has let go.
        if (!hold && !partial) return unknown(record, partial);
        return record.data.command.hold;
      }
      if (!hold) return unknown(record, partial);
      change(hold, record);
      return hold.seq;
    },
    tellApproval(record, partial) {
      const { id, seq, ts, actor, data } = record;
      const incident = retelling.incident(String(id));
      if (incident === null) {
        if (!partial) throw new TypeError(`it is about ${id}, of which no record before it tells`);
        if (record.type === 'approval.kept') return record.data.incident;
        retelling.recordWaits(String(id), seq);
        return null;
      }
      if (record.type === 'approval.requested') {
        const { approval_id, ...of } = record.data;
        approvals.insert(
          {
            ...{ ...of, seq, id: approval_id, incident_id: String(id), status: 'pending', created_at: ts },
            ...{ escalated: false, decided_at: null, decided_by: null, note: null },
          },
          incident,
        );
      } else if (record.type === 'approval.kept') {
        if (!approvals.byId(record.data.approval.id)) approvals.insert(record.data.approval, incident);
      } else {
        const known = 'approval_id' in data ? approvals.byId(data.approval_id) : null;
        if (known && record.type === 'approval.escalated') approvals.escalate(known.seq);
        if (known && record.type === 'approval.decided')
          approvals.decide(known.seq, { status: record.data.status, decided_at: ts, decided_by: actor, note: record.data.note });
      }
      return incident;
    },
  };
}

/** What records of holds lacked before there were actuators. */
const AS_EARLY_VERSIONS_KEPT = {
  ...{ params: {}, incident_id: '', actuator: null, attempts: 0, error: null, completed_at: null, expires_at: null },
  ...{ ending: null, released_at: null },
};
