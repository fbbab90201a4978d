// Query parameters, read strictly: an unknown one is a mistake that is told, not ignored.

import { RecorderError } from '../errors.ts';
import type { Filter, Position } from '../incident/filter.ts';
import { INSTANT, parseInstant } from '../input/instant.ts';
import { didYouMean } from '../input/text.ts';
import { SEVERITIES, STATES } from '../incident/vocabulary.ts';

/** The query of a URL. What guards a parameter and what uses it MUST both read it here, or one sees what the other does not. */
export function queryOf(url: string): URLSearchParams {
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}

/** The parameters of a URL, each with all its values. @throws RecorderError "invalid_parameter" for one that is not `known` */
export function parametersOf(url: string, known: readonly string[]): URLSearchParams {
  const parameters = queryOf(url);
  for (const name of parameters.keys()) {
    if (!known.includes(name)) throw refuse(name, `is not a known parameter${didYouMean(name, known)}`);
  }
  return parameters;
}

export const LIST_PARAMETERS = ['class', 'state', 'severity', 'source', 'since', 'until', 'q', 'limit', 'cursor'];
export const PAGE_PARAMETERS = ['limit', 'cursor'];

const MAX_VALUES = 64;

/** @throws RecorderError "invalid_parameter" */
export function filterOf(parameters: URLSearchParams, reportedBy: string | null): Filter {
  return {
    class: words(parameters, 'class'),
    state: among(parameters, 'state', STATES),
    severity: among(parameters, 'severity', SEVERITIES),
    source: words(parameters, 'source'),
    since: instant(parameters, 'since'),
    until: instant(parameters, 'until'),
    q: text(parameters, 'q', 128),
    reported_by: reportedBy,
  };
}

/** 1–`max`; 100 when not given. */
export function limitOf(parameters: URLSearchParams, max = 200): number {
  return wholeNumber(parameters, 'limit', 1, max) ?? 100;
}

/** Null when it is not given. @throws RecorderError "invalid_parameter" for what is no whole number within the bounds */
export function wholeNumber(parameters: URLSearchParams, name: string, min: number, max: number): number | null {
  const given = single(parameters, name);
  if (given === null) return null;
  const number = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw refuse(name, min > max ? 'has no possible value yet: the log is too short' : `must be a whole number from ${min} to ${max}`);
}

/** A cursor is opaque, and good only for the list that it was given out for. */
export function encodeCursor({ rank, before }: Position, boundTo: string): string {
  return Buffer.from(JSON.stringify([rank, before, boundTo])).toString('base64url');
}

export function cursorOf(parameters: URLSearchParams, boundTo: string): Position | null {
  const given = single(parameters, 'cursor');
  if (given === null) return null;
  const [rank, before, bound] = decode(given);
  if (!Number.isSafeInteger(rank) || !Number.isSafeInteger(before)) throw refuse('cursor', 'is not a cursor of this service');
  if (bound !== boundTo) throw refuse('cursor', 'was given out for another list');
  return { rank: rank as number, before: before as number };
}

function decode(cursor: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** The `Link` header to the next page: this URL with another cursor (RFC 8288). */
export function linkTo(path: string, parameters: URLSearchParams, cursor: string): Record<string, string> {
  const next = new URLSearchParams(parameters);
  next.set('cursor', cursor);
  return { link: `<${path}?${next.toString()}>; rel="next"` };
}

/** Repeated or joined by commas: one of these. */
export function words(parameters: URLSearchParams, name: string): string[] | null {
  const given = parameters.getAll(name).flatMap((value) => value.split(','));
  if (given.length === 0) return null;
  if (given.length > MAX_VALUES) throw refuse(name, `has ${given.length} values; at most ${MAX_VALUES} are taken`);
  return given;
}

/** The same, of words that are known. @throws RecorderError "invalid_parameter" for another */
export function among<T extends string>(parameters: URLSearchParams, name: string, known: readonly T[]): T[] | null {
  const given = words(parameters, name);
  const unknown = given?.find((word) => !(known as readonly string[]).includes(word));
  if (unknown !== undefined) throw refuse(name, `must be one of ${known.join(', ')}${didYouMean(unknown, known)}`);
  return given && [...new Set(given as T[])];
}

function instant(parameters: URLSearchParams, name: string): string | null {
  const given = single(parameters, name);
  if (given === null) return null;
  const at = parseInstant(given);
  if (at === null) throw refuse(name, INSTANT);
  return at.toISOString();
}

function text(parameters: URLSearchParams, name: string, max: number): string | null {
  const given = single(parameters, name);
  if (given !== null && (given.length === 0 || given.length > max)) throw refuse(name, `must be 1 to ${max} characters`);
  return given;
}

export function single(parameters: URLSearchParams, name: string): string | null {
  const given = parameters.getAll(name);
  if (given.length > 1) throw refuse(name, 'must be given once');
  return given[0] ?? null;
}

/** Parameter names come from outside: what is echoed is short and, in JSON, escaped. */
export function refuse(name: string, detail: string): RecorderError {
  return new RecorderError('invalid_parameter', `${name.slice(0, 64)} ${detail}`);
}
