// `npm start` as a person runs it: the banner's own curl lines work, and Ctrl-C ends it.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT, freePort } from '../support/program.ts';

it('prints where the token is and curl lines that work as they stand', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'start-'));
  const port = await freePort();
  const env = {
    ...process.env,
    BIND_ADDR: `127.0.0.1:${port}`,
    AUDIT_LOG_PATH: join(dir, 'audit.jsonl'),
    DATABASE_PATH: join(dir, 'incidents.db'),
    CHECKPOINT_KEY_PATH: join(dir, 'checkpoint.key'),
  };
  const child = spawn('npm', ['start'], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  try {
    while (!output.includes('"message":"listening"')) {
      if (child.exitCode !== null) throw new Error(output);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(output).toContain('var/service-token');
    expect(statSync(join(ROOT, 'var/service-token')).mode & 0o777).toBe(0o600);
    const [report, list] = output.match(/^\s*curl .*(?:\\\n.*)*$/gm) ?? [];
    const incident = JSON.parse(execFileSync('sh', ['-c', report ?? 'false'], { encoding: 'utf8' }));
    expect(incident).toMatchObject({ class: 'prompt_injection', state: 'contained' });
    const incidents = JSON.parse(execFileSync('sh', ['-c', list ?? 'false'], { encoding: 'utf8' }));
    expect(incidents.map(({ id }: { id: string }) => id)).toEqual([incident.id]);
    child.kill('SIGTERM');
    await exited;
    expect(output).toContain('"message":"stopped"');
  } finally {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
});
