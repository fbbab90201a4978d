// The policy file as it is written: every key it may have, and what each may hold by itself.

import { z } from 'zod';
import { ACTION_NAMES } from '../incident/actions.ts';
import { ACTUATOR_NAME } from '../incident/command.ts';
import type { Gate } from '../incident/incident.ts';
import type { Json } from '../incident/report.ts';
import { SEVERITIES } from '../incident/vocabulary.ts';
import { faultOf } from '../input/bounds.ts';
import { isPrintable } from '../input/text.ts';
import { parseCondition } from './condition.ts';
import { DURATION, MAX_DURATION, parseDuration } from './duration.ts';
import { type Condition as Asked, DEFAULT_MAX_HOLDS } from './policy.ts';

/** In milliseconds. */
const Duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== null && ms <= (parseDuration(MAX_DURATION) ?? 0)) return ms;
  context.addIssue({ code: 'custom', message: ms === null ? DURATION : `must be at most ${MAX_DURATION}` });
  return z.NEVER;
});

const Severity = z.enum(SEVERITIES);
const GATES = ['acknowledged', 'attested'] as const satisfies readonly Gate[];
const Count = z.int().min(1).max(1_000_000);

/** What makes two reports the same problem when the reporter gave no dedup_key; the class always does. */
const DEDUPE_FIELDS = ['source', 'subject', 'description', 'trace_id', 'reported_by'] as const;
const EVIDENCE_PATH = /^evidence\.[^.]+$/;
const DedupeField = z.string().refine((field) => (DEDUPE_FIELDS as readonly string[]).includes(field) || EVIDENCE_PATH.test(field), {
  message: `must be one of ${DEDUPE_FIELDS.join(', ')} or evidence.<key>`,
});

const Condition = z.string().transform((text, context): Asked => {
  const read = parseCondition(text);
  if (!('fault' in read)) return read;
  context.addIssue({ code: 'custom', message: read.fault });
  return z.NEVER;
});

/** One schema for what `isThis`, another for all else: a fault is told of the one that was meant, which a union would not know. */
function eitherOf<A extends z.ZodType, B extends z.ZodType>(isThis: (given: unknown) => boolean, one: A, other: B) {
  return z.unknown().transform((given, context): z.output<A> | z.output<B> => {
    const parsed = (isThis(given) ? one : other).safeParse(given);
    if (parsed.success) return parsed.data;
    context.issues.push(...(parsed.error.issues as z.core.$ZodRawIssue[]));
    return z.NEVER;
  });
}

const isText = (given: unknown) => typeof given === 'string';
const ActionWord = z.enum(ACTION_NAMES);

/** One duration, or a ladder of them. */
const Ttl = eitherOf(Array.isArray, z.array(Duration).min(1).max(8), Duration).transform((ttl) => [ttl].flat());

const Action = z.strictObject({
  action: ActionWord,
  target: z
    .string()
    .refine((path) => path === 'subject' || EVIDENCE_PATH.test(path), 'must be subject or evidence.<key>')
    .exactOptional(),
  params: z.record(z.string(), z.unknown()).exactOptional(),
  ttl: Ttl.exactOptional(),
  if: Condition.exactOptional(),
  approve: Condition.exactOptional(),
});
export type WrittenAction = z.infer<typeof Action>;

/** A word alone is the action of that name, and nothing more is said of it. */
const ActionEntry = eitherOf(
  isText,
  ActionWord.transform((action): WrittenAction => ({ action })),
  Action,
);

const Rule = z.strictObject({
  auto_contain: z.boolean().default(false),
  actions: z.array(ActionEntry).max(16).default([]),
  default_severity: Severity.exactOptional(),
  min_severity: Severity.exactOptional(),
  dedupe: z.strictObject({ by: z.array(DedupeField).min(1).max(8), window: Duration }).exactOptional(),
  escalate: z.strictObject({ count: Count.min(2).max(1000), window: Duration, to: Severity }).exactOptional(),
  cooldown: Duration.exactOptional(),
  max_holds: Count.default(DEFAULT_MAX_HOLDS),
  release: z.strictObject({ gate: z.array(z.enum(GATES)).min(1).max(GATES.length) }).exactOptional(),
});
export type WrittenRule = z.infer<typeof Rule>;

const Protection = z.strictObject({
  actions: z.array(ActionWord).min(1).max(16),
  targets: z
    .array(
      z
        .string()
        .refine(
          (target) => target.trim() === target && target !== '' && isPrintable(target) && target.length <= 4096,
          'must be an address, a network or a name',
        ),
    )
    .min(1)
    .max(1024),
  allow: z.literal('with_approval').exactOptional(),
});

/** A file in SECRETS_DIR, never a path that leads out of it. */
const SecretName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, 'must be one bare file name in SECRETS_DIR: letters, digits and . _ -');

const Expected = z
  .record(z.string(), z.unknown())
  .refine((expect) => Object.keys(expect).length > 0, 'must name at least one field')
  .refine((expect) => faultOf(expect, 8) === null, 'must be plain data: at most 8 levels, numbers up to 2^53−1')
  .transform((expect) => expect as Record<string, Json>);

const Verify = z.strictObject({
  get: z
    .string()
    .regex(/^\/[\x21-\x22\x24-\x5b\x5d-\x7e]{0,1023}$/, 'must be a path such as /api/v1/state, in visible ASCII and without a fragment')
    .exactOptional(),
  expect: Expected.exactOptional(),
  every: Duration,
});

const Actuator = z.strictObject({
  actions: z.array(ActionWord).min(1).max(16),
  push: z.string().exactOptional(),
  pull: z.literal(true).exactOptional(),
  heartbeat: Duration.exactOptional(),
  dialect: z.enum(['standard', 'secai']).default('standard'),
  secret: SecretName.exactOptional(),
  token: SecretName.exactOptional(),
  deadline: Duration.exactOptional(),
  verify: Verify.exactOptional(),
  allow_remote: z.boolean().default(false),
});
export type WrittenActuator = z.infer<typeof Actuator>;

const CLASS_NAME = /^[a-z][a-z0-9_]{0,127}$/;

const isWithoutUser = ({ username, password }: URL) => username === '' && password === '';

const Webhook = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).refine((url) => !URL.canParse(url) || isWithoutUser(new URL(url)), 'must have no user or password'),
  events: z.array(z.enum(['containment', 'escalation', 'recovery'])).default([]),
  format: z.enum(['original', 'slack', 'discord']).default('original'),
  secret: SecretName.exactOptional(),
});

const Alerting = z.strictObject({
  webhooks: z
    .array(Webhook)
    .max(16)
    .nullish()
    .transform((webhooks) => webhooks ?? []),
});

export const PolicyFile = z.strictObject({
  version: z.literal(1),
  mode: z.enum(['enforce', 'observe', 'approve']).default('enforce'),
  contained_when: z.enum(['accepted', 'enforced', 'verified']).default('enforced'),
  without_actuator: z.enum(['recorded', 'never']).default('recorded'),
  rules: z.record(z.string(), Rule),
  protect: z.array(Protection).max(256).default([]),
  actuators: z
    .record(z.string().regex(ACTUATOR_NAME, 'must be lower-case letters, digits, _ and - (at most 64)'), Actuator)
    .refine((actuators) => Object.keys(actuators).length <= 32, 'must be at most 32')
    .default({}),
  approvals: z
    .strictObject({ timeout: Duration.prefault('1h'), on_timeout: z.enum(['reject', 'escalate']).default('escalate') })
    .prefault({}),
  classes: z
    .record(z.string().regex(CLASS_NAME, 'must be lower-case words joined by _'), z.strictObject({ default_severity: Severity }))
    .default({}),
  self: z.strictObject({ integrity_violation: z.enum(['observe', 'enforce']).default('observe') }).prefault({}),
  alerting: Alerting.prefault({}),
});
export type PolicyFile = z.infer<typeof PolicyFile>;

const ALERTING_KEYS = ['webhooks', ...Object.keys(Webhook.shape)];

/** Every key of the language, for the nearest word to a mistyped one. */
export const POLICY_KEYS = [
  ...[PolicyFile, Rule, Action, Protection, Actuator, Verify].flatMap(({ shape }) => Object.keys(shape)),
  ...['by', 'window', 'count', 'to', 'gate', 'timeout', 'on_timeout', 'integrity_violation'],
  ...ALERTING_KEYS,
];
