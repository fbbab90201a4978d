// What request headers ask for: which version, which request, which trace, how long a wait.

import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { RecorderError } from '../errors.ts';
import type { RequestMark } from '../incident/events.ts';

/**
 * The versions that If-Match names; null = any (none given, or `*`). A weak ETag, or one of somebody else's, matches none.
 * RFC 9110 §13.1.1
 */
export function ifMatchOf({ 'if-match': header }: IncomingHttpHeaders): number[] | null {
  if (header === undefined || header.trim() === '*') return null;
  return header.split(',').flatMap((tag) => {
    const match = /^"(\d{1,15})"$/.exec(tag.trim());
    return match ? [Number(match[1])] : [];
  });
}

/**
 * The digest that If-Match names.
 * @throws RecorderError "precondition_required" without it, and where it would let anything pass; "precondition_failed" when what it names is
 * no digest of ours
 */
export function digestOf({ 'if-match': header }: IncomingHttpHeaders): string {
  const tag = header?.trim();
  if (!tag || tag === '*') throw new RecorderError('precondition_required', 'If-Match must name the ETag of what is decided on');
  const digest = /^"([0-9a-f]{64})"$/.exec(tag)?.[1];
  if (digest === undefined) throw new RecorderError('precondition_failed', 'If-Match must name one ETag, as it was read');
  return digest;
}

/** Whether the caller has the version with this tag already: If-None-Match, compared weakly (RFC 9110 §13.1.2). */
export function isKnown({ 'if-none-match': header }: IncomingHttpHeaders, tag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === '*' || header.split(',').some((given) => given.trim().replace(/^W\//, '') === `"${tag}"`);
}

/** The most that anybody may wait, in seconds. */
export const MAX_WAIT_S = 30;

/**
 * The seconds that `Prefer: wait=N` asks for; null without it. Of several the first counts, and other preferences are nobody's fault (RFC 7240).
 * @throws RecorderError "invalid_parameter" when it is not a whole number from 0 to 30
 */
export function preferredWait({ prefer: header }: IncomingHttpHeaders): number | null {
  if (header === undefined) return null;
  // A comma within quotes parts nothing.
  const preferences = [header]
    .flat()
    .join(',')
    .replaceAll(/"([^"]*)"/g, (_, quoted: string) => quoted.replaceAll(/[,;=]/g, '_'))
    .split(',');
  for (const preference of preferences) {
    const [name = '', value = ''] = (preference.split(';', 1)[0] ?? '').split('=', 2).map((part) => part.trim());
    if (name.toLowerCase() !== 'wait') continue;
    const seconds = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (seconds <= MAX_WAIT_S) return seconds;
    throw new RecorderError('invalid_parameter', `Prefer: wait must be a whole number of seconds from 0 to ${MAX_WAIT_S}`);
  }
  return null;
}

/**
 * The mark by which a request is known again, from its Idempotency-Key; null without one. A key is of one token and route.
 * @throws RecorderError "invalid_parameter" when it is not 1–255 visible ASCII characters
 */
export function markOf(headers: IncomingHttpHeaders, token: string, route: string, body: Buffer): RequestMark | null {
  const key = headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new RecorderError('invalid_parameter', 'Idempotency-Key must be 1 to 255 visible ASCII characters');
  }
  return { token, key_sha256: hash('sha256', `${route}\0${key}`, 'hex'), body_sha256: hash('sha256', body, 'hex') };
}

/** The trace id of a W3C traceparent header, or null when it has none that is valid (https://www.w3.org/TR/trace-context/). */
export function traceIdOf({ traceparent }: IncomingHttpHeaders): string | null {
  const match = typeof traceparent === 'string' ? /^[0-9a-e][0-9a-f]-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/.exec(traceparent) : null;
  return match && !/^0+$/.test(String(match[1])) && !/^0+$/.test(String(match[2])) ? String(match[1]) : null;
}
