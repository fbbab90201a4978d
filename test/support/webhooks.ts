// A webhook of the tests' own, on a real port, that misbehaves when told to; and records to be told of, in a real store.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seal } from '../../src/audit/record.ts';
import type { EventType, Events } from '../../src/incident/events.ts';
import type { Hold } from '../../src/incident/hold.ts';
import type { Incident } from '../../src/incident/incident.ts';
import { type Store, openStore } from '../../src/store/store.ts';

export type Manner =
  | 'takes'
  /** Takes it, and never says so. */
  | 'swallows'
  | 'hangs'
  /** Answers its headers, and never ends. */
  | 'trickles'
  | 'closes'
  | 'floods'
  | 'redirects'
  | 'babbles'
  | { readonly status: number; readonly retryAfter?: string };

interface Got {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body as JSON. */
  readonly json: any;
}

export interface TestWebhook extends AsyncDisposable {
  readonly url: string;
  readonly origin: string;
  readonly port: number;
  manner: Manner;
  /** Every request, in its order, whatever it was answered. */
  readonly got: readonly Got[];
  /** The most requests that were under way at the same time. */
  readonly mostAtOnce: number;
}

/** `await using hook = await openTestWebhook()`: listens on 127.0.0.1. */
export async function openTestWebhook({ port = 0, path = '/hook' } = {}): Promise<TestWebhook> {
  const got: Got[] = [];
  const sockets = new Set<Socket>();
  let manner: Manner = 'takes';
  let [atOnce, mostAtOnce] = [0, 0];

  function answer(response: ServerResponse): void {
    if (typeof manner === 'object') {
      const { status, retryAfter } = manner;
      response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end('no\n');
      return;
    }
    switch (manner) {
      case 'takes':
        return void response.writeHead(204).end();
      case 'swallows':
      case 'closes':
        return void response.destroy();
      case 'hangs':
        return undefined;
      case 'trickles':
        return void response.writeHead(200, { 'content-length': 100 }).write('.');
      case 'floods':
        return void response.writeHead(200).end('x'.repeat(10_000_000));
      case 'redirects':
        return void response.writeHead(307, { location: '/elsewhere' }).end();
      case 'babbles':
        return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>{"status":"banana"}</html>');
    }
  }

  const server = createServer((request, response) => {
    mostAtOnce = Math.max(mostAtOnce, (atOnce += 1));
    response.on('close', () => (atOnce -= 1));
    void request.toArray().then(
      (pieces: Buffer[]) => {
        const body = Buffer.concat(pieces).toString();
        got.push({ path: `${request.method} ${request.url}`, headers: request.headers, body, json: JSON.parse(body) });
        answer(response);
      },
      () => response.destroy(),
    );
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: at } = server.address() as AddressInfo;
  return {
    ...{ port: at, got, origin: `http://127.0.0.1:${at}`, url: `http://127.0.0.1:${at}${path}` },
    get manner() {
      return manner;
    },
    set manner(next) {
      manner = next;
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface Records extends Disposable {
  readonly store: Store;
  /** Adds a record, and says its seq. */
  add<T extends EventType>(type: T, id: string | null, data: Events[T], ts: string): number;
  /** The next record is the one behind this: what comes before it is not there any more. */
  skip(seq: number): void;
  /** An incident that `more` says the rest of, with its record. */
  incident(n: number, ts: string, more?: Partial<Incident>): Incident;
  /** A hold of an incident, with its record. */
  hold(n: number, of: Incident, ts: string, more?: Partial<Hold>): Hold;
}

/** `using records = openRecords()`: a store in a folder of its own. */
export function openRecords(): Records {
  const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  const store = openStore(join(dir, 'incidents.db'));
  let skipped = 0;
  const add: Records['add'] = (type, id, data, ts) => {
    const head = store.records.head();
    const sealed = seal({ ...head, seq: Math.max(head.seq, skipped) }, { ts, type, id, actor: 'test', data });
    store.records.insert(sealed.seq, null, sealed.line);
    return sealed.seq;
  };
  return {
    store,
    add,
    skip: (seq) => void (skipped = seq),
    incident(n, ts, more) {
      const id = `INC-20260313-${String(n).padStart(12, '0')}`;
      // What it tells does not matter here: nothing is told again from it.
      const seq = add('incident.reported', id, {} as Events['incident.reported'], ts);
      const incident = anIncident({
        ...{ id, created_at: ts, updated_at: ts, last_seen_at: ts },
        audit: { seq, hash: 'a'.repeat(64) },
        ...more,
      });
      store.incidents.insert(incident, seq, null);
      return incident;
    },
    hold(n, of, ts, more) {
      const id = `HLD-${String(n).padStart(12, '0')}`;
      const seq = add('hold.recorded', id, {} as Events['hold.recorded'], ts);
      const hold = { ...aHold(), seq, id, incident_id: of.id, created_at: ts, version: seq, ...more };
      store.holds.insert(hold);
      return hold;
    },
    [Symbol.dispose]() {
      store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function aHold(): Hold {
  return {
    ...{ seq: 1, id: 'HLD-000000000001', action: 'freeze_agent', target: { type: 'agent', id: '*' }, params: {}, status: 'enforced' },
    ...{ actuator: 'agent', attempts: 1, error: null, completed_at: null, rule: 'prompt_injection', source: 'tool-firewall' },
    ...{ incident_id: '', created_at: '', expires_at: null, ending: null, released_at: null, version: 1 },
  };
}

export function anIncident(more: Partial<Incident> = {}): Incident {
  const ts = '2026-03-13T08:15:30.123Z';
  return {
    ...{ id: 'INC-20260313-000000000001', created_at: ts, updated_at: ts, occurred_at: null, class: 'prompt_injection', severity: 'high' },
    ...{ state: 'contained', source: 'tool-firewall', reported_by: 'firewall', description: 'ignore previous instructions' },
    ...{ evidence: { rule: 'R-17' }, subject: null, dedup_key: null, occurrences: 1, last_seen_at: ts, follows: null, confidence: null },
    ...{ attack: null, trace_id: null, containment_actions: ['freeze_agent'], proposed_actions: [] },
    containment: {
      ...{ status: 'enforced', reached_at: ts },
      actions: [
        {
          ...{ action: 'freeze_agent', target: 'agent:*', hold_id: 'HLD-000000000001', status: 'enforced', actuator: 'agent', attempts: 1 },
          ...{ error: null, completed_at: ts },
        },
      ],
    },
    ...{ resolved_at: null, resolution: null, release: null, audit: { seq: 1, hash: 'a'.repeat(64) } },
    decided_by: { policy_sha256: 'b'.repeat(64), rule: 'prompt_injection', line: 3, severity_from: 'rule' },
    ...more,
  };
}
