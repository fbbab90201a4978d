// The three servers that are compared, each a process of its own, all with the flags of production.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { FLAGS, type Program, startProgram } from '../support/program.ts';
import { openLine } from './line.ts';
import { get } from './requests.ts';

/** @returns the port it listens on */
export async function startYardstick(name: 'node-http' | 'hono-zod', scope: AsyncDisposableStack): Promise<number> {
  const file = join(import.meta.dirname, `yardsticks/${name}.mjs`);
  const child = spawn(process.execPath, [...FLAGS, file], { env: { PATH: process.env['PATH'] }, stdio: ['ignore', 'pipe', 'inherit'] });
  scope.defer(() => void child.kill('SIGKILL'));
  const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [Buffer | number];
  const port = Number(String(said));
  if (!Buffer.isBuffer(said) || !(port > 0)) throw new Error(`the yardstick ${name} does not start`);
  return port;
}

/** The recorder as it is built and shipped, on a folder of its own, which goes with it. */
export async function startRecorder(scope: AsyncDisposableStack, env: Record<string, string> = {}): Promise<Program> {
  return scope.use(await startProgram({ env: { STORE_MAX_BYTES: String(16 * 1024 ** 3), ...env } }));
}

export async function totalOf({ port }: Program): Promise<number> {
  const { total_incidents } = JSON.parse((await ask(port, get('/api/v1/stats'))).body) as { total_incidents: number };
  return total_incidents;
}

/** One request on a connection of its own: the recorder takes no more connections than the load needs. */
export async function ask(port: number, request: string): Promise<{ head: string; body: string }> {
  const line = await openLine(port);
  const answer = await line.ask(request);
  await line.close();
  if (answer.status >= 300) throw new Error(`${request.slice(0, request.indexOf('\r'))}: ${answer.status} ${answer.body()}`);
  return { head: answer.head, body: answer.body() };
}
