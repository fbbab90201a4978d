// What systemd says of a unit. It is what was configured: whether it is so is for others to see.

import { execFile } from 'node:child_process';
import { RecorderError } from '../errors.ts';

/** By their names, as `systemctl show` words them. */
export type Properties = ReadonlyMap<string, string>;

const PATIENCE_MS = 10_000;
const MAX_BYTES = 1024 * 1024;

/** @throws RecorderError "invalid_parameter" for what is no name of a unit */
export function unitNamed(given: string): string {
  if (!/^[A-Za-z0-9_.:\\][A-Za-z0-9_.:\\@-]{0,254}$/.test(given))
    throw new RecorderError('invalid_parameter', `--unit ${given}: is no name of a unit`);
  return given.includes('.') ? given : `${given}.service`;
}

/** Null where there is no systemd. */
export async function askSystemd(unit: string): Promise<Properties | null> {
  const text = await run('systemctl', ['show', '--all', '--no-pager', '--', unit]);
  return text === null ? null : propertiesIn(text);
}

/** How the clock is set; null where nobody says. */
export async function askClock(): Promise<Properties | null> {
  const text = await run('timedatectl', ['show', '--all', '--no-pager']);
  return text === null ? null : propertiesIn(text);
}

/** The environment that the unit gives, by the word of root. What it reads from files at its start (EnvironmentFile=) is not in it. */
export function environmentOf(unit: Properties): Record<string, string> {
  const words = (unit.get('Environment') ?? '').matchAll(/"((?:[^"\\]|\\.)*)"|\$'((?:[^'\\]|\\.)*)'|(\S+)/g);
  return Object.fromEntries(
    [...words].map(([, quoted, escaped, plain]) => {
      const word = plain ?? (quoted ?? escaped ?? '').replaceAll(/\\(.)/g, '$1');
      return [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)];
    }),
  );
}

function propertiesIn(text: string): Properties {
  return new Map(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=');
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
    }),
  );
}

/** What it prints; null when it is not there, says no, or says nothing in time. */
function run(program: string, args: readonly string[]): Promise<string | null> {
  const options = { env: { ...process.env, LC_ALL: 'C' }, timeout: PATIENCE_MS, maxBuffer: MAX_BYTES };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout) => resolve(error ? null : stdout));
  });
}
