// `audit verify`: a log checked from its bytes alone, without the service or its store, and against what somebody holds of it.

import { existsSync } from 'node:fs';
import { type Finding, type Receipt, createTrial } from '../audit/held.ts';
import type { Verdict } from '../audit/verify.ts';
import { RecorderError } from '../errors.ts';
import { filesGiven, keyGiven, notesGiven } from './given.ts';
import { EXIT, print } from './output.ts';
import { readThrough } from './survey.ts';

export interface VerifyOptions {
  readonly receipt: readonly string[];
  /** Files of signed checkpoints; with a key the one that is published beside the log is held against it too. */
  readonly checkpoint: readonly string[];
  /** Verifier keys, or files that hold one. */
  readonly pubkey: readonly string[];
  /** A database that must hold what the log tells. */
  readonly db?: string;
  readonly json: boolean;
}

interface Answer extends Verdict {
  readonly findings: readonly Finding[];
}

/**
 * @param given the log, or its files, oldest first
 * @returns 0 sound · 3 tampered with · 4 sound but for a torn last line
 */
export async function verify(given: readonly string[], { receipt, checkpoint, pubkey, db, json }: VerifyOptions): Promise<number> {
  const files = filesGiven(given);
  const keys = pubkey.map(keyGiven);
  const trial = createTrial({ receipts: receipt.map(parseReceipt), checkpoints: notesGiven(checkpoint, files, keys.length > 0), keys });
  const verdict = await readThrough(files, 'verifying', trial);
  const stored = db === undefined || verdict.fault ? [] : await compared(files, db);
  const answer: Answer = { ...verdict, findings: [...trial.findings(verdict.first, verdict.last), ...stored] };
  const code = codeOf(answer);
  if (json) print(JSON.stringify({ verdict: WORDS[code], ...answer }));
  else tell(answer).forEach(print);
  return code;
}

const WORDS: Record<number, string> = { [EXIT.ok]: 'sound', [EXIT.found]: 'tampered', [EXIT.torn]: 'torn' };

function codeOf({ fault, findings, torn }: Answer): number {
  if (fault || findings.some(({ ok }) => !ok)) return EXIT.found;
  return torn > 0 ? EXIT.torn : EXIT.ok;
}

function tell({ first, last, hash, fault, soundAfter, torn, findings }: Answer): string[] {
  const sound = last < first ? 'no record is sound' : `records ${first} to ${last} are sound; the last has hash ${hash}`;
  return [
    ...(fault ? [`TAMPERED: record ${fault.seq}, at byte ${fault.offset} of ${fault.file}, ${fault.reason}`] : []),
    sound,
    ...(fault ? [`after it ${soundAfter} records are sound in themselves`] : []),
    ...findings.map(({ ok, text }) => `${ok ? '' : 'TAMPERED: '}${text}`),
    ...(torn > 0 ? [`the last line is torn: ${torn} bytes without an end, as a crash leaves them`] : []),
  ];
}

/** Whether a database holds what the log tells: it is told again, and compared field by field. */
async function compared(files: readonly string[], database: string): Promise<Finding[]> {
  if (!existsSync(database)) throw new RecorderError('not_found', `${database}: there is no such database`);
  const { compareWithLog } = await import('../ledger/compare.ts');
  const differences = await compareWithLog(files, database);
  if (differences.length === 0) return [{ held: 'store', ok: true, text: `${database} holds what the log tells` }];
  return differences.map(({ table, key, field, a, b }) => ({
    ...{ held: 'store', ok: false },
    text: `${database}: ${[table, key, field].filter((part) => part !== null).join(' ')} is ${a ?? 'missing'}; by the log it is ${b ?? 'not there'}`,
  }));
}

function parseReceipt(text: string): Receipt {
  const [, seq, hash] = /^([1-9]\d{0,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new RecorderError('invalid_parameter', `${text} is not a receipt; give <seq>:<64 hex digits>`);
  return { seq: Number(seq), hash };
}
