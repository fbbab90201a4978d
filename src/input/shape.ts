// How a request body becomes a checked value, and how each fault in it is told.

import { z } from 'zod';
import { type Fault, RecorderError } from '../errors.ts';
import { MAX_DEPTH, escapePointer, faultOf, isObject } from './bounds.ts';
import { didYouMean, isPrintable } from './text.ts';

/** Any text: trimmed and not empty; `max` in UTF-16 units (zod's own counts code points). Whoever shows it on a terminal or in a log escapes it. */
export const text = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .refine(({ length }) => length <= max, `must be at most ${max} characters`);

/** One line of text: as above, and no control or bidirectional characters. */
export const line = (max: number) => text(max).refine(isPrintable, 'holds control or bidirectional characters');

/** Absent, null (how Go reporters say absent), or what the schema takes. */
export const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? null);

type Refused = 'invalid_report' | 'invalid_request';

/** A body is one level deeper than the evidence in it. */
const BODY_DEPTH = MAX_DEPTH + 1;

/** Whether a parsed JSON body is an object within the bounds that hold for all of them. */
export function isShapeable(body: unknown): body is Record<string, unknown> {
  return isObject(body) && faultOf(body, BODY_DEPTH) === null;
}

/**
 * A parsed JSON body by its schema, after the bounds that hold for all of them.
 * @throws RecorderError `code` with the pointer and the fault of each field that is wrong (at most 20).
 */
export function parseShape<T extends z.ZodObject>(schema: T, body: unknown, code: Refused): z.infer<T> {
  if (!isObject(body)) {
    throw new RecorderError(code, 'the body must be one JSON object', { errors: [{ pointer: '', detail: 'must be an object' }] });
  }
  const broken = faultOf(body, BODY_DEPTH);
  if (broken) throw refusal(code, [broken]);
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const fields = Object.keys(schema.shape);
  throw refusal(code, parsed.error.issues.flatMap((issue) => faultsOf(issue, fields)).slice(0, 20));
}

function refusal(code: Refused, errors: Fault[]): RecorderError {
  const message = errors.map(({ pointer, detail }) => `${pointer === '' ? 'the body' : pointer.slice(1)} ${detail}`).join('; ');
  return new RecorderError(code, message, { errors });
}

function faultsOf(issue: z.core.$ZodIssue, fields: readonly string[]): Fault[] {
  const pointer = issue.path.map((step) => `/${escapePointer(String(step))}`).join('');
  if (issue.code !== 'unrecognized_keys') return [{ pointer, detail: explain(issue) }];
  return issue.keys.slice(0, 20).map((key) => ({
    pointer: `${pointer}/${escapePointer(key)}`,
    detail: `is not a known field${pointer === '' ? didYouMean(key, fields) : ''}`,
  }));
}

/** What was expected, in words that never quote the input. */
export function explain(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? 'is required' : `must be ${article(issue.expected)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${UNITS[issue.origin] ?? ''}`;
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty';
      return `must be at least ${issue.minimum}${UNITS[issue.origin] ?? ''}`;
    case 'invalid_value':
      return issue.values.length === 1 ? `must be ${JSON.stringify(issue.values[0])}` : `must be ${oneOf(issue.values.map(String))}`;
    case 'invalid_union':
      return explainUnion(issue);
    case 'invalid_format':
      if (issue.format === 'regex') return issue.message;
      return FORMATS[issue.format] ?? `must be a ${issue.format}`;
    case 'invalid_key':
      return issue.issues[0] ? explain(issue.issues[0]) : issue.message;
    default:
      return issue.message;
  }
}

/** A union of words is told as one list of words. */
function explainUnion(issue: z.core.$ZodIssueInvalidUnion): string {
  const values = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_value' ? inner.values.map(String) : []));
  if (values.length > 0) return `must be ${oneOf(values.filter((value) => value !== ''))}`;
  const [first] = issue.errors.flat();
  return first ? explain(first) : issue.message;
}

function oneOf(words: readonly string[]): string {
  return words.length === 1 ? `"${words[0]}"` : `one of ${words.join(', ')}`;
}

function article(type: string): string {
  return `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type === 'record' ? 'mapping' : type}`;
}

const UNITS: Record<string, string> = { string: ' characters', array: ' items' };
const FORMATS: Record<string, string> = { datetime: 'must be an ISO 8601 instant with its offset, such as 2026-03-13T08:15:30Z' };
