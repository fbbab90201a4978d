// Answers: a status, headers and a string, written to the socket as they are.

import type { Kept, Receipt } from '../incident/incident.ts';
import { viewOf } from '../incident/view.ts';
import { type Plain, SECURITY_HEADERS } from './problem.ts';

export const NDJSON = 'application/x-ndjson';
/** Said instead of an answer, of one that was sent already. */
export const SENT = Symbol('sent');
/** As of 304, which has none. */
export interface WithoutBody {
  readonly status: 304;
  readonly headers: Record<string, string>;
  readonly body: null;
}
export type Reply = Plain | WithoutBody | typeof SENT;

const JSON_HEADERS = { ...SECURITY_HEADERS, 'content-type': 'application/json' };

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Plain {
  return raw(JSON.stringify(value), status, headers);
}

/** `text` is JSON already. */
export function raw(text: string, status = 200, headers: Record<string, string> = {}): Plain {
  return { status, headers: { ...JSON_HEADERS, ...headers }, body: text };
}

/** What was just done to an incident. */
interface Done {
  readonly receipt: Receipt;
  readonly replayed: boolean;
  readonly status?: number;
  readonly headers?: Record<string, string>;
}

/** An incident with its ETag. */
export function incidentReply({ incident, version }: Kept, done?: Done): Plain {
  return json(viewOf(incident, done?.receipt), done?.status, { etag: `"${version}"`, ...done?.headers, ...replayedHeader(done?.replayed) });
}

/** What a change made of something, with the receipt of the change. */
export function changeReply(view: Record<string, unknown>, { receipt, replayed, status, headers }: Done): Plain {
  return json({ ...view, audit: receipt }, status, { ...headers, ...replayedHeader(replayed) });
}

function replayedHeader(replayed = false): Record<string, string> {
  return replayed ? { 'idempotent-replayed': 'true' } : {};
}
