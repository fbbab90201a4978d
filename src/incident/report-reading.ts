// Reading a report: what is plainly good without the schema, which takes it too and makes the same of it; all else by the schema.

import { isObject } from '../input/bounds.ts';
import { isShapeable, parseShape } from '../input/shape.ts';
import { isPrintable } from '../input/text.ts';
import { type Evidence, Report } from './report.ts';
import { SEVERITIES } from './vocabulary.ts';

const FIELDS: ReadonlySet<string> = new Set([
  ...['class', 'source', 'description', 'severity', 'evidence', 'subject'],
  ...['dedup_key', 'confidence', 'occurred_at', 'trace_id', 'attack'],
]);

/** @throws RecorderError "invalid_report" with a fault for each field that is wrong, or for the first bound that is broken. */
export function parseReport(body: unknown): Report {
  const plain = isShapeable(body) ? plainReport(body) : null;
  return plain ?? parseShape(Report, body, 'invalid_report');
}

/**
 * Null for whatever is not plainly good, and for what few reports have (`occurred_at`, `attack`): the schema is asked then, and finds the
 * words for what is wrong.
 * @param body within the bounds that hold for all JSON from outside
 */
export function plainReport(body: Record<string, unknown>): Report | null {
  for (const field of Object.keys(body)) if (!FIELDS.has(field)) return null;
  const { confidence = null, occurred_at = null, attack = null } = body;
  const className = line(body['class'], 128);
  const source = line(body['source'], 128);
  const description = text(body['description'], 4096);
  const severity = severityIn(body['severity']);
  const evidence = body['evidence'] ?? null;
  const subject = subjectIn(body['subject']);
  const dedup_key = optionalLine(body['dedup_key'], 255);
  const trace_id = optionalLine(body['trace_id'], 128);
  if (className === undefined || source === undefined || description === undefined || severity === undefined) return null;
  if (evidence !== null && !isObject(evidence)) return null;
  if (subject === undefined || dedup_key === undefined || trace_id === undefined) return null;
  if (confidence !== null && !(typeof confidence === 'number' && confidence >= 0 && confidence <= 1)) return null;
  if (occurred_at !== null || attack !== null) return null;
  // The order of the fields is the order in which they are sealed.
  return {
    class: className,
    source,
    description,
    severity,
    evidence: evidence as Evidence | null,
    subject,
    dedup_key,
    confidence,
    occurred_at,
    trace_id,
    attack,
  };
}

/** Undefined is not plainly good, here and below. */
function text(value: unknown, max: number): string | undefined {
  if (typeof value !== 'string') return undefined;
  const trimmed = value.trim();
  return trimmed !== '' && trimmed.length <= max ? trimmed : undefined;
}

function line(value: unknown, max: number): string | undefined {
  const trimmed = text(value, max);
  return trimmed !== undefined && isPrintable(trimmed) ? trimmed : undefined;
}

function optionalLine(value: unknown, max: number): string | null | undefined {
  return value === undefined || value === null ? null : line(value, max);
}

function severityIn(value: unknown): Report['severity'] | undefined {
  return value === undefined || value === null || value === '' ? null : SEVERITIES.find((severity) => severity === value);
}

function subjectIn(value: unknown): Report['subject'] | undefined {
  if (value === undefined || value === null) return null;
  if (!isObject(value) || Object.keys(value).length !== 2) return undefined;
  const type = line(value['type'], 64);
  const id = line(value['id'], 255);
  return type === undefined || id === undefined ? undefined : { type, id };
}
