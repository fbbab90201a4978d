// Doing a request once: what carried an Idempotency-Key and was done is answered again, not done again.

import { RecorderError } from '../errors.ts';
import type { RequestMark } from '../incident/events.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Done } from '../store/requests.ts';
import type { Draft } from './draft.ts';

/**
 * What was done for this request before, or null.
 * @throws RecorderError "idempotency_mismatch" when its key came with another body
 */
export function doneBefore(draft: Draft, mark: RequestMark | null): Done | null {
  const done = mark && draft.requests.find(mark, Date.parse(draft.now));
  if (!done) return null;
  if (done.body_sha256 === mark.body_sha256) return done;
  throw new RecorderError('idempotency_mismatch', 'this Idempotency-Key was used with another body');
}

export function keepDone(draft: Draft, mark: RequestMark | null, incident: string | null, receipt: Receipt): void {
  if (mark) draft.requests.keep(mark, incident, receipt, Date.parse(draft.now));
}
