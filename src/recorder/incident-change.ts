// A change of one incident: once, of this incident, at this version; then the step itself, and what follows from it.

import { RecorderError } from '../errors.ts';
import type { RequestMark } from '../incident/events.ts';
import type { Incident, Kept, Receipt } from '../incident/incident.ts';
import type { Resolution } from '../incident/vocabulary.ts';
import type { Caller } from './caller.ts';
import type { Draft, Subject } from './draft.ts';
import { doneBefore, keepDone } from './once.ts';
import { settle } from './settle.ts';

export interface Changed extends Kept {
  readonly receipt: Receipt;
  readonly replayed: boolean;
}

export interface StepRequest {
  readonly id: string;
  readonly note: string | null;
  readonly resolution: Resolution | null;
  readonly caller: Caller;
  /** Versions of which the incident must have one; null = any. */
  readonly ifMatch: readonly number[] | null;
  readonly mark: RequestMark | null;
}

/** What a step makes of an incident, and the records it left: the first is its receipt, the last the new version. */
export interface Stepped {
  readonly incident: Incident;
  readonly first: Receipt;
  readonly last: Receipt;
}

/** What every change of one incident has in common: once, this incident, this version, then the step itself. */
export function change(
  request: Omit<StepRequest, 'resolution'>,
  take: (draft: Draft, incident: Incident) => Stepped,
): (draft: Draft) => Changed {
  return (draft) => {
    const done = doneBefore(draft, request.mark);
    const kept = draft.incidents.byId(done?.incident ?? request.id);
    if (!kept) throw new RecorderError('not_found', 'there is no such incident');
    if (done) return { ...kept, receipt: done.receipt, replayed: true };
    if (request.ifMatch && !request.ifMatch.includes(kept.version)) {
      throw new RecorderError('precondition_failed', `the incident has changed since: its ETag is now "${kept.version}"`);
    }
    const { incident, first, last } = take(draft, kept.incident);
    const changed = { ...incident, updated_at: draft.now };
    draft.incidents.update(changed, last.seq);
    keepDone(draft, request.mark, changed.id, first);
    settle(draft);
    const after = draft.incidents.bySeq(changed.audit.seq) ?? { incident: changed, version: last.seq };
    return { ...after, receipt: first, replayed: false };
  };
}

export function subjectOf({ id, audit }: Incident): Required<Subject> {
  return { id, about: audit.seq };
}
