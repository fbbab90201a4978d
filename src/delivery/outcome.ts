// What the answer to a command comes to: its result, or that it must be asked again. What cannot be believed is no result. Pure.

import { MAX_DEPTH, faultOf, isObject } from '../input/bounds.ts';
import { isPrintable } from '../input/text.ts';
import { type CommandOp, type Result, RESULT_STATUSES, type ResultStatus, SUCCESS } from '../incident/command.ts';
import type { Evidence } from '../incident/report.ts';
import type { Actuator } from '../policy/policy.ts';
import type { Answer } from './ask.ts';
import { isRefusal, isSuccess } from './http-status.ts';

export type Outcome = { readonly result: Result } | Again;

/** Nobody knows what came of it, or it was put off; `after_ms`: it asked us to wait so long. */
export interface Again {
  readonly again: string;
  readonly after_ms: number | null;
}

/** What the answer says, read as JSON. */
export interface Said {
  readonly status: unknown;
  readonly evidence: Evidence | null;
  readonly error: string | null;
}

const MAX_EVIDENCE_BYTES = 16 * 1024;
const MAX_ERROR = 200;

export function outcomeOf(op: CommandOp, dialect: Actuator['dialect'], { status, body, retry_after_ms }: Answer): Outcome {
  const answered = `it answered ${status}`;
  if (isSuccess(status)) return dialect === 'secai' ? done(op) : believed(op, status, body);
  if (status >= 300 && status < 400) return refused('failed', `${answered}: redirects are not followed`);
  if (status === 501) return refused('unsupported', answered);
  if (isRefusal(status)) return refused('failed', answered);
  return { again: answered, after_ms: retry_after_ms };
}

function believed(op: CommandOp, status: number, body: string): Outcome {
  const said = saidIn(body);
  if (status === 202) return { result: { status: 'accepted', evidence: said?.evidence ?? null, error: null } };
  if (body.trim() === '') return done(op);
  if (!said) return doubtful(`it answered ${status} with something else than a JSON object`);
  if (!isResult(said.status)) return doubtful(`it answered ${status} without a status that is known`);
  if (said.status === SUCCESS[op] || said.status === 'accepted') {
    return { result: { status: said.status, evidence: said.evidence, error: null } };
  }
  if (said.status === 'enforced' || said.status === 'released') return doubtful(`it answered "${said.status}" to ${op}`);
  return { result: { status: said.status, evidence: said.evidence, error: said.error ?? `it answered "${said.status}"` } };
}

/** Null when it is no JSON object. */
export function saidIn(body: string): Said | null {
  const value = objectIn(body);
  return value && { status: value['status'], evidence: evidenceOf(value['evidence']), error: errorOf(value['error']) };
}

/** The JSON object that a text is, or null. */
export function objectIn(body: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Kept within the bounds of all that comes from outside; of what is not, only that it was there. */
export function evidenceOf(value: unknown): Evidence | null {
  if (value === undefined || value === null) return null;
  if (!isObject(value)) return { evidence_dropped: 'is no object' };
  const fault = faultOf(value, MAX_DEPTH);
  if (fault) return { evidence_dropped: fault.detail };
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_EVIDENCE_BYTES)
    return { evidence_dropped: `is longer than ${MAX_EVIDENCE_BYTES} bytes` };
  return value as Evidence;
}

/** The words of an actuator for what went wrong: one line, shortened, or nothing. */
function errorOf(value: unknown): string | null {
  if (typeof value !== 'string' || value.trim() === '') return null;
  const line = value.trim().slice(0, MAX_ERROR).toWellFormed();
  return isPrintable(line) ? line : null;
}

function isResult(status: unknown): status is ResultStatus {
  return (RESULT_STATUSES as readonly unknown[]).includes(status);
}

function done(op: CommandOp): Outcome {
  return { result: { status: SUCCESS[op], evidence: null, error: null } };
}

function refused(status: 'failed' | 'unsupported', error: string): Outcome {
  return { result: { status, evidence: null, error } };
}

function doubtful(again: string): Again {
  return { again, after_ms: null };
}
