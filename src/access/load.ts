// Tokens from files: checked whole, refused whole. A file that is set but not good is never an open door.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { RecorderError } from '../errors.ts';
import { readSmallFile, refuseWorldReadable } from '../input/file.ts';
import { line } from '../input/shape.ts';
import { readYaml } from '../input/yaml.ts';
import { ACTUATOR_NAME } from '../incident/command.ts';
import { OWN_SOURCE } from '../incident/vocabulary.ts';
import { NAMED_ROLES } from './roles.ts';
import type { Rate, Token } from './token.ts';

const MIN_TOKEN_LENGTH = 32;
const MAX_TOKEN_BYTES = 4096;
const MAX_FILE_BYTES = 256 * 1024;

/** In sources or classes: whatever there is. */
const ANY = '*';

/** What a reporter may send unless its entry says otherwise. */
const REPORTER_RATE: Rate = { per_second: 50, burst: 500 };

const Entry = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be letters, digits and . _ - (at most 64)'),
  role: z.enum(NAMED_ROLES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the token in 64 lower-case hex digits'),
  sources: z.array(line(128)).min(1).max(64).exactOptional(),
  classes: z.array(line(128)).min(1).max(64).exactOptional(),
  /** Whether there is one is asked when the token is used: policies come and go. */
  actuator: z.string().regex(ACTUATOR_NAME, 'must be a lower-case letter, then letters, digits, _ and - (at most 64)').exactOptional(),
  rate: z
    .string()
    .regex(/^[1-9]\d{0,5}\/s$/, 'must be a rate such as 50/s')
    .transform((rate) => Number.parseInt(rate, 10))
    .exactOptional(),
  burst: z.int().min(1).max(1_000_000).exactOptional(),
});
type Entry = z.infer<typeof Entry>;

const TokensFile = z.strictObject({ version: z.literal(1), tokens: z.array(Entry).min(1).max(256) });
const KEYS = [...Object.keys(TokensFile.shape), ...Object.keys(Entry.shape)];

export interface TokenPaths {
  /** YAML file of named tokens, by their hashes. */
  readonly tokens: string | null;
  /** File that holds one token in clear, which then has every role. */
  readonly service: string | null;
}

/**
 * Every token that is good now; at least one.
 * @throws RecorderError "invalid_configuration" for a file that is missing, empty, world-readable or malformed
 */
export function loadTokens({ tokens, service }: TokenPaths): Token[] {
  const everyRole = service === null ? [] : [serviceToken(service)];
  const all = [...everyRole, ...(tokens === null ? [] : namedTokens(tokens, everyRole))];
  if (all.length === 0)
    throw new RecorderError('invalid_configuration', 'neither SERVICE_TOKEN_PATH nor TOKENS_PATH is set: nobody could report');
  return all;
}

function serviceToken(path: string): Token {
  const token = mustRead(path, MAX_TOKEN_BYTES).trim();
  if (token.length < MIN_TOKEN_LENGTH) {
    throw new RecorderError(
      'invalid_configuration',
      `${path}: the token is ${token.length} characters long; at least ${MIN_TOKEN_LENGTH} are needed`,
    );
  }
  if (!isToken(token))
    throw new RecorderError('invalid_configuration', `${path}: the token must be one line of visible ASCII without spaces`);
  return { name: 'service', role: 'service', sha256: digestOf(token), sources: null, classes: null, actuator: null, rate: null };
}

function namedTokens(path: string, others: readonly Token[]): Token[] {
  const file = readYaml({ name: path, text: mustRead(path, MAX_FILE_BYTES), schema: TokensFile, keys: KEYS });
  const { tokens } = file.value;
  const taken = new Set(others.map(({ sha256 }) => sha256.toString('hex')));
  tokens.forEach((entry, i) => {
    if (taken.has(entry.sha256)) throw file.refusal(['tokens', i, 'sha256'], 'is that of the token in SERVICE_TOKEN_PATH');
    const fault = faultOf(entry, tokens.slice(0, i));
    if (fault) throw file.refusal(['tokens', i, fault.key], fault.detail);
  });
  return tokens.map(tokenOf);
}

function faultOf(entry: Entry, before: readonly Entry[]): { key: string; detail: string } | null {
  if (entry.name === 'service') return { key: 'name', detail: 'is "service", the name of the token in SERVICE_TOKEN_PATH' };
  if (before.some((other) => other.name === entry.name)) return { key: 'name', detail: 'stands a second time' };
  if (before.some((other) => other.sha256 === entry.sha256))
    return { key: 'sha256', detail: 'is that of another entry: one token has one name' };
  if (entry.sources?.includes(OWN_SOURCE))
    return { key: 'sources', detail: `holds ${OWN_SOURCE}, which only the recorder itself may report` };
  if (entry.role === 'reporter' && !(entry.sources && entry.classes)) {
    return { key: 'role', detail: `is reporter, which needs sources and classes; ["${ANY}"] is any` };
  }
  if (entry.role !== 'reporter' && (entry.sources || entry.classes))
    return { key: 'role', detail: `is ${entry.role}, which reports nothing: sources and classes go with reporter` };
  if (entry.role === 'actuator' && entry.actuator === undefined)
    return { key: 'role', detail: 'is actuator, which needs actuator: the name of the one that it acts for' };
  if (entry.role !== 'actuator' && entry.actuator !== undefined)
    return { key: 'actuator', detail: `goes with the role actuator, not with ${entry.role}` };
  if (entry.burst !== undefined && entry.rate === undefined) return { key: 'burst', detail: 'goes with rate' };
  return null;
}

function tokenOf({ name, role, sha256: digest, sources, classes, actuator, rate, burst }: Entry): Token {
  const limit = rate === undefined ? null : { per_second: rate, burst: burst ?? rate * 10 };
  return {
    name,
    role,
    sha256: Buffer.from(digest, 'hex'),
    sources: bounds(sources),
    classes: bounds(classes),
    actuator: actuator ?? null,
    rate: limit ?? (role === 'reporter' ? REPORTER_RATE : null),
  };
}

function bounds(words: string[] | undefined): string[] | null {
  return words === undefined || words.includes(ANY) ? null : words;
}

function mustRead(path: string, maxBytes: number): string {
  const file = readSmallFile(path, maxBytes);
  if (!file) throw new RecorderError('invalid_configuration', `${path}: there is no such file`);
  refuseWorldReadable(path, file);
  if (file.text.trim() === '') throw new RecorderError('invalid_configuration', `${path}: is empty`);
  return file.text;
}

/** What an Authorization header can carry: visible ASCII. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
