// The one class of refusal: a closed list of codes, each message safe to show to whoever asked.

export type ErrorCode =
  | 'malformed_request'
  | 'malformed_body'
  | 'invalid_report'
  | 'invalid_request'
  | 'invalid_parameter'
  | 'invalid_configuration'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'state_conflict'
  | 'restart_required'
  | 'precondition_failed'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'expectation_failed'
  | 'misdirected'
  | 'idempotency_mismatch'
  | 'precondition_required'
  | 'rate_limited'
  | 'headers_too_large'
  | 'storage_full'
  | 'storage_failed'
  | 'draining'
  | 'internal';

/** One fault in an input. `pointer` is a JSON pointer (RFC 6901) into it; `line` and `column` count from 1 (files only). */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
  readonly line?: number;
  readonly column?: number;
}

/** What a refusal may carry beside its message; each member is shown to the caller under its own name. */
export interface ErrorDetails {
  readonly errors?: readonly Fault[];
  /** The state that did not allow a step, and the steps that it allows. */
  readonly state?: string;
  readonly allowed?: readonly string[];
  /** What must be shown first, one word each. */
  readonly missing?: readonly string[];
  /** Seconds after which trying again makes sense. */
  readonly retry_after?: number;
  /** Methods that the path does know. */
  readonly methods?: readonly string[];
}

export class RecorderError extends Error {
  override readonly name = 'RecorderError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
