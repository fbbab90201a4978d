// What the answer to the question whether a hold stands comes to. What cannot be believed is no verdict. Pure.

import { isDeepStrictEqual } from 'node:util';
import type { Answer } from './ask.ts';
import type { Verdict } from './finding.ts';
import { isSuccess } from './http-status.ts';
import { evidenceOf, objectIn, saidIn } from './outcome.ts';

/** A verdict, or why there is none. */
export type Verified = { readonly verdict: Verdict } | { readonly missed: string };

const STANDS = new Set<unknown>(['enforced', 'verified']);
const FELL = new Set<unknown>(['released', 'failed', 'partial', 'expired', 'drifted']);

/** A state is as expected when each key of `expect` is in it with the very value. */
export function verdictOnState({ status, body }: Answer, expect: Readonly<Record<string, unknown>>): Verified {
  const state = isSuccess(status) ? objectIn(body) : null;
  if (!state) return missed(status, 'is no JSON object');
  const wrong = Object.keys(expect).filter((key) => !Object.hasOwn(state, key) || !isDeepStrictEqual(state[key], expect[key]));
  const shown = Object.keys(expect).flatMap((key) => (Object.hasOwn(state, key) ? [[key, state[key]] as const] : []));
  const detail = wrong.length === 0 ? null : `its state is not as expected: ${wrong.join(', ')}`;
  return { verdict: { stands: wrong.length === 0, detail, evidence: evidenceOf(Object.fromEntries(shown)) } };
}

/** What an actuator says of one hold. */
export function verdictOnHold({ status, body }: Answer): Verified {
  if (status === 404 || status === 410) return fell(`it answered ${status}`);
  if (isSuccess(status) && status !== 202 && body.trim() === '') return { verdict: { stands: true, detail: null, evidence: null } };
  const said = isSuccess(status) ? saidIn(body) : null;
  if (!said) return missed(status, 'is no JSON object');
  if (STANDS.has(said.status)) return { verdict: { stands: true, detail: null, evidence: said.evidence } };
  if (FELL.has(said.status)) return fell(said.error ?? `it answered "${String(said.status)}"`, said.evidence);
  return missed(status, 'has no status that is known');
}

function fell(detail: string, evidence: Verdict['evidence'] = null): Verified {
  return { verdict: { stands: false, detail, evidence } };
}

function missed(status: number, what: string): Verified {
  return { missed: isSuccess(status) ? `its answer ${status} ${what}` : `it answered ${status}` };
}
