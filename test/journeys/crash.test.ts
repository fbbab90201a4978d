// The program is killed in the middle of its work, again and again, and its disk fails under it: what it had answered is there.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { openFolder } from '../support/folder.ts';
import { SERVICE_TOKEN, aReport } from '../support/house.ts';
import { type Program, startProgram } from '../support/program.ts';
import { verifyLog } from '../support/verify-log.mjs';

const ROUNDS = 30;
const CONNECTIONS = 64;

interface Answer {
  status: number;
  body: { id: string; audit: { seq: number; hash: string } };
}

/** One report on a connection of the agent; null when the connection ended before the answer did. */
async function post(port: number, agent: Agent, key: string, body: unknown): Promise<Answer | null> {
  const text = JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${SERVICE_TOKEN}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'idempotency-key': key,
  };
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, agent, method: 'POST', path: '/api/v1/incidents/report', headers }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', () => resolve(null));
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) as Answer['body'] }),
      );
    });
    sent.on('error', () => resolve(null));
    sent.end(text);
  });
}

/** A report and the key it is sent under: the key says which report it is. One in five is of a problem that comes again. */
function reportOf(n: number): { key: string; body: Record<string, unknown> } {
  const again = n % 5 === 0 ? { dedup_key: `problem ${n % 7}` } : {};
  return { key: `request-${n}`, body: aReport({ class: 'tool_call_burst', description: `report ${n}`, ...again }) };
}

interface Load {
  /** By the number of the report. */
  answered: Map<number, Answer>;
  unanswered: number[];
}

/**
 * Keeps every connection busy with reports numbered from `first` on, each until it has no answer. When `enough` are answered,
 * `crash` happens under them.
 */
async function loadUntil(port: number, first: number, enough: number, crash?: () => Promise<unknown>): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const load: Load = { answered: new Map(), unanswered: [] };
  let next = first;
  let crashed: Promise<unknown> | undefined;
  const connection = async () => {
    for (;;) {
      const n = next;
      next += 1;
      const { key, body } = reportOf(n);
      const answer = await post(port, agent, key, body);
      if (!answer) return void load.unanswered.push(n);
      load.answered.set(n, answer);
      if (load.answered.size >= enough) crashed ??= crash?.();
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  await crashed;
  agent.destroy();
  return load;
}

/** What the store and the log file say, each by itself. */
function inspect({ dir, auditPath }: Program) {
  const db = new Database(join(dir, 'incidents.db'), { readonly: true });
  const one = (sql: string) => db.prepare(sql).pluck().get();
  const found = {
    integrity: one('PRAGMA integrity_check'),
    tallied: one('SELECT sum(n) FROM tallies'),
    incidents: one('SELECT count(*) FROM incidents'),
    reportedRecords: one(`SELECT count(*) FROM records WHERE line LIKE '{"v":1,"seq":%,"type":"incident.reported",%'`),
    records: one('SELECT count(*) FROM records'),
    occurrences: one('SELECT sum(occurrences) FROM incidents'),
    descriptions: db.prepare('SELECT description FROM incidents').pluck().all() as string[],
    ids: new Set(db.prepare('SELECT id FROM incidents').pluck().all() as string[]),
  };
  db.close();
  const lines = readFileSync(auditPath, 'utf8').split('\n').slice(0, -1);
  return { ...found, lines, reportedLines: lines.filter((line) => line.includes('"type":"incident.reported"')).length };
}

function expectWhole(program: Program): ReturnType<typeof inspect> {
  const found = inspect(program);
  expect(found.integrity).toBe('ok');
  expect([found.tallied, found.reportedRecords, found.reportedLines]).toEqual([found.incidents, found.incidents, found.incidents]);
  expect(verifyLog(program.auditPath)).toMatchObject({ fault: null, torn: false, records: found.records });
  return found;
}

function expectKept({ answered }: Load, { lines, ids }: ReturnType<typeof inspect>): void {
  for (const { status, body } of answered.values()) {
    expect([200, 201]).toContain(status);
    expect(ids.has(body.id)).toBe(true);
    const line = lines[body.audit.seq - 1];
    expect(line?.startsWith(`{"v":1,"seq":${body.audit.seq},`) && line.endsWith(`,"hash":"${body.audit.hash}"}`)).toBe(true);
  }
}

describe('kill -9 in the middle of the load of 64 connections', () => {
  it(`loses nothing that was answered and leaves nothing half done, ${ROUNDS} times over one folder`, async () => {
    await using program = await startProgram();
    let sent = 0;
    let unanswered = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const load = await loadUntil(program.port, sent, 40 + ((round * 37) % 160), () => program.end('SIGKILL'));
      sent += load.answered.size + load.unanswered.length;
      unanswered += load.unanswered.length;
      await program.start();
      expectKept(load, expectWhole(program));

      // Whoever had no answer asks again under the same key, and it is done once, whether it had been done or not.
      const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
      const again = await Promise.all(load.unanswered.map(async (n) => post(program.port, agent, reportOf(n).key, reportOf(n).body)));
      for (const answer of again) expect([200, 201]).toContain(answer?.status);
      agent.destroy();
    }
    const { occurrences, descriptions } = expectWhole(program);
    expect(occurrences).toBe(sent);
    expect(new Set(descriptions).size).toBe(descriptions.length);
    expect(unanswered).toBeGreaterThan(0);
  }, 120_000);
});

describe('a disk that fails to sync the store', () => {
  it('ends the program at once with nobody answered, and its next start finds everything that was', async ({ skip }) => {
    try {
      execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' });
    } catch {
      return skip('strace cannot trace here');
    }
    using folder = openFolder();
    const wal = join(folder.path, 'incidents.db-wal');
    const inject = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO:when=20+'];
    await using failing = await startProgram({
      dir: folder.path,
      under: ['strace', '-f', '-qq', '-o', join(folder.path, 'trace'), '-P', wal, ...inject],
    });
    const load = await loadUntil(failing.port, 0, Infinity);
    const { code } = await failing.end('SIGCONT'); // it ends by itself; this only waits for it
    expect(code).toBe(1);
    expect(failing.output()).toContain('the disk failed to keep what it was given; ending at once');
    expect(load.answered.size).toBeGreaterThan(0);
    expect(load.unanswered.length).toBe(CONNECTIONS);

    await using again = await startProgram({ dir: folder.path });
    const found = expectWhole(again);
    expectKept(load, found);
    expect(Number(found.occurrences)).toBeLessThanOrEqual(load.answered.size + load.unanswered.length);
  });
});
