// POST /api/v1/incidents/report and /reports: what reporters send, one by one or as lines.

import { type Token, covers } from '../../access/token.ts';
import { RecorderError } from '../../errors.ts';
import type { Report } from '../../incident/report.ts';
import { parseReport } from '../../incident/report-reading.ts';
import { OWN_SOURCE } from '../../incident/vocabulary.ts';
import { didYouMean } from '../../input/text.ts';
import type { Policy } from '../../policy/policy.ts';
import { callerOf } from '../../recorder/caller.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import type { Refusals } from '../../recorder/refusals.ts';
import { askedBy } from '../asking.ts';
import { MAX_BODY_BYTES, announced, parseJson, tooLarge } from '../body.ts';
import type { KnownCall, Route } from '../guard.ts';
import { traceIdOf } from '../headers.ts';
import { linesOf } from '../lines.ts';
import { type AwaitOutcome, isContainmentOver, patienceOf } from '../outcome.ts';
import type { Pace } from '../pace.ts';
import { SECURITY_HEADERS, refusalFor } from '../problem.ts';
import { type Reply, NDJSON, incidentReply, raw } from '../reply.ts';
import { sendAndDrain } from '../send.ts';

const MAX_BATCH_BYTES = 1024 * 1024;
const MAX_LINES = 1000;

export interface ReportParts {
  recorder: Pick<Recorder, 'report'>;
  policy: () => Policy;
  pace: Pace;
  refusals: Pick<Refusals, 'denied'>;
  awaitOutcome: AwaitOutcome;
  /** How long the answer to a report waits for its containment, where the reporter says nothing of it. Milliseconds. */
  wait_ms: number;
}

export function reportRoutes({ recorder, policy, pace, refusals, awaitOutcome, wait_ms }: ReportParts): Route[] {
  /** @throws RecorderError "malformed_body", "invalid_report", "forbidden" */
  function read(bytes: Buffer, token: Token): Report {
    const report = parseReport(parseJson(bytes));
    const { classes } = policy();
    if (!classes.has(report.class)) {
      const detail = `is not a known class${didYouMean(report.class, classes.keys())}`;
      throw new RecorderError('invalid_report', `class ${detail}`, { errors: [{ pointer: '/class', detail }] });
    }
    if (report.source !== OWN_SOURCE && covers(token, report.source, report.class)) return report;
    refusals.denied('source or class');
    throw new RecorderError('forbidden', `the token ${token.name} may not report this source or class`);
  }

  async function one(call: KnownCall): Promise<Reply> {
    const { incoming, body, token } = call;
    const patience = patienceOf(call, wait_ms);
    const { caller, mark } = askedBy(call);
    const report = read(body, token);
    const traced = report.trace_id === null ? { ...report, trace_id: traceIdOf(incoming.headers) } : report;
    const done = await recorder.report(traced, caller, mark);
    const { kept, headers } = await awaitOutcome(call, done, patience, isContainmentOver);
    const { how, receipt } = done;
    return incidentReply(kept, { receipt, replayed: how === 'replayed', status: how === 'new' ? 201 : 200, headers });
  }

  /** The answer to one line of a batch, whatever comes of it: a bad one spoils only itself. None for an empty line. */
  async function oneOf(line: number, bytes: Buffer | null, token: Token): Promise<string> {
    if (bytes?.length === 0) return '';
    try {
      if (line > MAX_LINES)
        throw new RecorderError('body_too_large', `a batch has at most ${MAX_LINES} lines; this one and what follows was not taken`);
      if (bytes === null)
        throw new RecorderError('body_too_large', `a line has at most ${MAX_BODY_BYTES} bytes and a batch ${MAX_BATCH_BYTES}`);
      pace(token);
      const { how, incident, receipt } = await recorder.report(read(bytes, token), callerOf(token), null);
      return JSON.stringify({ line, status: how === 'new' ? 201 : 200, id: incident.id, audit: receipt });
    } catch (error) {
      return `{"line":${line},${refusalFor(error).body.slice(1)}`;
    }
  }

  async function many({ incoming, outgoing, token }: KnownCall): Promise<Reply> {
    if (announced(incoming) > MAX_BATCH_BYTES) throw tooLarge(MAX_BATCH_BYTES);
    if (incoming.headers['idempotency-key'] !== undefined) {
      throw new RecorderError('invalid_parameter', 'a batch takes no Idempotency-Key; give its reports a dedup_key');
    }
    const answers: string[] = [];
    let seen = 0;
    for await (const lines of linesOf(incoming, { maxBytes: MAX_BATCH_BYTES, maxLineBytes: MAX_BODY_BYTES })) {
      const first = seen + 1;
      seen += lines.length;
      const taken = lines.slice(0, MAX_LINES + 2 - first).map(async (bytes, i) => oneOf(first + i, bytes, token));
      answers.push(...(await Promise.all(taken)));
      if (seen > MAX_LINES) break;
    }
    const body = answers
      .filter((answer) => answer !== '')
      .map((answer) => `${answer}\n`)
      .join('');
    if (incoming.readableEnded) return raw(body, 200, { 'content-type': NDJSON });
    return sendAndDrain(incoming, outgoing, { status: 200, headers: { ...SECURITY_HEADERS, 'content-type': NDJSON }, body });
  }

  return [
    { method: 'POST', path: '/api/v1/incidents/report', for: 'report', handle: one },
    { method: 'POST', path: '/api/v1/incidents/reports', for: 'report', streams: NDJSON, handle: many },
  ];
}
