// The log, verified whole from its bytes, with the checkpoint that is published beside it; and what of it else the doctor needs.

import { existsSync, lstatSync } from 'node:fs';
import { createTrial } from '../audit/held.ts';
import { readKey } from '../audit/key.ts';
import { isSignedBy, parseVerifierKey } from '../audit/note.ts';
import { checkpointPath, filesOf } from '../audit/segments.ts';
import type { Verdict } from '../audit/verify.ts';
import { readSmallFile } from '../input/file.ts';
import { type Line, line } from './doctor-line.ts';
import { readThrough } from './survey.ts';

export interface LogExamined {
  readonly line: Line;
  /** When its newest record was made; null = there is none. */
  readonly newest: Date | null;
  /** The hash of the policy that was put in force last; null = no record tells. */
  readonly policy: string | null;
}

const MAX_NOTE_BYTES = 16 * 1024;
const MAX_KEY_BYTES = 4096;
/** Long enough for `{"v":1,"seq":…,"ts":"…","type":"…"`, where no text of anybody stands. */
const HEAD_BYTES = 120;

/** @param keyPath the key that its checkpoints are signed with: looked at if it can be read */
export async function examineLog(log: string, keyPath: string): Promise<LogExamined> {
  const first = await attempt(log, keyPath);
  // A file may have been ended, or pruned, while it was read.
  return first.line.word === 'WRONG' ? attempt(log, keyPath) : first;
}

async function attempt(log: string, keyPath: string): Promise<LogExamined> {
  const none = { newest: null, policy: null };
  const says = (word: Line['word'], seen: string) => line('chain', word, seen, 'seen on the disk');
  try {
    const files = filesOf(log);
    if (files.length === 0) return { line: says('unknown', `${log}: there is no such log`), ...none };
    const odd = files.find((file) => !lstatSync(file).isFile());
    if (odd !== undefined) return { line: says('WRONG', `${odd}: is not a regular file`), ...none };
    return await readAll(log, files, keyPath);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isOurs = code === 'EACCES' || code === 'ENOENT';
    return { line: says(isOurs ? 'unknown' : 'WRONG', isOurs ? `${log}: cannot be read (${code})` : message), ...none };
  }
}

async function readAll(log: string, files: readonly string[], keyPath: string): Promise<LogExamined> {
  // Before the log, which then holds at least as much.
  const beside = checkpointPath(log);
  const note = existsSync(beside) ? (readSmallFile(beside, MAX_NOTE_BYTES)?.text ?? null) : null;
  const trial = createTrial({ receipts: [], keys: [], checkpoints: note === null ? [] : [{ name: beside, note }] });
  const told: { at: string | null; policy: string | null } = { at: null, policy: null };
  const onRecord = (seq: number, hash: string, bytes: Buffer) => {
    trial.onRecord(seq, hash, bytes);
    const head = bytes.toString('latin1', 0, HEAD_BYTES);
    told.at = /"ts":"([^"]+)"/.exec(head)?.[1] ?? null;
    if (head.includes('"type":"policy.loaded"')) told.policy = policyIn(bytes) ?? told.policy;
  };
  const verdict = await readThrough(files, 'verifying the log', { onRecord });
  const { first, last, fault, torn } = verdict;
  const isSigned = note === null ? null : isSignedByKey(note, keyPath);
  const faults = [
    ...(fault ? [faultOf(fault)] : trial.findings(first, last).flatMap(({ ok, text }) => (ok ? [] : [text]))),
    ...(isSigned === false ? [`${beside}: is not signed by the key of the service`] : []),
  ];
  const sound = last < first ? `${log}: holds no record yet` : `records ${first} to ${last} are sound`;
  const held =
    note === null
      ? 'no checkpoint is beside'
      : `the checkpoint beside fits${isSigned ? ' and is signed' : ', its key is not for us to read'}`;
  const seen = [sound, held, ...(torn > 0 ? [`${torn} bytes of a line are on their way, or torn`] : [])];
  return {
    line: line('chain', faults.length > 0 ? 'WRONG' : 'ok', (faults.length > 0 ? faults : seen).join('; '), 'seen on the disk'),
    newest: told.at === null ? null : new Date(told.at),
    policy: told.policy,
  };
}

function faultOf({ seq, file, offset, reason }: NonNullable<Verdict['fault']>): string {
  return `TAMPERED: record ${seq}, at byte ${offset} of ${file}, ${reason}`;
}

/** Under the name that the checkpoint gives the log. Null when the key cannot be read. */
function isSignedByKey(note: string, path: string): boolean | null {
  let pem: string | undefined;
  try {
    pem = readSmallFile(path, MAX_KEY_BYTES)?.text;
  } catch {
    return null;
  }
  if (pem === undefined) return null;
  const { verifierKey } = readKey(note.split('\n', 1)[0] ?? '', pem);
  return isSignedBy(note, parseVerifierKey(verifierKey));
}

function policyIn(bytes: Buffer): string | null {
  const { data } = JSON.parse(bytes.toString('utf8')) as { data?: { sha256?: unknown } };
  return typeof data?.sha256 === 'string' ? data.sha256 : null;
}
