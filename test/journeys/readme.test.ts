// The README, run: each example as it stands, one after the other, as someone would who has five minutes.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENVIRONMENT } from '../../src/config.ts';
import { ROOT, startProgram } from '../support/program.ts';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

interface Example {
  name: string;
  command: string;
}

function examples(): Example[] {
  const blocks = README.matchAll(/<!-- example: ([\w ]+) -->\n```sh\n([\s\S]*?)```/g);
  return [...blocks].map(([, name = '', command = '']) => ({ name, command }));
}

describe('the README', () => {
  it('has every shell block but the two commands as an example that this test runs, or (of the service) test/sandboxed/readme.test.ts', () => {
    const inSystemd = README.match(/<!-- example in a real systemd: service -->\n```sh\n/g) ?? [];
    expect(inSystemd).toHaveLength(1);
    expect(README.match(/```sh\n/g)).toHaveLength(examples().length + 1 + inSystemd.length);
    expect(README).toMatch(/```sh\nnpm start .*\nnpm test .*\n```/);
  });

  it('tells the truth: report, resolve, look, verify, each as printed', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'readme-'));
    try {
      mkdirSync(join(dir, 'var'));
      symlinkSync(join(ROOT, 'test'), join(dir, 'test'));
      symlinkSync(join(ROOT, 'policy'), join(dir, 'policy'));
      await using program = await startProgram({ dir: join(dir, 'var') });
      const shown = new Map<string, string>();
      // One shell for all, as the reader has: what one example sets, the next one uses.
      const marked = examples().map(({ name, command }) => `printf '\\n=== ${name}\\n'\n${here(command, program.port)}`);
      const output = execFileSync('sh', ['-eu', '-c', marked.join('\n')], {
        cwd: dir,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'] },
      });
      for (const part of output.split('\n=== ').slice(1)) shown.set(part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1));

      const reported = JSON.parse(shown.get('report') ?? '');
      const [, promised = ''] = /```json\n([\s\S]*?)```/.exec(README) ?? [];
      expect(shapeOf(reported)).toMatchObject(shapeOf(JSON.parse(promised)));
      expect(reported).toMatchObject({ state: 'contained', severity: 'critical', containment: { status: 'recorded' } });

      const [acknowledged, resolved] = jsonValues(shown.get('resolve') ?? '');
      expect(acknowledged).toMatchObject({ id: reported.id, state: 'acknowledged' });
      expect(resolved).toMatchObject({ id: reported.id, state: 'resolved', resolution: 'expected' });

      const [health, list, stats, timeline] = jsonValues(shown.get('look') ?? '');
      expect(health).toMatchObject({ status: 'ok', total_incidents: 1 });
      expect(list).toEqual([]);
      expect(stats).toMatchObject({ total_incidents: 1, resolved_count: 1 });
      expect(timeline.find(({ type }: any) => type === 'incident.resolved')).toMatchObject({
        data: { note: 'firmware update, PCR 7 re-sealed' },
      });

      const lines = readFileSync(program.auditPath, 'utf8').trimEnd().split('\n');
      const [, verified = ''] = /```text\n([\s\S]*?)```/.exec(README) ?? [];
      expect(withoutHashes(shown.get('verify') ?? '')).toBe(withoutHashes(verified));
      expect(verified).toContain(`records 1 to ${lines.length} are sound`);
      const [, held = '', proven = ''] = [...README.matchAll(/```text\n([\s\S]*?)```/g)].map(([, text]) => text);
      expect(withoutNames(shown.get('hold') ?? '')).toBe(withoutNames(held));
      expect(withoutNames(shown.get('evidence') ?? '')).toBe(withoutNames(proven));
      expect(shown.get('policy')).toMatch(/^policy\/with-actuators.yaml is good: 9 rules, actuators agent, airlock, firewall,/);
      expect(shown.get('policy')).toMatch(/^freeze_agent on agent:\*: ordered; asked of actuator agent/m);
      expect(shown.get('policy')).toContain(`records 1 to ${lines.length} tell of 1 reports`);
      expect(shown.get('by hand')).toContain((JSON.parse(lines[0] ?? '') as { hash: string }).hash);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('has a row for each environment variable, with its default, and for no other', () => {
    const rows = [...README.matchAll(/^\| `([A-Z_]+)` \| (.*?) \|/gm)].map(([, name = '', text = '']) => [name, text] as const);
    expect(rows.map(([name]) => name).toSorted()).toEqual(Object.keys(ENVIRONMENT).toSorted());
    for (const [name, text] of rows) {
      const fallback = ENVIRONMENT[name as keyof typeof ENVIRONMENT];
      if (typeof fallback === 'string' && fallback !== '') expect(text, name).toContain(`\`${fallback}\``);
      if (fallback === '') expect(text, name).toBe('–');
    }
  });
});

/** As it would be in a checkout whose recorder is at the test's port: npm finds the project where the test's folder is not one. */
function here(command: string, port: number): string {
  return command.replaceAll('8515', String(port)).replaceAll('npm run', `npm --prefix '${ROOT}' run`);
}

function withoutHashes(text: string): string {
  return text.trim().replaceAll(/[0-9a-f]{64}/g, '<hash>');
}

/** A checkpoint is up to a second old, and the key is this run's. */
function withoutNames(text: string): string {
  return withoutHashes(text)
    .replaceAll(/\S+\/incident-recorder\+\S+/g, '<key>')
    .replaceAll(/the first \d+ records/g, 'the first <n> records')
    .replaceAll(/log \S+ as it was signed with \d+/g, 'log <name> as it was signed with <n>')
    .replaceAll(/INC-\S+/g, '<id>');
}

/** Kinds instead of values, for what differs from run to run. */
function shapeOf(value: unknown): any {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shapeOf(inner)]));
  if (typeof value !== 'string') return typeof value;
  return value
    .replace(/^(INC|HLD)-.*/, '$1')
    .replace(/^\d{4}-.*Z$/, 'instant')
    .replace(/^[0-9a-f]{8}.*/, 'hash');
}

/** JSON values that follow each other without anything between, as curl leaves them. */
function jsonValues(text: string): any[] {
  const values: any[] = [];
  for (let rest = text.trim(); rest !== '';) {
    let end = 0;
    for (let at = rest.search(/[}\]]/); at >= 0 && end === 0; at = next(rest, at)) {
      try {
        values.push(JSON.parse(rest.slice(0, at + 1)));
        end = at + 1;
      } catch {
        // Not the end of this value yet.
      }
    }
    if (end === 0) throw new Error(`not JSON: ${rest.slice(0, 200)}`);
    rest = rest.slice(end).trim();
  }
  return values;
}

function next(text: string, at: number): number {
  const found = text.slice(at + 1).search(/[}\]]/);
  return found < 0 ? -1 : at + 1 + found;
}
