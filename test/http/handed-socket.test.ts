// A socket that systemd hands over: TCP or unix, what may be read there without a token, and what is refused.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { request } from 'node:http';
import { type Server, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FLAGS, PROGRAM } from '../support/program.ts';
import { SERVICE_TOKEN } from '../support/house.ts';
import { openFolder } from '../support/folder.ts';

/** The program with this listening socket as its fourth file descriptor, as systemd would start it: which listens no more itself. */
async function startOn(dir: string, handed: Server, env: Record<string, string>) {
  const { fd } = (handed as unknown as { _handle: { fd: number } })._handle;
  const child = spawn(process.execPath, [...FLAGS, PROGRAM], {
    env: {
      BIND_ADDR: '127.0.0.1:8515',
      AUDIT_LOG_PATH: join(dir, 'audit.jsonl'),
      CONTAINMENT_POLICY_PATH: join(dir, 'none.yaml'),
      SERVICE_TOKEN_PATH: join(dir, 'token'),
      STORE_RESERVE_BYTES: '0',
      LISTEN_FDS: '1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit', fd],
  });
  handed.close();
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => void (output += chunk.toString()));
  await new Promise<void>((resolve) => {
    child.stdout?.on('data', () => output.includes('"listening"') && resolve());
    child.once('exit', () => resolve());
  });
  return {
    output: () => output,
    exitCode: () => child.exitCode,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

async function ask(at: { port: number } | { socketPath: string }, path: string, headers: Record<string, string> = {}): Promise<number> {
  const asked = request({ ...at, host: '127.0.0.1', path, headers, agent: false });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [{ statusCode: number; resume(): void }];
  answer.resume();
  return answer.statusCode;
}

async function listening(at: { port: number; host: string } | { path: string }): Promise<Server> {
  const server = createServer();
  server.listen(at);
  await once(server, 'listening');
  return server;
}

describe('a socket that is handed over', () => {
  it('is listened on instead of BIND_ADDR; on loopback, reads are open', async () => {
    using folder = openFolder();
    folder.file('token', SERVICE_TOKEN);
    const handed = await listening({ port: 0, host: '127.0.0.1' });
    const { port } = handed.address() as { port: number };
    await using program = await startOn(folder.path, handed, {});
    expect(program.output()).toContain(`"address":"http://127.0.0.1:${port}"`);
    expect(await ask({ port }, '/api/v1/incidents')).toBe(200);
    expect(await ask({ port }, '/health', { host: `localhost:${port}` })).toBe(200);
    expect(await ask({ port }, '/health', { host: 'elsewhere' })).toBe(421);
  });

  it('may be one of the unix kind, which only this machine can reach', async () => {
    using folder = openFolder();
    folder.file('token', SERVICE_TOKEN);
    const socketPath = join(folder.path, 'recorder.sock');
    const handed = await listening({ path: `${socketPath}.made` });
    renameSync(`${socketPath}.made`, socketPath); // who closes it removes it by the name that it was made with
    await using program = await startOn(folder.path, handed, {});
    expect(program.output()).toContain('"address":"a unix socket"');
    expect(await ask({ socketPath }, '/api/v1/incidents', { host: 'localhost' })).toBe(200);
    expect(await ask({ socketPath }, '/api/v1/audit/records', { host: 'localhost' })).toBe(401);
    expect(await ask({ socketPath }, '/api/v1/audit/records', { host: 'localhost', authorization: `Bearer ${SERVICE_TOKEN}` })).toBe(200);
  });

  it('keeps reads closed when it is not on loopback, whatever BIND_ADDR says', async () => {
    using folder = openFolder();
    folder.file('token', SERVICE_TOKEN);
    const handed = await listening({ port: 0, host: '0.0.0.0' });
    const { port } = handed.address() as { port: number };
    await using program = await startOn(folder.path, handed, { BIND_ADDR: '127.0.0.1:8515' });
    expect(program.output()).toContain(`"address":"http://0.0.0.0:${port}"`);
    expect(await ask({ port }, '/api/v1/incidents')).toBe(401);
  });

  it('is one: of two nothing is started', async () => {
    using folder = openFolder();
    folder.file('token', SERVICE_TOKEN);
    await using program = await startOn(folder.path, await listening({ port: 0, host: '127.0.0.1' }), { LISTEN_FDS: '2' });
    expect(program.exitCode()).toBe(78);
    expect(program.output()).toContain('LISTEN_FDS is more than one: the recorder listens on one socket');
  });

  it('that was meant for another process is left alone', async () => {
    using folder = openFolder();
    folder.file('token', SERVICE_TOKEN);
    await using program = await startOn(folder.path, await listening({ port: 0, host: '127.0.0.1' }), {
      LISTEN_PID: '1',
      LISTEN_FDS: '2',
      BIND_ADDR: '127.0.0.1:0',
    });
    expect(program.output()).toContain('"listening"');
  });
});
