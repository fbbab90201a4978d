// A recorder as a process with its three actuators as processes, on a folder of their own: what is asked of it, and what must be true of it all.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../command.ts';
import { type AuditRecord, readRecords, tokensFile, writeSecret } from '../house.ts';
import { type Program, freePort, startProgram } from '../program.ts';
import { type ActuatorProcess, openProcess } from './process.ts';

export interface Places {
  readonly agent: string;
  readonly airlock: string;
}

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: any;
}

export interface Site extends AsyncDisposable {
  readonly program: Program;
  readonly agent: ActuatorProcess;
  readonly airlock: ActuatorProcess;
  readonly firewall: ActuatorProcess;
  readonly all: readonly ActuatorProcess[];
  /** As the reader. */
  get(path: string, as?: Who): Promise<Reply>;
  /** As the operator, unless somebody else is named. */
  post(path: string, body: unknown, more?: { as?: Who; headers?: Record<string, string> }): Promise<Reply>;
  report(more: Record<string, unknown>, wait?: number): Promise<Reply>;
  hold(id: string): Promise<any>;
  incident(id: string): Promise<any>;
  /** By its file, whether the recorder runs or not. */
  records(type?: string): AuditRecord[];
  writePolicy(text: string): void;
  /** Whether the agent is frozen, the airlock closed, and which holds the firewall has in force. */
  reality(): { frozen: boolean; closed: boolean; rules: string[] };
  /** What an actuator got that was not on record when it came, or in no way is; empty when all is well. */
  unrecorded(): unknown[];
  /** Ends the recorder, and what `audit verify --db` says then: `sound`, or what is wrong. */
  verdict(): Promise<string>;
}

type Who = keyof typeof TOKENS;

const DIR = import.meta.dirname;
const TOKENS = {
  reporter: { role: 'reporter', sources: ['*'], classes: ['*'], rate: '100000/s', burst: 100_000 },
  operator: { role: 'operator' },
  reader: { role: 'reader' },
  agent: { role: 'actuator', actuator: 'agent' },
  firewall: { role: 'actuator', actuator: 'firewall' },
} as const;
const tokenOf = (who: Who) => `${who}-`.repeat(8);

/** The firewall needs it. */
export const hasCurl = (() => {
  try {
    execFileSync('curl', ['--version']);
    return true;
  } catch {
    console.warn('SKIPPED: the actuators of the tests need curl');
    return false;
  }
})();

/** @param policy its text, for where the actuators are */
export async function openSite(policy: (places: Places) => string): Promise<Site> {
  const dir = mkdtempSync(join(tmpdir(), 'site-'));
  const secrets = join(dir, 'secrets');
  const policyPath = join(dir, 'policy.yaml');
  const audit = join(dir, 'audit.jsonl');
  const airlockPort = await freePort();
  const airlockToken = randomBytes(24).toString('hex');
  const socket = join(dir, 'agent.sock');
  mkdirSync(secrets);
  writeSecret(join(secrets, 'agent.key'), `whsec_${randomBytes(32).toString('base64')}\n`);
  writeSecret(join(secrets, 'airlock.token'), `${airlockToken}\n`);
  const named = Object.entries(TOKENS).map(([name, { ...rest }]) => [name, { token: tokenOf(name as Who), ...rest }] as const);
  writeSecret(join(dir, 'tokens.yaml'), tokensFile(Object.fromEntries(named) as Parameters<typeof tokensFile>[0]));
  writeSecret(join(dir, 'firewall.token'), tokenOf('firewall'));
  writeFileSync(policyPath, policy({ agent: `unix:${socket}:`, airlock: `http://127.0.0.1:${airlockPort}` }));
  const env = { CONTAINMENT_POLICY_PATH: policyPath, TOKENS_PATH: join(dir, 'tokens.yaml'), SECRETS_DIR: secrets };
  const program = await startProgram({ dir, env: { ...env, SERVICE_TOKEN_PATH: '' } });

  const common = { AUDIT: audit };
  const agent = openProcess('agent', join(dir, 'agent'), [process.execPath, join(DIR, 'agent.mjs')], {
    ...{ ...common, SOCKET: socket, KEY: join(secrets, 'agent.key'), RECORDER: program.url, TOKEN: tokenOf('agent') },
  });
  const airlock = openProcess('airlock', join(dir, 'airlock'), [process.execPath, join(DIR, 'airlock.mjs')], {
    ...{ ...common, PORT: String(airlockPort), TOKEN: airlockToken },
  });
  const firewall = openProcess('firewall', join(dir, 'firewall'), ['sh', join(DIR, 'firewall.sh')], {
    ...{ ...common, BASE: program.url, TOKEN_FILE: join(dir, 'firewall.token') },
  });
  const all = [agent, airlock, firewall];

  const ask = async (method: string, path: string, as: Who, body: unknown, headers: Record<string, string> = {}) =>
    askOnce(`${program.url}${path}`, method, body, { authorization: `Bearer ${tokenOf(as)}`, ...headers });
  const get: Site['get'] = async (path, as = 'reader') => ask('GET', path, as, undefined);
  const records = (type?: string) => readRecords(audit).filter((record) => type === undefined || record.type === type);

  const close = async () => {
    await Promise.all([program.end('SIGKILL'), ...all.map(async (each) => each.kill())]);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  };
  try {
    await Promise.all(all.map(async (each) => each.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...{ program, agent, airlock, firewall, all, get, records },
    post: async (path, body, { as = 'operator', headers = {} } = {}) => ask('POST', path, as, body, headers),
    report: async (more, wait = 20) =>
      ask('POST', '/api/v1/incidents/report', 'reporter', { source: 'watcher', description: 'seen', ...more }, { prefer: `wait=${wait}` }),
    hold: async (id) => (await get(`/api/v1/holds/${id}`)).body,
    incident: async (id) => (await get(`/api/v1/incidents/${id}`)).body,
    writePolicy: (text) => writeFileSync(policyPath, text),
    reality: () => ({
      frozen: Object.keys(agent.read('state.json')?.holds ?? {}).length > 0,
      closed: airlock.read('state.json')?.disabled === true,
      rules: firewall.list('rules').toSorted(),
    }),
    unrecorded() {
      const requested = new Map(records('command.requested').map((record) => [record.data['command_id'], record]));
      return all.flatMap(({ name, lines }) =>
        lines().filter(({ what, id, op, hold, recorded }) => {
          if (what === 'forged' || what === 'odd') return true;
          if (what !== 'got') return false;
          const told = id === undefined ? null : requested.get(id);
          if (name === 'airlock') return !recorded;
          return !recorded || told?.id !== hold || told?.data['op'] !== op || told?.data['actuator'] !== name;
        }),
      );
    },
    async verdict() {
      const { code } = await program.end('SIGTERM');
      const { stdout, stderr } = await runCommand(dir, ['audit', 'verify', audit, '--db', join(dir, 'incidents.db'), '--json']);
      const told = stdout === '' ? { verdict: stderr } : JSON.parse(stdout);
      return told.verdict === 'sound' && code === 0 ? 'sound' : `the program ended with ${code}; ${JSON.stringify(told)}`;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** On a connection of its own: one that is kept would not outlive the recorder. */
async function askOnce(url: string, method: string, body: unknown, headers: Record<string, string>): Promise<Reply> {
  const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const type = text === null ? {} : { 'content-type': typeof body === 'string' ? 'application/x-ndjson' : 'application/json' };
  const sent = request(url, { method, headers: { ...type, ...headers }, agent: false }, (response) => {
    response.toArray().then((pieces: Buffer[]) => {
      const answered = Buffer.concat(pieces).toString();
      const isJson =
        String(response.headers['content-type']).includes('json') && !String(response.headers['content-type']).includes('ndjson');
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: isJson ? JSON.parse(answered) : answered });
    }, reject);
  });
  sent.on('error', reject);
  sent.end(text ?? undefined);
  return promise;
}

/** Looks again and again until what is found is truthy; says what it waited for when that does not come. */
export async function until<T>(what: string, look: () => T | Promise<T>, timeout_ms = 30_000): Promise<NonNullable<T>> {
  let found: T | undefined;
  await untilNothing(async () => {
    found = await look();
    return found ? [] : [what];
  }, timeout_ms);
  return found as NonNullable<T>;
}

/** Looks again and again until nothing is wrong any more; says what still is when that does not come. */
export async function untilNothing(look: () => Promise<readonly unknown[]>, timeout_ms = 30_000): Promise<void> {
  const end = performance.now() + timeout_ms;
  for (let pause = 10; ; pause = Math.min(100, pause * 1.3)) {
    const wrong = await look();
    if (wrong.length === 0) return;
    if (performance.now() > end) throw new Error(`after ${timeout_ms} ms it still is not so: ${JSON.stringify(wrong, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
