// The incidents that a candidate policy would have made of the reports of the history, and which of the history are not resolved yet. Pure.

import type { Report } from '../incident/report.ts';
import { problemOf } from './dedupe.ts';
import type { Policy } from './policy.ts';
import type { ReplayedHold } from './replay-holds.ts';
import { createMemory, oneMore } from './replay-memory.ts';

/** An incident as the candidate would have it. */
export interface ReplayedIncident {
  /** Incidents of the history whose reports it is made of. It is resolved when they are. */
  of: readonly string[];
  /** By their keys, the holds of all that was ordered for it, null for what has none; and names of actions that were refused. */
  readonly ordered: Map<string, ReplayedHold | null>;
  refused: readonly string[];
  occurrences: number;
  /** Milliseconds since 1970. */
  lastSeen: number;
}

/** An incident of the history that is not resolved. */
interface Unresolved {
  readonly class: string;
  readonly source: string;
  /** Where the candidate has put its last report. */
  now: ReplayedIncident | null;
}

export interface ReplayedIncidents {
  /** An incident of the history begins. */
  begin(id: string, of: { class: string; source: string }): void;
  resolve(id: string): void;
  isOpen(id: string): boolean;
  unresolved(id: string): Unresolved | undefined;
  /**
   * Where the candidate would put the next report, which belongs to incident `id` of the history. `joins`: one that there is; `isNew`: of
   * which `id` was no part before.
   * @param now milliseconds since 1970
   */
  place(report: Report, reportedBy: string, id: string, now: number): { incident: ReplayedIncident; joins: boolean; isNew: boolean };
  readonly forgotten: number;
}

const MAX_ORDERED = 10_000;

export function createReplayedIncidents(policy: Policy, max: number, onForgotten: () => void): ReplayedIncidents {
  const past = createMemory<Unresolved>(max, onForgotten);
  const problems = createMemory<ReplayedIncident>(max);
  const isOpen = (id: string) => past.has(id);
  return {
    isOpen,
    begin: (id, { class: className, source }) => past.set(id, { class: className, source, now: null }),
    resolve: (id) => past.delete(id),
    unresolved: (id) => past.get(id),
    place(report, reportedBy, id, now) {
      const problem = problemOf(policy, report, reportedBy);
      const latest = problem ? problems.get(problem.key) : undefined;
      const joins = latest !== undefined && latest.of.some(isOpen) && now - latest.lastSeen <= (problem?.window_ms ?? Infinity);
      const incident: ReplayedIncident = joins ? latest : { of: [], ordered: new Map(), refused: [], occurrences: 0, lastSeen: now };
      const isNew = !incident.of.includes(id);
      incident.of = oneMore(incident.of, id, isOpen);
      incident.occurrences += 1;
      incident.lastSeen = now;
      if (problem) problems.set(problem.key, incident);
      const unresolved = past.get(id);
      if (unresolved) unresolved.now = incident;
      return { incident, joins, isNew };
    },
    get forgotten() {
      return past.forgotten + problems.forgotten;
    },
  };
}

/** What an incident remembers of its orders. */
export function keepOrdered({ ordered }: ReplayedIncident, key: string, hold: ReplayedHold | null): void {
  if (ordered.size < MAX_ORDERED || ordered.has(key)) ordered.set(key, hold);
}

/** @param action its name */
export function keepRefused(incident: ReplayedIncident, action: string): void {
  if (!incident.refused.includes(action)) incident.refused = [...incident.refused, action];
}
