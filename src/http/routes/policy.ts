// POST /api/v1/policy/check, /explain and /replay: a policy tried out before it is put in force. Nothing is changed by it, and nothing recorded.

import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import { RecorderError } from '../../errors.ts';
import type { Report } from '../../incident/report.ts';
import { parseReport } from '../../incident/report-reading.ts';
import { isObject } from '../../input/bounds.ts';
import { optional, parseShape } from '../../input/shape.ts';
import { isStorable } from '../../input/text.ts';
import { explain } from '../../policy/explain.ts';
import { wordsOf } from '../../policy/explain-words.ts';
import { parsePolicy } from '../../policy/load.ts';
import type { Actuator, Policy } from '../../policy/policy.ts';
import { warningsOf } from '../../policy/warnings.ts';
import type { Store } from '../../store/store.ts';
import { parseJson } from '../body.ts';
import type { KnownCall, Route } from '../guard.ts';
import { type Reply, json } from '../reply.ts';
import { replayRecent } from '../trial.ts';

export interface PolicyRouteParts {
  store: Pick<Store, 'records'>;
  /** In force. */
  policy: () => Policy;
  /** Those of the environment, which are used where a policy names none. */
  actuators: readonly Actuator[];
}

const CheckBody = z.strictObject({ policy: z.string() });
const ExplainBody = z.strictObject({
  report: z.looseObject({}),
  policy: optional(z.string()),
  occurrences: optional(z.int().min(1).max(1_000_000_000)),
  escalating: optional(z.boolean()),
});

export function policyRoutes({ store, policy, actuators }: PolicyRouteParts): Route[] {
  let isBusy = false;

  /** Reading a policy, and the history by it, takes the time of everybody else: one at a time, and only after they had their turn. */
  async function takeTurn(): Promise<Disposable> {
    if (isBusy) throw new RecorderError('rate_limited', 'a policy is being tried out already', { retry_after: 1 });
    isBusy = true;
    await setImmediate();
    return { [Symbol.dispose]: () => void (isBusy = false) };
  }

  /** Its secrets are never opened. */
  const read = (text: string) => parsePolicy('policy', text, actuators);

  async function check({ body }: KnownCall): Promise<Reply> {
    const { text } = parseLarge(CheckBody, body);
    using _turn = await takeTurn();
    try {
      const candidate = read(String(text));
      const { sha256, mode, rules } = candidate;
      return json({ ok: true, sha256, mode, rules: rules.size, warnings: warningsOf(candidate) });
    } catch (error) {
      if (!(error instanceof RecorderError) || error.code !== 'invalid_configuration') throw error;
      return json({ ok: false, errors: error.details.errors ?? [{ pointer: '', detail: error.message }] });
    }
  }

  async function explainOne({ body, token }: KnownCall): Promise<Reply> {
    const { text, value, report } = parseLarge(ExplainBody, body);
    const asked = reportIn(report);
    const given = { escalating: value.escalating ?? false, occurrences: value.occurrences ?? 1, reported_by: token.name };
    const by = text === null ? policy() : await readInTurn(text);
    const explained = explain(by, asked, given);
    return json({ ...explained, told: wordsOf(explained) });
  }

  async function readInTurn(text: string): Promise<Policy> {
    using _turn = await takeTurn();
    return read(text);
  }

  async function replay({ body, outgoing }: KnownCall): Promise<Reply> {
    const { text } = parseLarge(CheckBody, body);
    using _turn = await takeTurn();
    return json(await replayRecent(store.records, read(String(text)), () => outgoing.destroyed));
  }

  return [
    { method: 'POST', path: '/api/v1/policy/check', for: 'operate', handle: check },
    { method: 'POST', path: '/api/v1/policy/explain', for: 'operate', handle: explainOne },
    { method: 'POST', path: '/api/v1/policy/replay', for: 'operate', handle: replay },
  ];
}

/**
 * A body of which the policy may be longer than any other text, and the report deeper: the rest is held to its schema and to the bounds of
 * every body, the report to its own.
 * @throws RecorderError "malformed_body", "invalid_request"
 */
function parseLarge<T extends z.ZodObject>(schema: T, bytes: Buffer): { value: z.infer<T>; text: string | null; report: unknown } {
  const body = parseJson(bytes);
  if (!isObject(body)) return { value: parseShape(schema, body, 'invalid_request'), text: null, report: null };
  const { policy = null, report = null } = body;
  const isText = typeof policy === 'string';
  const light = { ...body, ...(isText && { policy: '' }), ...(isObject(report) && { report: {} }) };
  const value = parseShape(schema, light, 'invalid_request');
  if (isText && !isStorable(policy)) throw refusal('/policy', 'holds NUL or a lone surrogate, which no file can hold');
  return { value, text: isText ? policy : null, report };
}

function refusal(pointer: string, detail: string): RecorderError {
  return new RecorderError('invalid_request', `${pointer.slice(1)} ${detail}`, { errors: [{ pointer, detail }] });
}

/** @throws RecorderError "invalid_request" for what would be refused as a report, each fault with its place in this body */
function reportIn(report: unknown): Report {
  try {
    return parseReport(report);
  } catch (error) {
    if (!(error instanceof RecorderError)) throw error;
    const errors = (error.details.errors ?? []).map(({ pointer, detail }) => ({ pointer: `/report${pointer}`, detail }));
    throw new RecorderError('invalid_request', `the report would be refused: ${error.message}`, { errors });
  }
}
