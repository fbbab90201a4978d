// The only place where an error code becomes a status and a body (RFC 9457).

import { randomUUID } from 'node:crypto';
import { type ErrorCode, RecorderError } from '../errors.ts';

interface Problem {
  readonly status: number;
  readonly title: string;
  /** What it means and what to do, for whoever opens its `type`. */
  readonly meaning: string;
}

export const PROBLEMS: Record<ErrorCode, Problem> = {
  malformed_request: {
    status: 400,
    title: 'Malformed request',
    meaning: 'The request line, the headers or the transfer of the body were not HTTP as this service reads it.',
  },
  malformed_body: { status: 400, title: 'Malformed body', meaning: 'The body is not exactly one JSON value in UTF-8.' },
  invalid_report: {
    status: 400,
    title: 'Invalid report',
    meaning: 'The report has fields that are missing, unknown or wrong; `errors` names each. Nothing was recorded.',
  },
  invalid_request: {
    status: 400,
    title: 'Invalid request',
    meaning: 'The body has fields that are missing, unknown or wrong; `errors` names each. Nothing was changed.',
  },
  invalid_parameter: {
    status: 400,
    title: 'Invalid parameter',
    meaning: 'A query parameter or header is unknown or has a value that is not taken.',
  },
  invalid_configuration: {
    status: 400,
    title: 'Invalid configuration',
    meaning: 'The policy or token file is not good; `errors` names line and column. What was in force stays in force.',
  },
  unauthenticated: {
    status: 401,
    title: 'No good token',
    meaning: 'Send `Authorization: Bearer <token>` with a token that this service knows.',
  },
  forbidden: {
    status: 403,
    title: 'Not allowed',
    meaning: 'The token is good, but its role, its sources, its classes or its actuator do not cover this.',
  },
  not_found: { status: 404, title: 'Not found', meaning: 'There is no such path, or nothing of that id that this token may see.' },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    meaning: 'The path is there, but not for this method; `Allow` names those it has.',
  },
  request_timeout: {
    status: 408,
    title: 'Request too slow',
    meaning: 'Headers must be there within 5 seconds and the whole request within 10.',
  },
  state_conflict: {
    status: 409,
    title: 'The state does not allow this',
    meaning: '`state` is where it stands and `allowed` which steps that allows; `missing` is what must be shown before it is let go.',
  },
  restart_required: {
    status: 409,
    title: 'A restart is needed',
    meaning:
      'What was to be put in force needs a port that the sandbox of this run keeps closed. What was in force stays; restart the service.',
  },
  precondition_failed: {
    status: 412,
    title: 'Changed since',
    meaning: 'It no longer has the ETag given in If-Match. Read it again.',
  },
  body_too_large: {
    status: 413,
    title: 'Body too large',
    meaning: 'A body may be 65,536 bytes; a batch of reports 1 MiB and 1,000 lines. The connection is closed.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported content type',
    meaning: 'Bodies are application/json (batches of reports application/x-ndjson) in UTF-8.',
  },
  expectation_failed: { status: 417, title: 'Expectation failed', meaning: 'The only expectation that is met is 100-continue.' },
  misdirected: {
    status: 421,
    title: 'Not for this host',
    meaning: 'The Host is none of those that this service answers for (see ALLOWED_HOSTS).',
  },
  idempotency_mismatch: {
    status: 422,
    title: 'Idempotency-Key used before',
    meaning: 'The same key came with another body. A key stands for one exact request.',
  },
  precondition_required: {
    status: 428,
    title: 'If-Match is needed',
    meaning: 'Say with If-Match what exactly is decided on: the ETag of what was read.',
  },
  rate_limited: { status: 429, title: 'Too many requests', meaning: 'The token is over its rate. Try again after `Retry-After` seconds.' },
  headers_too_large: { status: 431, title: 'Headers too large', meaning: 'The request line and the headers may be 8 KiB.' },
  storage_full: {
    status: 503,
    title: 'No room',
    meaning: 'What was sent cannot be made durable now, and was not recorded. Reports that contain are taken as long as anything fits.',
  },
  storage_failed: { status: 503, title: 'Storage failed', meaning: 'The store cannot be written. Nothing was recorded.' },
  draining: {
    status: 503,
    title: 'Shutting down',
    meaning: 'The service is ending; what it had accepted it finishes. Try again after `Retry-After` seconds.',
  },
  internal: { status: 500, title: 'Internal error', meaning: 'A fault of the service, logged under `request_id`. Nothing was half done.' },
};

/** `/problems/<slug>`, under which each code is explained. */
export function typeOf(code: ErrorCode): string {
  return `/problems/${code.replaceAll('_', '-')}`;
}

/** An answer that is written as it is. */
export interface Plain {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** The answer for an error of any kind: what is no RecorderError is `internal`, and says nothing of itself. */
export function refusalFor(error: unknown, requestId: string = randomUUID()): Plain {
  const known =
    error instanceof RecorderError
      ? error
      : new RecorderError('internal', 'the service failed; its log has the reason under this request_id');
  const { status, title } = PROBLEMS[known.code];
  const { errors, state, allowed, missing, retry_after, methods } = known.details;
  const body = JSON.stringify({
    type: typeOf(known.code),
    title,
    status,
    detail: known.message,
    code: known.code,
    ...(errors && { errors }),
    ...(state !== undefined && { state }),
    ...(allowed && { allowed }),
    ...(missing && { missing }),
    request_id: requestId,
    error: known.message,
  });
  return {
    status,
    body,
    headers: {
      ...SECURITY_HEADERS,
      'content-type': 'application/problem+json',
      ...(known.code === 'unauthenticated' && { 'www-authenticate': 'Bearer realm="incident-recorder"' }),
      ...(methods && { allow: methods.join(', ') }),
      ...(retry_after !== undefined && { 'retry-after': String(retry_after) }),
    },
  };
}

/** On every answer: it is for this caller, now, and is data. */
export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;
