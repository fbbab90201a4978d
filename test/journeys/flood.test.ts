// The built program under attack, with the heap of production: it lives, its disk and its memory stay bounded, and operators get in.
import { readFileSync, statSync } from 'node:fs';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFolder } from '../support/folder.ts';
import { SERVICE_TOKEN, aReport, readRecords, tokensFile } from '../support/house.ts';
import { type Program, residentBytes, startProgram } from '../support/program.ts';
import { verifyLog } from '../support/verify-log.mjs';

const MIB = 1024 * 1024;
/** What systemd gives the service. */
const MEMORY = 128 * MIB;

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}

async function ask(port: number, agent: Agent, token: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${token}`,
    ...(text !== '' && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
  };
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, agent, method: text === '' ? 'GET' : 'POST', path, headers, ...(signal && { signal }) },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: JSON.parse(Buffer.concat(chunks).toString()) }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

/** As an operator's curl --retry does: a connection of its own, and another one when there was no room for it. */
async function getIn(port: number, path: string, body: unknown, signal: AbortSignal): Promise<Answer> {
  for (;;) {
    try {
      return await ask(port, new Agent(), SERVICE_TOKEN, path, body, signal);
    } catch {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Bytes of the store and the log on disk. */
function diskOf({ dir, auditPath }: Program): number {
  return [join(dir, 'incidents.db'), join(dir, 'incidents.db-wal'), auditPath].reduce((sum, path) => sum + statSync(path).size, 0);
}

/** The most memory that the program has ever held, as the kernel counted it. */
function peakBytes({ pid }: Program): number {
  const [, kib = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

describe('sixty connections that pipeline 5,000 requests each without a token, over and over', () => {
  const body = JSON.stringify(aReport());
  it.for([
    ['that have no body', 'GET /api/v1/incidents/INC-20260313-000000/timeline HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    [
      'that have one',
      `POST /api/v1/incidents/report HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ],
    ['that are no HTTP', '\0\x16\x03\x01 rubbish\r\n\r\n'],
  ] as const)(
    'neither end the program nor fill its memory, and an operator who comes meanwhile is answered: requests %s',
    { timeout: 60_000 },
    async ([, one], { signal }) => {
      await using program = await startProgram();
      const { port } = program;
      const flood = Buffer.from(one.repeat(5000), 'latin1');
      const over = new AbortController();
      /** Floods that came to their end. */
      const floods: number[] = [];
      const attackers = Array.from({ length: 60 }, async (_unused, n) => {
        while (!over.signal.aborted) {
          await new Promise<void>((resolve) => {
            const socket = connect({ port, host: '127.0.0.1', signal: over.signal }, () => socket.write(flood));
            socket.on('error', () => {}); // the program closes it: that is what it is for
            socket.on('close', () => resolve());
            socket.resume();
          });
          floods.push(n);
        }
      });
      try {
        const answers: number[] = [];
        while (answers.length < 4 || floods.length < 60) {
          const reported = await getIn(port, '/api/v1/incidents/report', aReport(), signal);
          const noted = await getIn(port, `/api/v1/incidents/${String(reported.body['id'])}/notes`, { note: 'seen' }, signal);
          answers.push(reported.status, noted.status);
        }
        expect(answers).toEqual(answers.map((_status, i) => (i % 2 === 0 ? 201 : 200)));
      } finally {
        over.abort();
        await Promise.all(attackers);
      }
      expect(peakBytes(program)).toBeLessThan(MEMORY);
      expect(program.output()).not.toContain('a request failed');
      const { code } = await program.end('SIGTERM');
      expect(code).toBe(0);
      expect(verifyLog(program.auditPath)).toMatchObject({ fault: null, torn: false });
    },
  );
});

describe('thousands of bad tokens', () => {
  it('leave a few records and one incident that orders nothing, and the disk as large as it was', async () => {
    await using program = await startProgram();
    const { port } = program;
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    await ask(port, agent, SERVICE_TOKEN, '/api/v1/incidents/report', aReport({ class: 'forbidden_airlock_request' }));
    const before = diskOf(program);
    const paths = ['/api/v1/incidents/report', '/api/v1/incidents/resolve', '/api/v1/reload'];
    let sent = 0;
    const guess = async () => {
      while (sent < 6000) {
        sent += 1;
        const { status } = await ask(port, agent, String(sent).padStart(64, '0'), String(paths[sent % 3]), aReport());
        expect(status).toBe(401);
      }
    };
    await Promise.all(Array.from({ length: 16 }, guess));

    const { body: found } = await ask(port, agent, SERVICE_TOKEN, '/api/v1/incidents?source=incident-recorder');
    expect(found).toMatchObject([
      { class: 'unauthorized_access', severity: 'medium', state: 'open', containment_actions: [], containment: { actions: [] } },
    ]);
    expect(diskOf(program) - before).toBeLessThan(MIB);
    expect(residentBytes(program.pid)).toBeLessThan(MEMORY);
    agent.destroy();
    await program.end('SIGTERM');
    const records = readRecords(program.auditPath);
    const denied = records.filter(({ type }) => type === 'auth.denied');
    expect(denied.reduce((sum, { data }) => sum + Number(data['count']), 0)).toBe(6000);
    expect(records.length).toBeLessThan(30);
    expect(records.map(({ type }) => type)).not.toContain('hold.recorded');
  }, 60_000);
});

describe('a stolen reporter token at full speed', () => {
  it('gets its rate and no more, while another reporter and an operator are served', async () => {
    const [stolen, honest, operator] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)];
    using folder = openFolder();
    const tokens = folder.file(
      'tokens.yaml',
      tokensFile({
        stolen: { token: stolen, role: 'reporter', sources: ['tool-firewall'], classes: ['*'] },
        honest: { token: honest, role: 'reporter', sources: ['monitor'], classes: ['*'] },
        alice: { token: operator, role: 'operator' },
      }),
    );
    await using program = await startProgram({ env: { TOKENS_PATH: tokens } });
    const { port } = program;
    const agents = [32, 1, 1].map((maxSockets) => new Agent({ keepAlive: true, maxSockets }));
    const [many, one, other] = agents as [Agent, Agent, Agent];
    const report = aReport({ class: 'tool_call_burst', evidence: { model_path: '/x' } });

    const began = performance.now();
    const statuses = new Map<number, number>();
    const over = new AbortController();
    const attack = async () => {
      while (!over.signal.aborted) {
        const { status, headers } = await ask(port, many, stolen, '/api/v1/incidents/report', report);
        if (status === 429) expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const attackers = Array.from({ length: 32 }, attack);
    try {
      for (let i = 0; i < 20 || (statuses.get(429) ?? 0) < 1500; i += 1) {
        expect(i).toBeLessThan(500); // or it would come to its own rate
        const reported = await ask(
          port,
          one,
          honest,
          '/api/v1/incidents/report',
          aReport({ source: 'monitor', class: 'manifest_mismatch', evidence: { model_path: `/models/${i}` } }),
        );
        expect(reported.status).toBe(201);
        const resolved = await ask(port, other, operator, '/api/v1/incidents/resolve', { id: reported.body['id'] });
        expect(resolved.status).toBe(200);
      }
    } finally {
      over.abort();
      await Promise.all(attackers);
    }
    const seconds = (performance.now() - began) / 1000;
    expect(new Set(statuses.keys())).toEqual(new Set([201, 429]));
    expect(statuses.get(201)).toBeGreaterThanOrEqual(500);
    expect(statuses.get(201)).toBeLessThanOrEqual(500 + 50 * seconds + 1);
    expect(peakBytes(program)).toBeLessThan(MEMORY);
    for (const agent of agents) agent.destroy();
    await program.end('SIGTERM');
    const limited = readRecords(program.auditPath).filter(({ type }) => type === 'rate.limited');
    expect(limited.reduce((sum, { data }) => sum + Number(data['refused']), 0)).toBe(statuses.get(429));
    expect(new Set(limited.map(({ data }) => data['token']))).toEqual(new Set(['stolen']));
    expect(limited.length).toBeLessThanOrEqual(Math.ceil(seconds / 60) + 1);
  }, 60_000);
});
