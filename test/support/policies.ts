// Policies and reports for tests of what is judged, written as a person would write them.

import type { Report } from '../../src/incident/report.ts';
import { parseReport } from '../../src/incident/report-reading.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { aReport } from './house.ts';

/** The policy of a file, without its version. */
export function policyOf(text: string): Policy {
  return parsePolicy('policy.yaml', `version: 1\n${text}\n`);
}

/** A report as it is judged: read, so with every field. */
export function reportOf(more: Record<string, unknown> = {}): Report {
  return parseReport(aReport(more));
}
