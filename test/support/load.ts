// Reports sent over many connections at once, each with the answer that it got or the knowledge that it got none.

import { Agent, request } from 'node:http';
import { SERVICE_TOKEN, aReport } from './house.ts';

export interface Answer {
  status: number;
  body: { id: string; audit: { seq: number; hash: string }; code?: string };
}

export interface Load {
  /** By the number of the report. */
  answered: Map<number, Answer>;
  /** Numbers of the reports that had no answer when their connection ended. */
  unanswered: number[];
}

/** A report and the key it is sent under: the key says which report it is. One in five is of a problem that comes again. */
function reportOf(n: number): { key: string; body: Record<string, unknown> } {
  const again = n % 5 === 0 ? { dedup_key: `problem ${n % 7}` } : {};
  return { key: `request-${n}`, body: aReport({ class: 'tool_call_burst', description: `report ${n}`, ...again }) };
}

export interface LoadParts {
  /** Reports that are sent before all others. */
  again?: readonly number[];
  /** The others are numbered from here on. */
  first?: number;
  connections: number;
  /** When so many are answered, `crash` happens. */
  enough: number;
  crash?: () => Promise<unknown>;
}

/** Keeps every connection busy until it has no answer. */
export async function loadUntil(port: number, { again = [], first = 0, connections, enough, crash }: LoadParts): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const load: Load = { answered: new Map(), unanswered: [] };
  const before = [...again];
  let next = first;
  let crashed: Promise<unknown> | undefined;
  const connection = async () => {
    for (;;) {
      const n = before.shift() ?? next;
      if (n === next) next += 1;
      const answer = await post(port, agent, n);
      if (!answer) return void load.unanswered.push(n);
      load.answered.set(n, answer);
      if (load.answered.size >= enough) crashed ??= crash?.();
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  await crashed;
  agent.destroy();
  return load;
}

/** Sends each of these reports once, all at the same time. */
export async function sendAll(port: number, numbers: readonly number[], connections = 64): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const load: Load = { answered: new Map(), unanswered: [] };
  const send = async (n: number) => {
    const answer = await post(port, agent, n);
    if (answer) load.answered.set(n, answer);
    else load.unanswered.push(n);
  };
  await Promise.all(numbers.map(send));
  agent.destroy();
  return load;
}

/** One report on a connection of the agent; null when the connection ended before the answer did. */
async function post(port: number, agent: Agent, n: number): Promise<Answer | null> {
  const { key, body } = reportOf(n);
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
