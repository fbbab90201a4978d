// `policy explain`: what a policy would decide about one report, and why.

import { readFileSync } from 'node:fs';
import { RecorderError } from '../errors.ts';
import type { Report } from '../incident/report.ts';
import { parseReport } from '../incident/report-reading.ts';
import { readSmallFile } from '../input/file.ts';
import { explain } from '../policy/explain.ts';
import { wordsOf } from '../policy/explain-words.ts';
import { wholeNumberGiven } from './given.ts';
import { EXIT, print } from './output.ts';
import { policyGiven } from './policy-check.ts';

export interface ExplainOptions {
  /** A file with the JSON of a report; `-` = stdin. */
  readonly report: string;
  /** Of its incident, this report included. */
  readonly occurrences?: string;
  readonly escalating: boolean;
  readonly json: boolean;
}

/** As much as the service takes. */
const MAX_REPORT_BYTES = 64 * 1024;

/** @returns 0 explained, whatever is decided */
export function explainPolicy(file: string, { report, occurrences, escalating, json }: ExplainOptions): number {
  const given = {
    escalating,
    occurrences: occurrences === undefined ? 1 : wholeNumberGiven('--occurrences', occurrences),
    reported_by: null,
  };
  const explained = explain(policyGiven(file), reportGiven(report), given);
  if (json) print(JSON.stringify(explained));
  else wordsOf(explained).forEach(print);
  return EXIT.ok;
}

/** @throws RecorderError "not_found", or "invalid_parameter" for what the service would not take */
function reportGiven(file: string): Report {
  const text = file === '-' ? readFileSync(0, 'utf8') : readSmallFile(file, MAX_REPORT_BYTES)?.text;
  if (text === undefined) throw new RecorderError('not_found', `${file}: there is no such file`);
  if (Buffer.byteLength(text) > MAX_REPORT_BYTES) throw refusal(file, `is longer than ${MAX_REPORT_BYTES} bytes`);
  try {
    return parseReport(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) throw refusal(file, 'is not exactly one JSON value');
    throw error instanceof RecorderError ? refusal(file, `is no report: ${error.message}`) : error;
  }
}

function refusal(file: string, why: string): RecorderError {
  return new RecorderError('invalid_parameter', `--report ${file} ${why}`);
}
