// What makes two reports the same problem. Pure.

import { createHash } from 'node:crypto';
import type { Report } from '../incident/report.ts';
import type { Policy } from './policy.ts';

export interface Problem {
  /** Equal for equal problems, whatever their fields hold. */
  readonly key: string;
  /** How long after the last report a new one still joins; null = until it is resolved. */
  readonly window_ms: number | null;
}

/** The reporter's dedup_key within its source and class; without one what the rule's `dedupe` says; null = always a new incident. */
export function problemOf(policy: Policy, report: Report, reportedBy: string): Problem | null {
  if (report.dedup_key !== null) {
    return { key: digest(['key', report.source, report.class, report.dedup_key]), window_ms: null };
  }
  const dedupe = policy.rules.get(report.class)?.dedupe;
  if (!dedupe) return null;
  const values = dedupe.by.map((field) => [field, valueOf(field, report, reportedBy)]);
  return { key: digest(['by', report.class, values]), window_ms: dedupe.window_ms };
}

function valueOf(field: string, report: Report, reportedBy: string): unknown {
  switch (field) {
    case 'reported_by':
      return reportedBy;
    case 'subject':
      return report.subject && [report.subject.type, report.subject.id];
    case 'source':
    case 'description':
    case 'trace_id':
      return report[field];
    default:
      return ownValue(report.evidence ?? {}, field.slice('evidence.'.length));
  }
}

/** What the reporter sent under this name, never what every object has. */
function ownValue(evidence: NonNullable<Report['evidence']>, name: string): unknown {
  return Object.hasOwn(evidence, name) ? evidence[name] : null;
}

function digest(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 32);
}
