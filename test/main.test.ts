// The program as it is started, signalled and ended: what it refuses to start with, what a reload may change, what an end leaves behind.

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { type Folder, openFolder } from './support/folder.ts';
import { SERVICE_TOKEN, aReport, readRecords, tokensFile, writeSecret } from './support/house.ts';
import { FLAGS, PROGRAM, type Program, freePort, runToEnd, startProgram } from './support/program.ts';
import { verifyLog } from './support/verify-log.mjs';

const POLICY = 'version: 1\nrules: {prompt_injection: {auto_contain: true, actions: [freeze_agent], default_severity: high}}\n';
const OTHER =
  'version: 1\nmode: observe\nrules: {prompt_injection: {auto_contain: true, actions: [freeze_agent], default_severity: low}}\n';
const BAD = 'version: 1\nrules:\n  prompt_injection:\n    auto_contian: true\n';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Everything good, in a folder; a test spoils one thing. */
async function surroundings(folder: Folder): Promise<Record<string, string>> {
  return {
    BIND_ADDR: `127.0.0.1:${await freePort()}`,
    CONTAINMENT_POLICY_PATH: folder.file('policy.yaml', POLICY),
    AUDIT_LOG_PATH: join(folder.path, 'data/audit.jsonl'),
    SERVICE_TOKEN_PATH: folder.file('service-token', SERVICE_TOKEN),
  };
}

async function refusedStart(spoil: (folder: Folder) => Record<string, string>) {
  using folder = openFolder();
  const { code, output } = await runToEnd({ ...(await surroundings(folder)), ...spoil(folder) });
  const last = JSON.parse(output.trim().split('\n').at(-1) ?? '') as { level: string; message: string; error: string; stack?: string };
  return { code, output, last, folder: folder.path, dataWasMade: existsSync(join(folder.path, 'data')) };
}

const bearer = (token = SERVICE_TOKEN) => ({ Authorization: `Bearer ${token}` });
const report = async (program: Program, more = {}, token = SERVICE_TOKEN) =>
  request(program.url).post('/api/v1/incidents/report').set(bearer(token)).send(aReport(more));
const reload = async (program: Program) => request(program.url).post('/api/v1/reload').set(bearer());
const recordsOf = (program: Program, type: string) => readRecords(program.auditPath).filter((record) => record.type === type);

/** Answered once: what the program does right after it listens is done too. */
const ready = async (program: Program) => expect((await request(program.url).get('/readyz')).status).toBe(200);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
const logged = async (program: Program, message: string, times = 1) =>
  until(() => program.output().split(`"message":"${message}`).length > times);

describe('the program refuses to start', () => {
  it.each<[string, (folder: Folder) => Record<string, string>, string]>([
    ['without its token file', (folder) => ({ SERVICE_TOKEN_PATH: join(folder.path, 'none') }), 'none: there is no such file'],
    ['with an empty token file', (folder) => ({ SERVICE_TOKEN_PATH: folder.file('t', '\n') }), 't: is empty'],
    [
      'with a short token',
      (folder) => ({ SERVICE_TOKEN_PATH: folder.file('t', 'tiny-secret') }),
      't: the token is 11 characters long; at least 32 are needed',
    ],
    [
      'with a token that everyone may read',
      (folder) => ({ SERVICE_TOKEN_PATH: folder.file('t', SERVICE_TOKEN, 0o644) }),
      't: is readable by everyone (mode 644); chmod 600 it',
    ],
    [
      'with a malformed token',
      (folder) => ({ SERVICE_TOKEN_PATH: folder.file('t', `${SERVICE_TOKEN}\n${SERVICE_TOKEN}`) }),
      't: the token must be one line of visible ASCII without spaces',
    ],
    ['without its file of tokens', (folder) => ({ TOKENS_PATH: join(folder.path, 'none') }), 'none: there is no such file'],
    [
      'with a malformed file of tokens',
      (folder) => ({ TOKENS_PATH: folder.file('ts', 'version: 1\ntokens:\n  - {name: a, role: reportr}\n') }),
      'ts:3:15: tokens/0/role must be one of reporter, reader, operator, admin, actuator; did you mean "reporter"?',
    ],
    [
      'with a bad policy',
      (folder) => ({ CONTAINMENT_POLICY_PATH: folder.file('p.yaml', BAD) }),
      'p.yaml:4:5: rules/prompt_injection/auto_contian is not a known key; did you mean "auto_contain"?',
    ],
    ['with an empty policy', (folder) => ({ CONTAINMENT_POLICY_PATH: folder.file('p.yaml', '') }), 'p.yaml:1:1: the file is empty'],
    [
      'with a policy that is nested beyond all reason',
      (folder) => ({ CONTAINMENT_POLICY_PATH: folder.file('p.yaml', `rules: ${'['.repeat(100_000)}`) }),
      'p.yaml:1:1: the file holds more than 30000 words and marks',
    ],
    [
      'with a policy that would fill its small heap',
      (folder) => ({ CONTAINMENT_POLICY_PATH: folder.file('p.yaml', `rules: [${'a,'.repeat(130_000)}]`) }),
      'p.yaml:1:1: the file holds more than 30000 words and marks',
    ],
    [
      'with a policy of 10 MB',
      (folder) => ({ CONTAINMENT_POLICY_PATH: folder.file('p.yaml', `version: 1\n${'#\n'.repeat(5_000_000)}`) }),
      'p.yaml: is 10000011 bytes; at most 262144 are read',
    ],
    [
      'with a pipe that nobody writes to for a policy',
      (folder) => {
        execFileSync('mkfifo', [join(folder.path, 'pipe')]);
        return { CONTAINMENT_POLICY_PATH: join(folder.path, 'pipe') };
      },
      'pipe: is not a regular file',
    ],
    ['with a folder for a policy', (folder) => ({ CONTAINMENT_POLICY_PATH: folder.path }), ': is not a regular file'],
    ['with an address that is none', () => ({ BIND_ADDR: '999.0.0.1:80' }), 'BIND_ADDR has no IP address before its port'],
    ['with a level that is none', () => ({ LOG_LEVEL: 'loud' }), 'LOG_LEVEL '],
  ])('%s: it says why, exits 78, opens no door and makes no data', async (_, spoil, why) => {
    const { code, output, last, dataWasMade } = await refusedStart(spoil);
    expect(last).toMatchObject({ level: 'critical', message: 'the recorder cannot run' });
    expect(last.error).toContain(why);
    expect(last.stack).toBeUndefined();
    expect(code).toBe(78);
    expect(output).not.toContain('listening');
    expect(output).not.toMatch(/tiny-secret|5e7f1ce0/);
    expect(dataWasMade).toBe(false);
  });

  it.each<[string, (folder: Folder) => string, string]>([
    ['is no key', (folder) => folder.file('key', 'not a key'), 'key: '],
    ['is open to everyone', (folder) => folder.file('key', 'not a key', 0o644), 'key: is readable by everyone'],
    ['is a folder', (folder) => folder.path, ': is not a regular file'],
  ])('with a checkpoint key that %s: exit 78', async (_, make, why) => {
    const { code, last } = await refusedStart((folder) => ({ CHECKPOINT_KEY_PATH: make(folder) }));
    expect(last.error).toContain(why);
    expect(code).toBe(78);
  });

  it('on an address that is taken: exit 1, and the store is free again', async () => {
    using folder = openFolder();
    const env = await surroundings(folder);
    const other = createServer().listen(Number(env['BIND_ADDR']?.split(':')[1]), '127.0.0.1');
    await once(other, 'listening');
    const { code, output } = await runToEnd(env);
    other.close();
    expect(output).toContain('EADDRINUSE');
    expect(code).toBe(1);
    await using program = await startProgram({ dir: folder.path, env: { ...env, BIND_ADDR: `127.0.0.1:${await freePort()}` } });
    expect(program.output()).toContain('"message":"listening"');
  });

  it('on a store that another recorder holds: exit 75, and the other one serves on', async () => {
    await using first = await startProgram();
    const { code, output } = await runToEnd({
      BIND_ADDR: `127.0.0.1:${await freePort()}`,
      AUDIT_LOG_PATH: first.auditPath,
      SERVICE_TOKEN_PATH: join(first.dir, 'service-token'),
    });
    expect(output).toContain('is in use by another recorder');
    expect(code).toBe(75);
    expect((await report(first)).status).toBe(201);
  });
});

describe('without a policy file', () => {
  it('the built-in table is in force from the start, and health says so', async () => {
    await using program = await startProgram({ env: { CONTAINMENT_POLICY_PATH: '/nowhere/policy.yaml' } });
    const { body } = await request(program.url).get('/health');
    expect(body).toMatchObject({ status: 'ok', checks: { policy: 'built_in' } });
    const { body: incident } = await report(program);
    expect(incident).toMatchObject({ state: 'contained', severity: 'high', decided_by: { rule: 'prompt_injection', line: null } });
    expect(recordsOf(program, 'policy.loaded')).toMatchObject([{ data: { from: 'built_in', rules: 9, mode: 'enforce' } }]);
  });
});

describe('a SIGHUP', () => {
  it('puts a good policy and good tokens in force', async () => {
    using folder = openFolder();
    const policy = folder.file('policy.yaml', POLICY);
    const tokens = folder.file('tokens.yaml', tokensFile({ alice: { token: 'alice'.repeat(8), role: 'operator' } }));
    await using program = await startProgram({ env: { CONTAINMENT_POLICY_PATH: policy, TOKENS_PATH: tokens } });
    expect((await report(program)).body).toMatchObject({ severity: 'high', decided_by: { policy_sha256: sha256(POLICY) } });

    writeFileSync(policy, OTHER);
    writeSecret(tokens, tokensFile({ bob: { token: 'bob-'.repeat(9), role: 'operator' } }));
    process.kill(program.pid, 'SIGHUP');
    await logged(program, 'reloaded');
    expect((await report(program)).body).toMatchObject({ severity: 'low', decided_by: { policy_sha256: sha256(OTHER) } });
    const timeline = (token: string) => request(program.url).post('/api/v1/reload').set(bearer(token));
    expect((await timeline('alice'.repeat(8))).status).toBe(401);
    expect((await timeline('bob-'.repeat(9))).status).toBe(200);
    expect(recordsOf(program, 'policy.loaded')).toMatchObject([
      { actor: 'recorder', data: { sha256: sha256(POLICY), text: POLICY } },
      { actor: 'recorder', data: { sha256: sha256(OTHER), text: OTHER } },
      { actor: 'operator:bob', data: { sha256: sha256(OTHER) } },
    ]);
  });

  it.each<[string, (policy: string, tokens: string) => void, string]>([
    ['a bad policy', (policy) => writeFileSync(policy, BAD), ':4:5: rules/prompt_injection/auto_contian is not a known key'],
    ['an empty policy', (policy) => writeFileSync(policy, ''), ':1:1: the file is empty'],
    ['no policy any more', (policy) => rmSync(policy), ': there is no such file; the policy in force stays'],
    ['an empty token', (_, token) => writeFileSync(token, ''), ': is empty'],
    ['no token any more', (_, token) => rmSync(token), ': there is no such file'],
    ['a token that everyone may read', (_, token) => chmodSync(token, 0o604), ': is readable by everyone'],
  ])('that finds %s changes nothing, and is told', async (_, spoil, why) => {
    using folder = openFolder();
    const policy = folder.file('policy.yaml', POLICY);
    await using program = await startProgram({ env: { CONTAINMENT_POLICY_PATH: policy } });
    await ready(program);
    const before = readRecords(program.auditPath).length;

    // What is good beside the bad must not come into force either.
    writeFileSync(policy, OTHER);
    spoil(policy, join(program.dir, 'service-token'));
    process.kill(program.pid, 'SIGHUP');
    await logged(program, 'reload refused; what was in force stays');
    expect(program.output()).toContain(why);
    expect(readRecords(program.auditPath)).toHaveLength(before);
    expect((await report(program)).body).toMatchObject({ severity: 'high', decided_by: { policy_sha256: sha256(POLICY) } });
  });
});

describe('a reload over HTTP', () => {
  it('is all or nothing: a good policy beside bad tokens, and good tokens beside a bad policy, change nothing', async () => {
    using folder = openFolder();
    const [alice, bob] = ['alice'.repeat(8), 'bob-'.repeat(9)];
    const policy = folder.file('policy.yaml', POLICY);
    const tokens = folder.file('tokens.yaml', tokensFile({ alice: { token: alice, role: 'reader' } }));
    await using program = await startProgram({ env: { CONTAINMENT_POLICY_PATH: policy, TOKENS_PATH: tokens } });
    const reads = async (token: string) => (await request(program.url).get('/api/v1/incidents?q=x').set(bearer(token))).status;
    const before = readRecords(program.auditPath).length;

    writeFileSync(policy, OTHER);
    writeSecret(tokens, 'version: 1\ntokens: []\n');
    const badTokens = await reload(program);
    expect(badTokens.status).toBe(400);
    expect(badTokens.body).toMatchObject({ code: 'invalid_configuration', errors: [{ pointer: '/tokens', line: 2, column: 1 }] });

    writeFileSync(policy, BAD);
    writeSecret(tokens, tokensFile({ bob: { token: bob, role: 'reader' } }));
    const badPolicy = await reload(program);
    expect(badPolicy.status).toBe(400);
    expect(badPolicy.body).toMatchObject({ errors: [{ pointer: '/rules/prompt_injection/auto_contian', line: 4, column: 5 }] });

    expect(readRecords(program.auditPath)).toHaveLength(before);
    expect((await report(program)).body.decided_by.policy_sha256).toBe(sha256(POLICY));
    expect([await reads(alice), await reads(bob)]).toEqual([200, 401]);

    writeFileSync(policy, OTHER);
    expect((await reload(program)).body).toMatchObject({ status: 'reloaded', policy_sha256: sha256(OTHER), rules: 1, mode: 'observe' });
    expect((await report(program)).body.decided_by.policy_sha256).toBe(sha256(OTHER));
    expect([await reads(alice), await reads(bob)]).toEqual([401, 200]);
    expect(recordsOf(program, 'tokens.loaded').at(-1)?.data['tokens']).toMatchObject([{ name: 'service' }, { name: 'bob' }]);
  });

  it.each([
    ['far more than can be read', `version: 1\nrules: [${'a,'.repeat(130_000)}]\n`, 'holds more than 30000 words and marks'],
    ['as many mistakes as can be read', `version: 1\nrules: [${','.repeat(29_900)}]\n`, 'Unexpected , in flow sequence'],
    [
      'as many keys as can be read',
      `version: 1\nrules:\n${Array.from({ length: 3500 }, (_, i) => `  k${i}: 1\n`).join('')}`,
      'must be an object',
    ],
    [
      'as deep a nest as can be read',
      `version: 1\nrules: ${'['.repeat(14_000)}${']'.repeat(14_000)}\n`,
      'Maximum call stack size exceeded',
    ],
    ['as many anchors as can be read', `version: 1\nrules: [${'&a a,'.repeat(5900)}]\n`, 'uses an anchor or alias'],
  ])('of a file with %s is refused within the small heap of production, and the service goes on', async (_, text, why) => {
    using folder = openFolder();
    const policy = folder.file('policy.yaml', POLICY);
    await using program = await startProgram({ env: { CONTAINMENT_POLICY_PATH: policy } });
    writeFileSync(policy, text);
    const { status, body } = await reload(program);
    expect(status).toBe(400);
    expect(body.detail).toContain(why);
    expect(body.errors.length).toBeLessThanOrEqual(20);
    expect((await report(program)).body.decided_by.policy_sha256).toBe(sha256(POLICY));
  });

  it('is recorded with the text of a policy only the first time that it is in force', async () => {
    using folder = openFolder();
    const policy = folder.file('policy.yaml', POLICY);
    await using program = await startProgram({ env: { CONTAINMENT_POLICY_PATH: policy } });
    for (const text of [OTHER, POLICY]) {
      writeFileSync(policy, text);
      expect((await reload(program)).status).toBe(200);
    }
    expect(recordsOf(program, 'policy.loaded').map(({ data }) => [data['sha256'], data['text'] ?? null])).toEqual([
      [sha256(POLICY), POLICY],
      [sha256(OTHER), OTHER],
      [sha256(POLICY), null],
    ]);
  });
});

describe('a SIGTERM', () => {
  it('does not wait for those who only hold a connection, silent or in the middle of their headers', async () => {
    await using program = await startProgram();
    const sockets = ['', 'GET /health HTTP/1.1\r\nHost: 127'].map((text) => {
      const socket = connect(program.port, '127.0.0.1', () => socket.write(text));
      socket.on('error', () => {}); // it is cut off: that is what is tested
      return socket;
    });
    await Promise.all(sockets.map(async (socket) => once(socket, 'connect')));
    await fetch(`${program.url}/health`); // by now the others are accepted
    expect(await program.end('SIGTERM')).toEqual({ code: 0, signal: null });
    const lines = program
      .output()
      .split('\n')
      .filter((line) => line.includes('"ts"'));
    const at = (message: string) => Date.parse((JSON.parse(lines.find((line) => line.includes(message)) ?? '{}') as { ts: string }).ts);
    // One second is what they get; eight is what an accepted request would.
    expect(at('"stopped"') - at('"draining"')).toBeLessThan(6000);
  });

  it('under load answers what was accepted, keeps what was answered, and exits 0', async () => {
    await using program = await startProgram();
    const answered: string[] = [];
    const others = new Set<string>();
    const load = new AbortController();
    const sender = async () => {
      while (!load.signal.aborted) {
        const { status, body } = await report(program).catch((error: NodeJS.ErrnoException) => ({
          status: 0,
          body: { code: error.code ?? error.message },
        }));
        if (status === 201) answered.push(body.id);
        else others.add(`${status} ${body.code}`);
      }
    };
    const senders = Array.from({ length: 16 }, sender);
    await until(() => answered.length > 50);
    const ended = await program.end('SIGTERM');
    load.abort();
    await Promise.all(senders);

    // Refused, or never accepted: nothing is owed to these. Any other answer would be half a promise.
    for (const other of others) expect(other).toMatch(/^(503 draining|0 (ECONNREFUSED|ECONNRESET|EPIPE))/);
    expect(ended).toEqual({ code: 0, signal: null });
    const records = readRecords(program.auditPath);
    expect(verifyLog(program.auditPath)).toMatchObject({ fault: null, torn: false, records: records.length });
    const kept = records.filter(({ type }) => type === 'incident.reported').map(({ id }) => id);
    expect(kept).toHaveLength(answered.length);
    expect(new Set(kept)).toEqual(new Set(answered));
    expect(records.at(-1)).toMatchObject({ type: 'service.stopped', data: { reason: 'SIGTERM' } });
    expect(program.output()).toContain('"message":"stopped"');
  });

  it('ends it like SIGINT does, and both are on record', async () => {
    await using program = await startProgram();
    await ready(program);
    expect(await program.end('SIGINT')).toEqual({ code: 0, signal: null });
    await program.start();
    await ready(program);
    expect(await program.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(recordsOf(program, 'service.stopped').map(({ data }) => data['reason'])).toEqual(['SIGINT', 'SIGTERM']);
  });
});

describe('a signal that comes the moment it listens', () => {
  /** Starts it, and answers each message of its log with a signal at once; how it ended. */
  async function converse(answers: [message: string, signal: NodeJS.Signals][]): Promise<unknown> {
    using folder = openFolder();
    const env = { PATH: process.env['PATH'], ...(await surroundings(folder)) };
    const child = spawn(process.execPath, [...FLAGS, PROGRAM], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const [message, signal] = answers[0] ?? [];
      if (message === undefined || !output.includes(`"message":"${message}"`)) return;
      answers.shift();
      child.kill(signal);
    });
    return await once(child, 'exit');
  }

  it.each(['SIGTERM', 'SIGINT'] as const)('is heard: %s ends it with 0', async (signal) => {
    for (let i = 0; i < 5; i += 1) expect(await converse([['listening', signal]])).toEqual([0, null]);
  });

  it('is heard: SIGHUP reloads, and does not end it', async () => {
    for (let i = 0; i < 5; i += 1) {
      const ended = await converse([
        ['listening', 'SIGHUP'],
        ['reloaded', 'SIGTERM'],
      ]);
      expect(ended).toEqual([0, null]);
    }
  });
});

describe('its log', () => {
  it('opens each line with its priority under the journal, the alert included', async () => {
    await using program = await startProgram({ env: { JOURNAL_STREAM: '8:12345' } });
    await report(program, { description: 'forged\n<6>{"level":"info"}\u202e' });
    await program.end('SIGTERM');
    const lines = program.output().trimEnd().split('\n');
    const priorities = { debug: 7, info: 6, warning: 4, error: 3, critical: 2 };
    for (const line of lines) {
      const [, priority, json = ''] = /^<(\d)>(\{.*\})$/.exec(line) ?? [];
      const { level } = JSON.parse(json) as { level: keyof typeof priorities };
      expect(priorities[level], line).toBe(Number(priority));
    }
    expect(lines.filter((line) => line.startsWith('<2>'))).toHaveLength(1);
  });

  it('has no priorities elsewhere, and says no less than its level', async () => {
    await using program = await startProgram();
    await report(program);
    await program.end('SIGTERM');
    for (const line of program.output().trimEnd().split('\n')) expect(line).toMatch(/^\{"ts":/);
  });
});

describe('no secret', () => {
  it('is in any output, in the audit log or in the store: no token, no hash of one, no private key', async () => {
    using folder = openFolder();
    const named = { 'alice-1': 'alice-secret-'.repeat(3), 'bob-1': 'bob-secret-'.repeat(3) };
    const tokens = folder.file(
      'tokens.yaml',
      tokensFile({
        'alice-1': { token: named['alice-1'], role: 'operator' },
        'bob-1': { token: named['bob-1'], role: 'reporter', sources: ['tool-firewall'], classes: ['*'] },
      }),
    );
    await using program = await startProgram({ env: { TOKENS_PATH: tokens, LOG_LEVEL: 'debug' } });
    const { body: incident } = await report(program, {}, named['bob-1']);
    const step = request(program.url).post('/api/v1/incidents/resolve').set(bearer(named['alice-1']));
    expect((await step.send({ id: incident.id })).status).toBe(200);
    const guessed = 'guessed-secret-'.repeat(3);
    expect((await report(program, {}, guessed)).status).toBe(401);
    expect((await report(program, { source: 'airlock' }, named['bob-1'])).status).toBe(403);
    expect((await reload(program)).status).toBe(200);
    writeSecret(tokens, `version: 1\ntokens: [{name: a, role: reader, sha256: "${named['alice-1']}"}]\n`);
    expect((await reload(program)).status).toBe(400);
    process.kill(program.pid, 'SIGHUP');
    await logged(program, 'reload refused');
    await program.end('SIGTERM');

    const pem = readFileSync(join(program.dir, 'checkpoint.key'), 'utf8');
    expect(pem).toContain('PRIVATE KEY');
    const keyLines = pem.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
    const secrets = [SERVICE_TOKEN, ...Object.values(named), guessed];
    const told = program.output() + readFileSync(program.auditPath, 'utf8') + readFileSync(join(program.dir, 'incidents.db'), 'latin1');
    expect(told).toContain('alice-1');
    for (const secret of [...secrets, ...secrets.map(sha256), ...keyLines, 'PRIVATE KEY'])
      expect(told.includes(secret), secret).toBe(false);
  });
});
