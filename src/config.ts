// The environment as a Config: one table of names and defaults. Secrets are files and never in it, so it can be printed.

import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { parseVerifierKey } from './audit/note.ts';
import { RecorderError } from './errors.ts';
import { LEVELS } from './log.ts';
import { FIRST_HANDED } from './sandbox/execute.ts';

/** Every variable that is read, with its default as text; a function is told the others. The README shows this table. */
export const ENVIRONMENT = {
  BIND_ADDR: '127.0.0.1:8515',
  CONTAINMENT_POLICY_PATH: '/etc/secure-ai/policy/incident-containment.yaml',
  AUDIT_LOG_PATH: '/var/lib/secure-ai/logs/incident-recorder-audit.jsonl',
  DATABASE_PATH: ({ AUDIT_LOG_PATH }: Env) => join(dirname(AUDIT_LOG_PATH ?? ''), 'incidents.db'),
  SERVICE_TOKEN_PATH: ({ TOKENS_PATH }: Env) => (TOKENS_PATH ? '' : '/run/secure-ai/service-token'),
  TOKENS_PATH: '',
  SECRETS_DIR: ({ CREDENTIALS_DIRECTORY }: Env) => CREDENTIALS_DIRECTORY ?? '',
  SECRETS_PREFIX: '',
  AGENT_SOCKET: '',
  AGENT_URL: '',
  AIRLOCK_URL: '',
  REGISTRY_URL: '',
  REPORT_WAIT_MS: '1000',
  CHECKPOINT_KEY_PATH: ({ DATABASE_PATH, CREDENTIALS_DIRECTORY }: Env) => {
    const credential = join(CREDENTIALS_DIRECTORY ?? '', 'checkpoint.key');
    return CREDENTIALS_DIRECTORY && existsSync(credential) ? credential : join(dirname(DATABASE_PATH ?? ''), 'checkpoint.key');
  },
  CHECKPOINT_INTERVAL: '1s',
  CHECKPOINT_ORIGIN: () => `${hostname()}/incident-recorder`,
  WITNESS_URL: '',
  WITNESS_KEY: '',
  AUDIT_ROTATE_BYTES: '67108864',
  AUDIT_ROTATE_AGE: '1d',
  REQUIRE_READ_TOKEN: '0',
  ALLOWED_HOSTS: '',
  STORE_MAX_BYTES: '2147483648',
  STORE_RESERVE_BYTES: '67108864',
  LOG_LEVEL: 'info',
  // Of systemd and of the launcher.
  LISTEN_FDS: '',
  WATCHDOG_USEC: '',
  NOTIFY_FD: '',
  CONNECT_PORTS: '',
} as const satisfies Record<string, string | ((env: Env) => string)>;

type Env = Partial<Record<string, string>>;
type Name = keyof typeof ENVIRONMENT;

const path = z.string().startsWith('/', 'must be an absolute path');
const optionalPath = path.or(z.literal('')).transform((value) => (value === '' ? null : value));
const bytes = z
  .string()
  .regex(/^[1-9]\d{5,14}$/, 'must be a number of bytes, at least 100000')
  .transform(Number);
/** In milliseconds. */
const duration = z
  .string()
  .regex(/^[1-9]\d{0,5}[smhd]$/, 'must be a whole number of s, m, h or d, such as 30s or 1d')
  .transform((text) => Number(text.slice(0, -1)) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[text.slice(-1)] ?? 0) * 1000);
const flag = z.enum(['0', '1']).transform((value) => value === '1');

const Environment = z.object({
  BIND_ADDR: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[0-9.]+|localhost):\d{1,5}$/i, 'must be <address>:<port>, such as 127.0.0.1:8515 or [::1]:8515')
    .transform((address) => {
      const colon = address.lastIndexOf(':');
      return { host: address.slice(0, colon).toLowerCase(), port: Number(address.slice(colon + 1)) };
    })
    .refine(({ host }) => host === 'localhost' || isIP(host.replaceAll(/^\[|\]$/g, '')) > 0, 'has no IP address before its port')
    .refine(({ port }) => port <= 65_535, 'has a port over 65535'),
  CONTAINMENT_POLICY_PATH: path,
  AUDIT_LOG_PATH: path,
  DATABASE_PATH: path,
  SERVICE_TOKEN_PATH: optionalPath,
  TOKENS_PATH: optionalPath,
  SECRETS_DIR: optionalPath,
  SECRETS_PREFIX: z.string().regex(/^[A-Za-z0-9._-]{0,64}$/, 'must be letters, digits and . _ - (at most 64)'),
  // Each is checked by what makes actuators of them.
  AGENT_SOCKET: z.string(),
  AGENT_URL: z.string(),
  AIRLOCK_URL: z.string(),
  REGISTRY_URL: z.string(),
  REPORT_WAIT_MS: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a number of milliseconds, at most 30000')
    .transform(Number)
    .refine((ms) => ms <= 30_000, 'must be at most 30000'),
  CHECKPOINT_KEY_PATH: path,
  CHECKPOINT_ORIGIN: z.string().regex(/^[\x21-\x2a\x2c-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters without +'),
  CHECKPOINT_INTERVAL: duration,
  WITNESS_URL: z
    .string()
    .refine((url) => url === '' || (/^https?:\/\/[^/]/.test(url) && URL.canParse(url)), 'must be an http or https URL')
    .transform((url) => (url === '' ? null : url)),
  WITNESS_KEY: z.string().transform((key, context) => {
    try {
      return key === '' ? null : parseVerifierKey(key);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  }),
  AUDIT_ROTATE_BYTES: bytes,
  AUDIT_ROTATE_AGE: duration,
  REQUIRE_READ_TOKEN: flag,
  ALLOWED_HOSTS: z.string().transform((hosts) =>
    hosts
      .toLowerCase()
      .split(',')
      .map((host) => host.trim())
      .filter((host) => host !== ''),
  ),
  STORE_MAX_BYTES: bytes,
  STORE_RESERVE_BYTES: z
    .string()
    .regex(/^(0|[1-9]\d{5,11})$/, 'must be 0 or a number of bytes, at least 100000')
    .transform(Number),
  LOG_LEVEL: z.enum(LEVELS),
  /** The socket that is listened on, instead of BIND_ADDR. */
  LISTEN_FDS: z
    .enum(['', '0', '1'], 'is more than one: the recorder listens on one socket')
    .transform((sockets) => (sockets === '1' ? FIRST_HANDED : null)),
  /** In milliseconds: how long systemd waits for a sign of life. */
  WATCHDOG_USEC: z
    .string()
    .regex(/^\d{0,15}$/, 'must be a number of microseconds')
    .transform((usec) => (Number(usec) > 0 ? Number(usec) / 1000 : null)),
  NOTIFY_FD: z
    .string()
    .regex(/^\d{0,4}$/, 'must be a file descriptor')
    .transform((fd) => (fd === '' ? null : Number(fd))),
  CONNECT_PORTS: z
    .string()
    .regex(/^(|none|\d{1,5}(,\d{1,5})*)$/, 'must be ports with commas between them, or none')
    .transform((ports) => (ports === '' ? null : ports === 'none' ? [] : ports.split(',').map(Number))),
} satisfies Record<Name, z.ZodType>);

export type Config = z.infer<typeof Environment>;

/**
 * @param env such as process.env; an empty variable counts as unset
 * @throws RecorderError "invalid_configuration" naming each variable that is wrong
 */
export function readConfig(env: Env): Config {
  const filled: Env = {};
  for (const name of NAMES) {
    const given = env[name];
    const fallback = ENVIRONMENT[name];
    // In the order of the table, so that a default can be told what stands before it; TOKENS_PATH is the one it asks for behind.
    filled[name] = given ? given : typeof fallback === 'string' ? fallback : fallback({ ...env, ...filled });
  }
  const parsed = Environment.safeParse(filled);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path: [name], message }) => `${String(name)} ${message}`);
  throw new RecorderError('invalid_configuration', faults.join('; '));
}

const NAMES = Object.keys(ENVIRONMENT) as Name[];

/** True when only this machine can connect. */
export function isLoopback(host: string): boolean {
  return host === '[::1]' || host === 'localhost' || host.startsWith('127.');
}
