// Records of reports as a recorder would have written them, made by hand: what was reported, and what was decided then.

import { type Head, GENESIS, seal } from '../../src/audit/record.ts';
import type { ActionStatus } from '../../src/incident/containment.ts';
import type { Recorded } from '../../src/incident/recorded.ts';
import { reportOf } from './policies.ts';

/** What was ordered then: `action type:id`, and how it stood. A hold is of its action and target, as long as nothing has ended it. */
interface Was {
  readonly orders?: readonly string[];
  readonly status?: ActionStatus;
  /** Refused, by the recorder's words for it. */
  readonly refused?: readonly [order: string, error: string][];
  readonly proposed?: readonly string[];
  readonly severity?: string;
  readonly own?: boolean;
  readonly reported_by?: string;
}

export interface History {
  readonly records: Recorded[];
  /** The same as a log: sealed lines. */
  lines(): string[];
  /** @returns the id of the incident that it began, or joined */
  report(more?: Record<string, unknown>, was?: Was, joins?: string): string;
  resolve(incident: string): void;
  /** A hold that was opened for `order` ends. */
  end(order: string, reason?: string): void;
  add(type: Recorded['type'], id: string | null, data: unknown): void;
  wait(ms: number): void;
}

export function createHistory(): History {
  const records: Recorded[] = [];
  const lines: string[] = [];
  const holds = new Map<string, string>();
  let at = Date.parse('2026-03-13T08:15:30.123Z');
  let head: Head = GENESIS;
  let n = 0;

  function add(type: string, id: string | null, data: unknown): void {
    const sealed = seal(head, { ts: new Date(at).toISOString(), type, id, actor: 'reporter:test', data: data as object });
    head = sealed;
    lines.push(sealed.line);
    records.push(JSON.parse(sealed.line) as Recorded);
  }

  function holdOf(order: string): string {
    const id = holds.get(order) ?? `HLD-${String((n += 1)).padStart(12, '0')}`;
    holds.set(order, id);
    return id;
  }

  return {
    records,
    lines: () => lines,
    add,
    wait: (ms) => void (at += ms),
    report(more = {}, { orders = [], status = 'recorded', refused = [], proposed = [], severity = 'high', ...was } = {}, joins) {
      const id = joins ?? `INC-20260313-${String((n += 1)).padStart(12, '0')}`;
      const told = (order: string, how: ActionStatus, error: string | null, hold_id: string | null) => {
        const [action, ...target] = order.split(' ');
        return { action, target: target.join(' '), hold_id, status: how, error };
      };
      const isAlert = (order: string) => order.startsWith('log_alert');
      add(joins === undefined ? 'incident.reported' : 'incident.joined', id, {
        report: reportOf(more),
        reported_by: was.reported_by ?? 'firewall',
        severity,
        mode: 'enforce',
        decided_by: { policy_sha256: '0'.repeat(64), rule: null, line: null, severity_from: was.own ? 'recorder' : 'default' },
        actions: [
          ...orders.map((order) => told(order, isAlert(order) ? 'verified' : status, null, isAlert(order) ? null : holdOf(order))),
          ...refused.map(([order, error]) => told(order, 'failed', error, null)),
        ],
        proposed_actions: proposed,
        containment: { status: 'none', reached: false },
        request: null,
        ...(joins === undefined ? { follows: null, problem: null } : { occurrences: 2 }),
      });
      return id;
    },
    resolve: (id) => add('incident.resolved', id, { from: 'open', note: null, request: null, resolution: null, status: 'none' }),
    end(order, reason = 'operator') {
      add('hold.released', holdOf(order), { reason, incident_id: null });
      holds.delete(order);
    },
  };
}
