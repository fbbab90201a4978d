// What a list of incidents can be narrowed by, and where a page of it ends.

import type { Severity, State } from './vocabulary.ts';

export interface Filter {
  /** null = any; else one of these. A class that nobody knows matches nothing. */
  readonly class: readonly string[] | null;
  readonly state: readonly State[] | null;
  readonly severity: readonly Severity[] | null;
  readonly source: readonly string[] | null;
  /** Created at or after; before. ISO 8601 UTC with milliseconds. */
  readonly since: string | null;
  readonly until: string | null;
  /** Part of the description, whatever its case (of ASCII letters). */
  readonly q: string | null;
  /** Only what this token reported. */
  readonly reported_by: string | null;
}

/** After this incident: lower rank, or the same rank and an older seq. */
export interface Position {
  readonly rank: number;
  readonly before: number;
}
