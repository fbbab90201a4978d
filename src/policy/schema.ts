// The policy file as it is written: every key it may have, and what each may hold.

import { z } from 'zod';
import { ACTION_NAMES } from '../incident/actions.ts';
import { SEVERITIES } from '../incident/vocabulary.ts';
import { DEFAULT_MAX_HOLDS } from './policy.ts';

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_DURATION_MS = 366 * 86_400_000;

/** `30s`, `5m`, `4h`: in milliseconds. */
const Duration = z
  .string()
  .regex(/^[1-9]\d{0,8}(ms|s|m|h|d)$/, 'must be a duration such as 30s, 5m or 4h')
  .transform((text) => Number.parseInt(text, 10) * (UNIT_MS[text.replace(/^\d+/, '')] ?? 0))
  .refine((ms) => ms <= MAX_DURATION_MS, 'must be at most 366d');

const Severity = z.enum(SEVERITIES);
const Count = z.int().min(1).max(1_000_000);

/** What makes two reports the same problem when the reporter gave no dedup_key; the class always does. */
const DEDUPE_FIELDS = ['source', 'subject', 'description', 'trace_id', 'reported_by'] as const;
const EVIDENCE_PATH = /^evidence\.[^.]+$/;
const DedupeField = z.string().refine((field) => (DEDUPE_FIELDS as readonly string[]).includes(field) || EVIDENCE_PATH.test(field), {
  message: `must be one of ${DEDUPE_FIELDS.join(', ')} or evidence.<key>`,
});

const Rule = z.strictObject({
  auto_contain: z.boolean().default(false),
  actions: z.array(z.enum(ACTION_NAMES)).max(16).default([]),
  default_severity: Severity.exactOptional(),
  min_severity: Severity.exactOptional(),
  dedupe: z.strictObject({ by: z.array(DedupeField).min(1).max(8), window: Duration }).exactOptional(),
  escalate: z.strictObject({ count: Count.min(2).max(1000), window: Duration, to: Severity }).exactOptional(),
  max_holds: Count.default(DEFAULT_MAX_HOLDS),
});

const CLASS_NAME = /^[a-z][a-z0-9_]{0,127}$/;

/** Webhooks of the original. They are checked here; what is delivered to them is not this version's to do, and start says so. */
const Alerting = z.strictObject({
  webhooks: z
    .array(
      z.strictObject({
        url: z.url({ protocol: /^https?$/ }),
        events: z.array(z.enum(['containment', 'escalation', 'recovery'])).default([]),
      }),
    )
    .max(16)
    .nullish()
    .transform((webhooks) => webhooks ?? []),
});

export const PolicyFile = z.strictObject({
  version: z.literal(1),
  mode: z.enum(['enforce', 'observe']).default('enforce'),
  without_actuator: z.enum(['recorded', 'never']).default('recorded'),
  rules: z.record(z.string(), Rule),
  classes: z
    .record(z.string().regex(CLASS_NAME, 'must be lower-case words joined by _'), z.strictObject({ default_severity: Severity }))
    .default({}),
  self: z.strictObject({ integrity_violation: z.enum(['observe', 'enforce']).default('observe') }).prefault({}),
  alerting: Alerting.prefault({}),
});
export type PolicyFile = z.infer<typeof PolicyFile>;

/** Every key of the language, for the nearest word to a mistyped one. */
export const POLICY_KEYS = [
  ...Object.keys(PolicyFile.shape),
  ...Object.keys(Rule.shape),
  ...['by', 'window', 'count', 'to', 'webhooks', 'url', 'events', 'integrity_violation'],
];
