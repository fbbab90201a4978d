// What an operator names on the command line: a log by its newest file, keys in text or in a file, checkpoints in files.

import { existsSync, readFileSync } from 'node:fs';
import type { HeldCheckpoint } from '../audit/held.ts';
import { type VerifierKey, parseVerifierKey } from '../audit/note.ts';
import { checkpointPath, filesOf, isOldSegment } from '../audit/segments.ts';
import { ENVIRONMENT } from '../config.ts';
import { RecorderError } from '../errors.ts';
import { INSTANT, parseInstant } from '../input/instant.ts';

/** The files of a log, oldest first. One that is the newest of a log stands for all of it; none for AUDIT_LOG_PATH. */
export function filesGiven(given: readonly string[]): string[] {
  const [only, ...more] = given.length > 0 ? given : [process.env['AUDIT_LOG_PATH'] ?? ENVIRONMENT.AUDIT_LOG_PATH];
  if (only === undefined || more.length > 0 || isOldSegment(only)) return [...given];
  const files = filesOf(only);
  if (files.length === 0) throw new RecorderError('not_found', `${only}: there is no such log`);
  return files;
}

/** @param given a verifier key, or the path of a file that holds one */
export function keyGiven(given: string): VerifierKey {
  const text = given.includes('+') || !existsSync(given) ? given : readFileSync(given, 'utf8').trim();
  try {
    return parseVerifierKey(text);
  } catch (error) {
    throw new RecorderError('invalid_parameter', `--pubkey ${given} ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The notes in these files and, where it is asked for, in the one that is published beside the log, if there is one. */
export function notesGiven(given: readonly string[], files: readonly string[], beside: boolean): HeldCheckpoint[] {
  const published = checkpointPath(files.at(-1) ?? '');
  const names = beside && existsSync(published) && !given.includes(published) ? [...given, published] : given;
  return names.map((name) => ({ name, note: readFileSync(name, 'utf8') }));
}

/** @throws RecorderError "invalid_parameter" for what is no whole number from 1 on */
export function wholeNumberGiven(name: string, given: string): number {
  const number = /^[1-9]\d{0,15}$/.test(given) ? Number(given) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new RecorderError('invalid_parameter', `${name} ${given}: must be a whole number from 1 on`);
}

/** In UTC with milliseconds, as records have it. @throws RecorderError "invalid_parameter" for what is no instant */
export function instantGiven(name: string, given: string): string {
  const at = parseInstant(given);
  if (at) return at.toISOString();
  throw new RecorderError('invalid_parameter', `${name} ${given}: ${INSTANT}`);
}
