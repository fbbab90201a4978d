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

/** An incident with its ETag; `receipt` is that of the change that was just made to it. */
export function incidentReply({ incident, version }: Kept, status = 200, receipt?: Receipt, replayed = false): Response {
  const headers: Record<string, string> = { etag: `"${version}"` };
  if (replayed) headers['idempotent-replayed'] = 'true';
  return json(viewOf(incident, receipt), status, headers);
}
