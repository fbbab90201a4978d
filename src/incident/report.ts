// A report: what a service says it found.

import { z } from 'zod';
import { isObject } from '../input/bounds.ts';
import { line, optional, text } from '../input/shape.ts';
import { SEVERITIES } from './vocabulary.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Any JSON object within the bounds, which are walked before the schema is asked. */
export type Evidence = Record<string, Json>;
export const Evidence = z.custom<Evidence>(isObject, 'must be an object');

const TechniqueIds = z.array(line(64)).max(32).nullish();

export const Report = z.strictObject({
  class: line(128),
  source: line(128),
  description: text(4096),
  /** Wins over the class's default; `""` means none, as the original's reporters write it. */
  severity: optional(z.enum(SEVERITIES).or(z.literal('').transform(() => null))),
  evidence: optional(Evidence),
  subject: optional(z.strictObject({ type: line(64), id: line(255) })),
  /** The same problem: joins an incident of this source, class and key that is not resolved. */
  dedup_key: optional(line(255)),
  confidence: optional(z.number().min(0).max(1)),
  /** When it happened by the reporter's clock; kept in UTC with milliseconds. */
  occurred_at: optional(
    z.iso
      .datetime({ offset: true })
      .transform((instant) => new Date(instant).toISOString())
      .refine((instant) => /^\d{4}-/.test(instant), 'must be within the years 0000 to 9999 of UTC'),
  ),
  trace_id: optional(line(128)),
  /** Technique ids of MITRE ATLAS, the OWASP top ten for LLMs, and MITRE ATT&CK. */
  attack: optional(z.strictObject({ atlas: TechniqueIds, owasp_llm: TechniqueIds, mitre: TechniqueIds })),
});
export type Report = z.infer<typeof Report>;
