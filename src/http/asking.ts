// What every change is told of the request that asks for it: on whose behalf, and by which mark it is known again.

import type { RequestMark } from '../incident/events.ts';
import { type Caller, callerOf } from '../recorder/caller.ts';
import { parseJson } from './body.ts';
import type { KnownCall } from './guard.ts';
import { ifMatchOf, markOf } from './headers.ts';

export interface Asked {
  readonly caller: Caller;
  readonly mark: RequestMark | null;
}

/** @throws RecorderError "invalid_parameter" for an Idempotency-Key that is none */
export function askedBy({ incoming: { headers }, token, path, body }: KnownCall): Asked {
  return { caller: callerOf(token), mark: markOf(headers, token.name, path, body) };
}

/** The same, of what has versions. */
export function askedOfVersion(call: KnownCall): Asked & { readonly ifMatch: readonly number[] | null } {
  return { ...askedBy(call), ifMatch: ifMatchOf(call.incoming.headers) };
}

/** A body in which everything may be left out may be left out itself. @throws RecorderError "malformed_body" */
export function parseOptionalJson(body: Buffer): unknown {
  return body.length === 0 ? {} : parseJson(body);
}
