// What a report does: counted in its window, judged, and found to be new, one more of a problem, or done before.

import { RecorderError } from '../errors.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Report } from '../incident/report.ts';
import type { Log } from '../log.ts';
import { decide, decideOwn } from '../policy/decide.ts';
import { type Problem, problemOf } from '../policy/dedupe.ts';
import { escalation } from '../policy/escalate.ts';
import type { Latest } from '../store/incidents.ts';
import { OURSELVES } from './caller.ts';
import type { Draft } from './draft.ts';
import type { Finding } from './findings.ts';
import type { Judged, ReportRequest, Reported } from './judged.ts';
import { join, open } from './occurrence.ts';
import { doneBefore, keepDone } from './once.ts';
import { settle } from './settle.ts';

export function reportChange(request: ReportRequest, log: Log): (draft: Draft) => Reported {
  return (draft) => {
    const { report, caller, mark, own } = request;
    const done = doneBefore(draft, mark);
    if (done) return replay(draft, done.incident, done.receipt);
    const burst = own === null ? sight(draft, report) : null;
    const problem = problemOf(draft.policy, report, caller.name);
    const latest = problem && draft.incidents.latestOf(problem.key);
    const joins = latest !== null && stillJoins(draft, problem, latest);
    const facts = { escalating: burst !== null, occurrences: joins ? latest.occurrences + 1 : 1 };
    const decision = own === null ? decide(draft.policy, report, facts) : decideOwn(draft.policy, report, own);
    if (decision.actions.length === 0 && own === null) draft.needsRoom();
    const { max_holds } = decision;
    const by = { rule: report.class, source: report.source, max_holds, requested_by: caller.name };
    const judged: Judged = { ...request, decision, burst, by };
    const reported = joins ? join(draft, latest, judged, log) : open(draft, problem, latest, judged, log);
    keepDone(draft, mark, reported.incident.id, reported.receipt);
    return settled(draft, reported);
  };
}

/** As it is when all that the change has moved is settled. */
function settled(draft: Draft, reported: Reported): Reported {
  const { seq } = reported.incident.audit;
  const kept = settle(draft).includes(seq) ? draft.incidents.bySeq(seq) : null;
  if (kept) return { ...reported, ...kept };
  // What was told of it last was told last of all: no record about a hold of it can be later.
  return reported.version === draft.last ? reported : { ...reported, version: draft.incidents.version(seq) };
}

/** A finding of the recorder's own, as a report. */
export function findingChange({ report, severity }: Finding, log: Log): (draft: Draft) => Reported {
  return reportChange({ report, caller: OURSELVES, mark: null, own: severity }, log);
}

function replay(draft: Draft, id: string | null, receipt: Receipt): Reported {
  const kept = id === null ? null : draft.incidents.byId(id);
  if (!kept) throw new RecorderError('not_found', 'the incident of this request is no longer kept');
  return { ...kept, receipt, how: 'replayed' };
}

/** Counts this report in its class's window. Returns the rule's measure when it is one too many, else null. */
function sight(draft: Draft, { class: className, source }: Report): Judged['burst'] {
  const rule = draft.policy.rules.get(className)?.escalate;
  if (!rule) return null;
  const { sightings, reached } = escalation(rule, draft.sightings.of(className, source), Date.parse(draft.now));
  draft.sightings.keep(className, source, sightings);
  return reached ? { count: rule.count, window_s: rule.window_ms / 1000 } : null;
}

function stillJoins(draft: Draft, problem: Problem | null, latest: Latest): boolean {
  if (!problem || latest.state === 'resolved') return false;
  return problem.window_ms === null || Date.parse(draft.now) - Date.parse(latest.last_seen_at) <= problem.window_ms;
}
