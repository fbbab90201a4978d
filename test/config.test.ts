// The environment: each variable with its default, what it may hold, and what is said of one that is wrong.

import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENVIRONMENT, isLoopback, readConfig } from '../src/config.ts';
import { openFolder } from './support/folder.ts';
import { refusalOf } from './support/refusal.ts';

type Name = keyof typeof ENVIRONMENT;

describe('without any variable', () => {
  it('is the configuration of an installed service', () => {
    expect(readConfig({})).toEqual({
      BIND_ADDR: { host: '127.0.0.1', port: 8515 },
      CONTAINMENT_POLICY_PATH: '/etc/secure-ai/policy/incident-containment.yaml',
      SECRETS_DIR: null,
      SECRETS_PREFIX: '',
      AGENT_SOCKET: '',
      AGENT_URL: '',
      AIRLOCK_URL: '',
      REGISTRY_URL: '',
      REPORT_WAIT_MS: 1000,
      AUDIT_LOG_PATH: '/var/lib/secure-ai/logs/incident-recorder-audit.jsonl',
      DATABASE_PATH: '/var/lib/secure-ai/logs/incidents.db',
      SERVICE_TOKEN_PATH: '/run/secure-ai/service-token',
      TOKENS_PATH: null,
      CHECKPOINT_KEY_PATH: '/var/lib/secure-ai/logs/checkpoint.key',
      CHECKPOINT_INTERVAL: 1000,
      CHECKPOINT_ORIGIN: `${hostname()}/incident-recorder`,
      WITNESS_URL: null,
      WITNESS_KEY: null,
      AUDIT_ROTATE_BYTES: 64 * 2 ** 20,
      AUDIT_ROTATE_AGE: 86_400_000,
      REQUIRE_READ_TOKEN: false,
      ALLOWED_HOSTS: [],
      STORE_MAX_BYTES: 2 * 2 ** 30,
      STORE_RESERVE_BYTES: 64 * 2 ** 20,
      LOG_LEVEL: 'info',
      LISTEN_FDS: null,
      WATCHDOG_USEC: null,
      NOTIFY_FD: null,
      CONNECT_PORTS: null,
    });
  });

  it('is the same when every variable is set to nothing, and whatever else is set', () => {
    const empty = Object.fromEntries(Object.keys(ENVIRONMENT).map((name) => [name, '']));
    expect(readConfig({ ...empty, PATH: '/bin', PORT: '80', bind_addr: '0.0.0.0:1' })).toEqual(readConfig({}));
  });

  it('holds no secret, so that it can be printed', () => {
    const all = { SERVICE_TOKEN_PATH: '/run/t', TOKENS_PATH: '/run/ts', CHECKPOINT_KEY_PATH: '/run/k' };
    expect(JSON.parse(JSON.stringify(readConfig(all)))).toMatchObject(all);
    expect(Object.keys(readConfig({})).toSorted()).toEqual(Object.keys(ENVIRONMENT).toSorted());
  });
});

describe('what stands beside what', () => {
  it('is told by the audit log: the database is beside it, and the key beside the database', () => {
    expect(readConfig({ AUDIT_LOG_PATH: '/data/logs/a.jsonl' })).toMatchObject({
      ...{ DATABASE_PATH: '/data/logs/incidents.db', CHECKPOINT_KEY_PATH: '/data/logs/checkpoint.key' },
    });
    expect(readConfig({ AUDIT_LOG_PATH: '/data/logs/a.jsonl', DATABASE_PATH: '/data/db/i.db' })).toMatchObject({
      ...{ DATABASE_PATH: '/data/db/i.db', CHECKPOINT_KEY_PATH: '/data/db/checkpoint.key' },
    });
  });

  it('is told by the credentials of the unit: the key is there, if it was handed over that way', () => {
    using folder = openFolder();
    const env = { AUDIT_LOG_PATH: '/data/a.jsonl', CREDENTIALS_DIRECTORY: folder.path };
    expect(readConfig(env)).toMatchObject({ CHECKPOINT_KEY_PATH: '/data/checkpoint.key' });
    writeFileSync(join(folder.path, 'checkpoint.key'), '');
    expect(readConfig(env)).toMatchObject({ CHECKPOINT_KEY_PATH: join(folder.path, 'checkpoint.key') });
    expect(readConfig({ ...env, CHECKPOINT_KEY_PATH: '/k' })).toMatchObject({ CHECKPOINT_KEY_PATH: '/k' });
  });

  it('is told by the tokens: the service token’s place is a default only while no token file is named', () => {
    expect(readConfig({ TOKENS_PATH: '/etc/tokens.yaml' })).toMatchObject({ SERVICE_TOKEN_PATH: null, TOKENS_PATH: '/etc/tokens.yaml' });
    expect(readConfig({ TOKENS_PATH: '/etc/tokens.yaml', SERVICE_TOKEN_PATH: '/run/t' })).toMatchObject({ SERVICE_TOKEN_PATH: '/run/t' });
    expect(readConfig({ SERVICE_TOKEN_PATH: '/run/t' })).toMatchObject({ SERVICE_TOKEN_PATH: '/run/t', TOKENS_PATH: null });
  });
});

describe('a variable', () => {
  it.each<[Name, string, unknown]>([
    ['BIND_ADDR', '0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['BIND_ADDR', '[::1]:8515', { host: '[::1]', port: 8515 }],
    ['BIND_ADDR', '[FE80::A]:1', { host: '[fe80::a]', port: 1 }],
    ['BIND_ADDR', 'Localhost:65535', { host: 'localhost', port: 65_535 }],
    ['BIND_ADDR', '127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['AUDIT_LOG_PATH', '/a', '/a'],
    ['CHECKPOINT_ORIGIN', 'host-7.example/incident-recorder', 'host-7.example/incident-recorder'],
    ['CHECKPOINT_ORIGIN', 'x'.repeat(255), 'x'.repeat(255)],
    ['CHECKPOINT_INTERVAL', '30s', 30_000],
    ['AUDIT_ROTATE_AGE', '7d', 604_800_000],
    ['AUDIT_ROTATE_BYTES', '1000000', 1_000_000],
    ['WITNESS_URL', 'https://witness.example/log', 'https://witness.example/log'],
    ['REQUIRE_READ_TOKEN', '1', true],
    ['REQUIRE_READ_TOKEN', '0', false],
    ['ALLOWED_HOSTS', 'Recorder.Local', ['recorder.local']],
    ['ALLOWED_HOSTS', ' a , b:8080,,[::2] ', ['a', 'b:8080', '[::2]']],
    ['STORE_MAX_BYTES', '100000', 100_000],
    ['STORE_MAX_BYTES', '999999999999999', 999_999_999_999_999],
    ['REPORT_WAIT_MS', '0', 0],
    ['REPORT_WAIT_MS', '30000', 30_000],
    ['SECRETS_DIR', '/etc/secrets', '/etc/secrets'],
    ['AGENT_SOCKET', '/run/agent.sock', '/run/agent.sock'],
    ['STORE_RESERVE_BYTES', '0', 0],
    ['STORE_RESERVE_BYTES', '100000', 100_000],
    ...(['debug', 'info', 'warning', 'error', 'critical'] as const).map((level): [Name, string, unknown] => ['LOG_LEVEL', level, level]),
  ])('%s may be %s', (name, given, value) => {
    expect(readConfig({ [name]: given })[name]).toEqual(value);
  });

  it.each<[Name, string, string]>([
    ['BIND_ADDR', '8515', 'must be <address>:<port>, such as 127.0.0.1:8515 or [::1]:8515'],
    ['BIND_ADDR', ':8515', 'must be <address>:<port>'],
    ['BIND_ADDR', '127.0.0.1', 'must be <address>:<port>'],
    ['BIND_ADDR', '127.0.0.1:', 'must be <address>:<port>'],
    ['BIND_ADDR', 'recorder.local:80', 'must be <address>:<port>'],
    ['BIND_ADDR', '::1:8515', 'must be <address>:<port>'],
    ['BIND_ADDR', '127.0.0.1:8515\n', 'must be <address>:<port>'],
    ['BIND_ADDR', 'unix:/run/r.sock', 'must be <address>:<port>'],
    ['BIND_ADDR', '127.0.0.1:65536', 'has a port over 65535'],
    ['BIND_ADDR', '999.0.0.1:80', 'has no IP address before its port'],
    ['BIND_ADDR', '127.1:80', 'has no IP address before its port'],
    ['BIND_ADDR', '[:::]:80', 'has no IP address before its port'],
    ['CONTAINMENT_POLICY_PATH', 'policy.yaml', 'must be an absolute path'],
    ['AUDIT_LOG_PATH', './audit.jsonl', 'must be an absolute path'],
    ['DATABASE_PATH', 'file:x', 'must be an absolute path'],
    ['DATABASE_PATH', ':memory:', 'must be an absolute path'],
    ['SERVICE_TOKEN_PATH', '~/token', 'must be an absolute path'],
    ['TOKENS_PATH', 'tokens.yaml', 'must be an absolute path'],
    ['CHECKPOINT_KEY_PATH', 'key', 'must be an absolute path'],
    ['CHECKPOINT_ORIGIN', 'a b', 'must be 1 to 255 visible ASCII characters without +'],
    ['CHECKPOINT_ORIGIN', 'a+b', 'must be 1 to 255 visible ASCII characters without +'],
    ['CHECKPOINT_ORIGIN', 'x'.repeat(256), 'must be 1 to 255 visible ASCII characters without +'],
    ['CHECKPOINT_INTERVAL', '0s', 'must be a whole number of s, m, h or d'],
    ['CHECKPOINT_INTERVAL', '1', 'must be a whole number of s, m, h or d'],
    ['AUDIT_ROTATE_AGE', 'daily', 'must be a whole number of s, m, h or d'],
    ['AUDIT_ROTATE_BYTES', '64M', 'must be a number of bytes, at least 100000'],
    ['WITNESS_URL', 'witness.example', 'must be an http or https URL'],
    ['WITNESS_URL', 'file:///etc/passwd', 'must be an http or https URL'],
    ['WITNESS_KEY', 'key', 'is not of the form <name>+<8 hex digits>+<base64>'],
    ['REQUIRE_READ_TOKEN', 'true', '"0"|"1"'],
    ['REQUIRE_READ_TOKEN', 'yes', '"0"|"1"'],
    ['STORE_MAX_BYTES', '2G', 'must be a number of bytes, at least 100000'],
    ['STORE_MAX_BYTES', '99999', 'must be a number of bytes, at least 100000'],
    ['STORE_MAX_BYTES', '-1', 'must be a number of bytes, at least 100000'],
    ['STORE_MAX_BYTES', '1e9', 'must be a number of bytes, at least 100000'],
    ['REPORT_WAIT_MS', '30001', 'must be at most 30000'],
    ['REPORT_WAIT_MS', '1s', 'must be a number of milliseconds, at most 30000'],
    ['SECRETS_DIR', 'secrets', 'must be an absolute path'],
    ['STORE_RESERVE_BYTES', '64M', 'must be 0 or a number of bytes, at least 100000'],
    ['STORE_RESERVE_BYTES', '4096', 'must be 0 or a number of bytes, at least 100000'],
    ['LOG_LEVEL', 'INFO', '"debug"|"info"|"warning"|"error"|"critical"'],
    ['LOG_LEVEL', 'verbose', '"debug"|"info"|"warning"|"error"|"critical"'],
  ])('%s is refused as %j, by its name', (name, given, why) => {
    const { code, message } = refusalOf(() => readConfig({ [name]: given }));
    expect(code).toBe('invalid_configuration');
    expect(message).toContain(`${name} `);
    expect(message).toContain(why);
  });

  it('that is wrong is named together with all others that are', () => {
    const { message } = refusalOf(() => readConfig({ BIND_ADDR: 'x', LOG_LEVEL: 'x', TOKENS_PATH: 'x' }));
    expect(message.split('; ').map((told) => told.split(' ')[0])).toEqual(['BIND_ADDR', 'TOKENS_PATH', 'LOG_LEVEL']);
  });
});

describe('an address', () => {
  it.each(['127.0.0.1', '127.8.8.8', 'localhost', '[::1]'])('%s can be reached from this machine only', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(['0.0.0.0', '192.168.0.1', '[::]', '[::2]', '1.127.0.1', ''])('%j can be reached from elsewhere', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
