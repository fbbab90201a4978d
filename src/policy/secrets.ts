// The secrets that a policy names: keys and tokens in files of one folder, checked whole, and never told in an error.

import { join } from 'node:path';
import { RecorderError } from '../errors.ts';
import { type SmallFile, readSmallFile, refuseWorldReadable } from '../input/file.ts';
import type { Policy } from './policy.ts';

/** What was read. A file that the policy does not name has no keys and no token. */
export interface Secrets {
  /** The keys that sign, in the order of the file: while one is exchanged for another there are two. */
  keys(file: string): readonly Buffer[];
  token(file: string): string | null;
}

/** Where secrets lie. */
export interface SecretsPlace {
  /** SECRETS_DIR; null = unset. */
  readonly dir: string | null;
  /** What stands before their names there: systemd calls the credentials of a folder `<id>_<file>`. */
  readonly prefix: string;
}

const MAX_FILE_BYTES = 4096;
/** Of the Standard Webhooks specification: 24 to 64 bytes. */
const [MIN_KEY_BYTES, MAX_KEY_BYTES, MAX_KEYS] = [24, 64, 2];
const PREFIX = 'whsec_';

/**
 * Reads every secret that the policy names, or none.
 * @throws RecorderError "invalid_configuration" for one that is named and is missing, readable by everyone or malformed
 */
export function loadSecrets(policy: Policy, place: SecretsPlace): Secrets {
  const actuators = [...policy.actuators.values()];
  const signing = named([...actuators, ...policy.webhooks].map(({ secret }) => secret));
  const bearing = named(actuators.map(({ token }) => token));
  const required = new Set(named(actuators.map(({ token, token_required }) => (token_required ? token : null))));
  const both = signing.find((file) => bearing.includes(file));
  if (both !== undefined) throw refusal(both, 'is named as a secret and as a token: a key that signs is never sent');

  const keys = new Map(signing.map((file) => [file, keysIn(pathOf(place, file), mustRead(place, file).text)]));
  const tokens = new Map(
    bearing.map((file) => {
      const read = required.has(file) ? mustRead(place, file) : readSecret(place, file);
      return [file, read && tokenIn(pathOf(place, file), read.text)];
    }),
  );
  return { keys: (file) => keys.get(file) ?? [], token: (file) => tokens.get(file) ?? null };
}

function named(files: readonly (string | null)[]): string[] {
  return [...new Set(files.filter((file) => file !== null))];
}

function pathOf({ dir, prefix }: SecretsPlace, file: string): string {
  return join(dir ?? '', `${prefix}${file}`);
}

function readSecret(place: SecretsPlace, file: string): SmallFile | null {
  if (place.dir === null) return null;
  const path = pathOf(place, file);
  const read = readSmallFile(path, MAX_FILE_BYTES);
  if (read) refuseWorldReadable(path, read);
  return read;
}

function mustRead(place: SecretsPlace, file: string): SmallFile {
  if (place.dir === null) throw refusal(file, 'is named by the policy, and SECRETS_DIR is not set');
  const read = readSecret(place, file);
  if (!read) throw refusal(pathOf(place, file), 'there is no such file, and the policy names it');
  return read;
}

/** One or two lines `whsec_<base64>`: exactly what an encoder writes, so that nobody else reads another key out of it. */
function keysIn(path: string, text: string): Buffer[] {
  const lines = text.trimEnd().split('\n');
  if (lines.length > MAX_KEYS) throw refusal(path, `has ${lines.length} lines; one or two keys are expected`);
  return lines.map((line, i) => {
    const written = line.trimEnd();
    const base64 = written.startsWith(PREFIX) ? written.slice(PREFIX.length) : '';
    const key = Buffer.from(base64, 'base64');
    if (base64 !== '' && key.toString('base64') === base64 && key.length >= MIN_KEY_BYTES && key.length <= MAX_KEY_BYTES) return key;
    throw refusal(path, `line ${i + 1} must be ${PREFIX} and the base64 of ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes`);
  });
}

function tokenIn(path: string, text: string): string {
  const token = text.trim();
  if (token === '') throw refusal(path, 'is empty');
  if (!/^[\x21-\x7e]+$/.test(token)) throw refusal(path, 'the token must be one line of visible ASCII without spaces');
  if (token.startsWith(PREFIX)) throw refusal(path, 'holds a key that signs, which is never sent as a token');
  return token;
}

function refusal(path: string, why: string): RecorderError {
  return new RecorderError('invalid_configuration', `${path}: ${why}`);
}
