// A whole recorder inside the test's own process: the real wiring, on its own folder and port, with a clock that is handed in.

import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { readConfig } from '../../src/config.ts';
import { type House, openHouse } from '../../src/house.ts';
import { type Log, createLog } from '../../src/log.ts';

/** The token of SERVICE_TOKEN_PATH in every test house. */
export const SERVICE_TOKEN = '5e7f1ce0'.repeat(8);

export interface TestHouse extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  /** Supertest on this house. */
  readonly http: ReturnType<typeof request>;
  /** Supertest with a token (the service token unless another is given). */
  post(path: string, body: unknown, token?: string): request.Test;
  get(path: string, token?: string): request.Test;
  /** Lines of the log on stdout, parsed. */
  readonly logged: { level: string; message: string; [field: string]: unknown }[];
  /** Lines of the audit log, parsed. */
  records(): AuditRecord[];
  reload(): Promise<void>;
  /** Ends it and starts it again on the same folder. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface AuditRecord {
  seq: number;
  ts: string;
  type: string;
  id: string | null;
  actor: string;
  data: Record<string, any>;
  prev: string;
  hash: string;
}

export interface TestHouseOptions {
  /** Text of the policy file; none = no file, so the built-in table. */
  policy?: string;
  /** Named tokens by name, in clear: a file of their hashes is written. */
  tokens?: Record<string, { token: string; role: string; sources?: string[]; classes?: string[]; rate?: string; burst?: number }>;
  env?: Record<string, string>;
  now?: () => Date;
  monotonic?: () => number;
}

/** `await using house = await openTestHouse()`: everything is gone when the test ends. */
export async function openTestHouse({ policy, tokens, env = {}, now, monotonic }: TestHouseOptions = {}): Promise<TestHouse> {
  const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  writeSecret(join(dir, 'service-token'), SERVICE_TOKEN);
  if (policy !== undefined) writeFileSync(join(dir, 'policy.yaml'), policy);
  if (tokens) writeSecret(join(dir, 'tokens.yaml'), tokensFile(tokens));

  const logged: TestHouse['logged'] = [];
  const log: Log = createLog({ level: 'debug', journal: false, write: (line) => logged.push(JSON.parse(line)) });
  const config = readConfig({
    BIND_ADDR: '127.0.0.1:0',
    CONTAINMENT_POLICY_PATH: join(dir, 'policy.yaml'),
    AUDIT_LOG_PATH: join(dir, 'audit.jsonl'),
    SERVICE_TOKEN_PATH: join(dir, 'service-token'),
    ...(tokens && { TOKENS_PATH: join(dir, 'tokens.yaml') }),
    CHECKPOINT_ORIGIN: 'test/incident-recorder',
    STORE_RESERVE_BYTES: '0',
    ...env,
  });
  const onBroken = (error: unknown) => {
    throw error;
  };
  const open = async () => openHouse({ config, log, onBroken, ...(now && { now }), ...(monotonic && { monotonic }) });
  let house: House | null = await open();
  const url = () => `http://127.0.0.1:${house?.place.port}`;
  const close = async () => {
    await house?.close('test');
    house = null;
  };
  const bearer = (test: request.Test, token: string) => test.set('Authorization', `Bearer ${token}`);
  return {
    dir,
    logged,
    get url() {
      return url();
    },
    get port() {
      return house?.place.port ?? 0;
    },
    get http() {
      return request(url());
    },
    post: (path, body, token = SERVICE_TOKEN) => bearer(request(url()).post(path), token).send(body as object),
    get: (path, token = SERVICE_TOKEN) => bearer(request(url()).get(path), token),
    records: () => readRecords(join(dir, 'audit.jsonl')),
    reload: async () => house?.reload(),
    async restart() {
      await close();
      house = await open();
    },
    close,
    async [Symbol.asyncDispose]() {
      await close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A report that every policy knows; `more` overrides. */
export function aReport(more: Record<string, unknown> = {}): Record<string, unknown> {
  return { class: 'prompt_injection', source: 'tool-firewall', description: 'ignore previous instructions', ...more };
}

export function readRecords(path: string): AuditRecord[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditRecord);
}

export function tokensFile(tokens: NonNullable<TestHouseOptions['tokens']>): string {
  const entries = Object.entries(tokens).map(([name, { token, ...rest }]) => {
    const sha256 = createHash('sha256').update(token).digest('hex');
    return JSON.stringify({ name, sha256, ...rest });
  });
  return `version: 1\ntokens:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`;
}

export function writeSecret(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o600);
}

/** A clock that stands still until it is moved. */
export function createClock(start = '2026-03-13T08:15:30.123Z'): {
  now: () => Date;
  monotonic: () => number;
  advance(ms: number): void;
  set(instant: string): void;
} {
  let at = Date.parse(start);
  let ticks = 0;
  return {
    now: () => new Date(at),
    monotonic: () => ticks,
    advance(ms) {
      at += ms;
      ticks += ms;
    },
    set(instant) {
      at = Date.parse(instant);
    },
  };
}
