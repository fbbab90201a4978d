// What request headers ask for: which version, which request, which trace.

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
