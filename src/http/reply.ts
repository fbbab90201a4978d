// Answers, as hono wants them: plain headers and a string, so that the adapter writes both in one go.

import type { Kept, Receipt } from '../incident/incident.ts';
import { viewOf } from '../incident/view.ts';
import { SECURITY_HEADERS } from './problem.ts';

export const NDJSON = 'application/x-ndjson';
const JSON_HEADERS = { ...SECURITY_HEADERS, 'content-type': 'application/json' };

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return raw(JSON.stringify(value), status, headers);
}

/** `text` is JSON already. */
export function raw(text: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(text, { status, headers: { ...JSON_HEADERS, ...headers } });
}

/** What was just done to an incident. */
interface Done {
  readonly receipt: Receipt;
  readonly replayed: boolean;
  readonly status?: number;
  readonly headers?: Record<string, string>;
}

/** An incident with its ETag. */
export function incidentReply({ incident, version }: Kept, done?: Done): Response {
  return json(viewOf(incident, done?.receipt), done?.status, { etag: `"${version}"`, ...done?.headers, ...replayedHeader(done?.replayed) });
}

/** What a change made of something, with the receipt of the change. */
export function changeReply(view: Record<string, unknown>, { receipt, replayed, status, headers }: Done): Response {
  return json({ ...view, audit: receipt }, status, { ...headers, ...replayedHeader(replayed) });
}

function replayedHeader(replayed = false): Record<string, string> {
  return replayed ? { 'idempotent-replayed': 'true' } : {};
}
