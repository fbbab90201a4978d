// `doctor` as it is called for a service without a unit: what is not in force is said to be so, and what is broken beside it is named.

import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Line } from '../../src/cli/doctor-line.ts';
import { SERVICE_TOKEN, writeSecret } from '../support/house.ts';
import { type Program, ROOT, freePort, startProgram } from '../support/program.ts';

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'dist/cli.js'), 'doctor', ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

const envOf = ({ dir }: Pick<Program, 'dir'>, policy = join(ROOT, 'policy/incident-containment.yaml')) => ({
  ...{ AUDIT_LOG_PATH: join(dir, 'audit.jsonl'), CONTAINMENT_POLICY_PATH: policy, SERVICE_TOKEN_PATH: join(dir, 'service-token') },
  PATH: '/nowhere', // neither systemctl nor timedatectl
});

async function examine(program: Program, args: readonly string[] = [], policy?: string) {
  const { code, stdout, stderr } = await run(['--url', program.url, '--json', ...args], envOf(program, policy));
  expect(stderr).toBe('');
  const { verdict, unit, layers, beside } = JSON.parse(stdout) as { verdict: string; unit: null; layers: Line[]; beside: Line[] };
  const lines = [...layers, ...beside];
  const are = (word: Line['word'], of = lines) => of.filter((line) => line.word === word).map(({ about }) => about);
  return { code, verdict, unit, layers, beside, are, seen: (about: string) => lines.find((line) => line.about === about)?.seen };
}

describe('a service in no sandbox', () => {
  it('has none of our layers, says so itself, and nothing is wrong beside', async () => {
    await using program = await startProgram();
    const said = await examine(program);
    expect(said).toMatchObject({ code: 3, verdict: 'wrong', unit: null });
    const own = ['seccomp_profile', 'landlock_files', 'landlock_ports', 'no_exec', 'read_only_system', 'home', 'private_tmp'];
    expect(said.are('WRONG', said.layers)).toEqual(expect.arrayContaining(own));
    expect(said.are('unknown', said.layers)).toEqual(expect.arrayContaining(['network', 'memory', 'cpu', 'tasks', 'watchdog', 'restart']));
    expect(said.are('ok', said.layers)).toEqual(expect.arrayContaining(['jitless', 'made_code']));
    expect(new Set(said.layers.filter(({ word }) => word !== 'unknown').flatMap(({ from }) => from))).toEqual(
      new Set(['seen by the service']),
    );
    expect(said.are('WRONG', said.beside)).toEqual([]);
    expect(said.are('ok', said.beside)).toEqual(['service', 'actuators', 'node', 'permissions', 'policy', 'chain', 'clock', 'disk']);
  });

  it('is told of in lines, with what is wrong at the end', async () => {
    await using program = await startProgram();
    const { code, stdout, stderr } = await run(['--url', `${program.url}/`], envOf(program));
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
    expect(stdout).toMatch(/^WRONG +landlock_files +seen by the service +\/ can be opened$/m);
    expect(stdout).toMatch(/^unknown +memory +seen here +the service cannot tell it, and no unit was named$/m);
    expect(stdout).toMatch(/^WRONG: .*seccomp_profile, landlock_files, landlock_ports/m);
  });

  it('that has broken is named with what broke: log, policy, permissions, an actuator', async () => {
    await using program = await startProgram();
    // Until it has looked through all of it, the service mends what it finds; afterwards only its next start does.
    const health = async () => (await (await fetch(`${program.url}/health`)).json()) as { checks: { audit: string } };
    while ((await health()).checks.audit !== 'ok') await new Promise((resolve) => setTimeout(resolve, 50));
    const log = join(program.dir, 'audit.jsonl');
    const policy = join(program.dir, 'policy.yaml');
    writeFileSync(policy, 'version: 1\nrules: {no_such_class: {auto_contain: true}}\n');
    chmodSync(join(program.dir, 'service-token'), 0o644);
    const bytes = readFileSync(log);
    bytes[400] = (bytes[400] ?? 0) ^ 1;
    writeFileSync(log, bytes, { flag: 'r+' });
    const said = await examine(program, [], policy);
    expect(said.code).toBe(3);
    expect(said.are('WRONG', said.beside)).toEqual(['permissions', 'policy', 'chain']);
    expect(said.seen('permissions')).toContain(`${join(program.dir, 'service-token')}: others may open it (mode 0644)`);
    expect(said.seen('policy')).toContain('no_such_class');
    expect(said.seen('chain')).toMatch(/^TAMPERED: record \d/);
  });

  it('with an actuator that takes no connections is told of it before it was ever needed', async () => {
    const listening = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const open = (listening.address() as { port: number }).port;
    const shut = await freePort();
    const actuator = (action: string, port: number) => `{actions: [${action}], push: "http://127.0.0.1:${port}/x"}`;
    await using program = await startProgram({ env: { CONTAINMENT_POLICY_PATH: '/not/there/policy.yaml', AGENT_URL: '' } });
    const policy = join(program.dir, 'policy.yaml');
    writeFileSync(
      policy,
      `version: 1\nrules: {}\nactuators:\n  agent: ${actuator('freeze_agent', shut)}\n  airlock: ${actuator('disable_airlock', open)}\n  firewall: {actions: [block_ip], pull: true}\n`,
    );
    await program.end('SIGTERM');
    await using again = await startProgram({ dir: program.dir, env: { CONTAINMENT_POLICY_PATH: policy } });
    const said = await examine(again, [], policy);
    listening.close();
    expect(said.are('WRONG', said.beside)).toEqual(['actuator agent']);
    expect(said.seen('actuator agent')).toBe(`http://127.0.0.1:${shut}/x does not answer: ECONNREFUSED`);
    expect(said.seen('actuator airlock')).toBe(`http://127.0.0.1:${open}/x takes connections`);
    expect(said.are('unknown', said.beside)).toEqual(['actuator firewall']);
    expect(said.seen('policy')).toContain('0 rules, actuators agent, airlock, firewall; as in force');
  });
});

describe('a service that cannot be asked', () => {
  it('ends it with 69, and all else is told', async () => {
    await using program = await startProgram();
    await program.end('SIGTERM');
    const said = await examine(program);
    expect(said).toMatchObject({ code: 69, verdict: 'unreachable' });
    expect(said.are('unknown', said.layers)).toHaveLength(25);
    expect(said.are('ok', said.beside)).toEqual(['permissions', 'policy', 'chain', 'clock', 'disk']);
    expect(said.seen('service')).toContain('it does not answer: connection refused');
  });

  it('with this token ends it with 77', async () => {
    await using program = await startProgram();
    const other = join(program.dir, 'other');
    writeSecret(other, SERVICE_TOKEN.replace('5', '6'));
    const said = await examine(program, ['--token', other]);
    expect(said).toMatchObject({ code: 77, verdict: 'unauthorised' });
    expect(said.seen('landlock_files')).toContain('GET /api/v1/sandbox is answered with 401');
  });

  it('because nobody knows its process is not shown the token', async () => {
    let connections = 0;
    const impostor = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(impostor, 'listening');
    const { port } = impostor.address() as { port: number };
    const { code, stdout } = await run([], { PATH: '/nowhere', BIND_ADDR: `127.0.0.1:${port}` });
    impostor.close();
    expect({ code, connections }).toEqual({ code: 69, connections: 0 });
    expect(stdout).toContain('there is no systemd here that knows its process; --url says where it answers');
  });

  it('whose answers are not to be trusted is not obeyed: neither by the terminal, nor by the table', async () => {
    const asked: (string | undefined)[] = [];
    const hostile = createHttp(({ url }, response) => {
      asked.push(url);
      const layers = [{ layer: 'landlock_files', in_force: true, seen: 'all\u001b[2K\rok  is well\nok  other' }];
      const actuators = [
        {
          name: 'a\u001b[0m',
          reached: 'pull',
          health: 'ok',
          heartbeat_ms: null,
          breaker: null,
          last_error: null,
          waits_since: null,
          heard_at: null,
        },
      ];
      const answers: Record<string, unknown> = {
        '/health': { status: '\u001b]0;x', checks: {} },
        '/api/v1/sandbox': { software: 'x', node: '26.0.0', layers },
        '/api/v1/actuators': actuators,
      };
      response.end(JSON.stringify(answers[url ?? '']));
    }).listen(0, '127.0.0.1');
    await once(hostile, 'listening');
    const { port } = hostile.address() as { port: number };
    const dir = mkdtempSync(join(tmpdir(), 'doctor-'));
    writeSecret(join(dir, 'token'), SERVICE_TOKEN);
    const { stdout } = await run(['--url', `http://127.0.0.1:${port}`, '--token', join(dir, 'token')], { PATH: '/nowhere' });
    rmSync(dir, { recursive: true });
    expect(asked).toEqual(['/health', '/api/v1/sandbox', '/api/v1/actuators']);
    expect(stdout).toContain('all\\u001b[2K\\u000dok  is well\\u000aok  other');
    expect(stdout).toContain('a\\u001b[0m');
    hostile.close();
    expect(stdout).not.toContain('\u001b');
    expect(stdout).not.toMatch(/^ok {2}other/m);
  });
});

describe('what it is called with', () => {
  it.each([
    [['--unit', '--all'], '--unit --all: is no name of a unit'],
    [['--unit', 'a b'], '--unit a b: is no name of a unit'],
    [['--unit=-p'], '--unit -p: is no name of a unit'],
    [['--url', 'ftp://x'], '--url ftp://x: must be such as http://127.0.0.1:8515'],
    [['--url', 'http://127.0.0.1:1', '--token', '/not/there'], '--token /not/there: there is no such file'],
    [['--url', 'http://127.0.0.1:1', '--token', join(ROOT, 'package.json')], 'package.json: holds no token'],
    [['everything'], 'too many arguments'],
  ])('%j is refused with 2', async (args, said) => {
    const { code, stderr } = await run(args, { PATH: '/nowhere' });
    expect(code).toBe(2);
    expect(stderr).toContain(said);
  });

  it('has a help with examples', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('incident-recorder doctor --json | jq');
    expect(stdout).toContain('69 the service does not answer');
  });
});
