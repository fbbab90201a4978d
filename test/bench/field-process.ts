// The field around a recorder: reporters and actuators in one process, so that one clock sees a report leave and its command arrive.

import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Line, openLine } from './line.ts';
import { numbered } from './numbered.ts';
import { get, waitingReport } from './requests.ts';

/** `hang`: it takes what is sent and never answers. From `hang` to `enforce` it answers all that waits. */
export type Manner = 'enforce' | 'hang';

export interface Open {
  readonly kind: 'open';
  readonly name: string;
  /** A path for a unix socket; null = TCP on loopback. */
  readonly socket: string | null;
  readonly manner: Manner;
}

export interface Behave {
  readonly kind: 'behave';
  readonly name: string;
  readonly manner: Manner;
}

/** Reports of one class, each about an address of its own. */
export interface Send {
  readonly kind: 'send';
  readonly port: number;
  readonly class: string;
  /** A number of its own for each report, from this one on. */
  readonly from: number;
  /** Each sends its next report when its last one is answered, and its command was received where there is one. */
  readonly reporters: number;
  /** Whatever comes first ends it. */
  readonly count: number;
  readonly seconds: number;
  /** Whether each report leads to a command of its own. */
  readonly commands: boolean;
  /** Seconds that a report is kept waiting for its containment; null = as the recorder is configured. */
  readonly wait: number | null;
  /** Milliseconds between two reports of one reporter; 0 = none. */
  readonly pause_ms: number;
}

export interface Sent {
  /** Milliseconds from a report's first byte until its command has arrived; and until it was answered. */
  readonly wire: readonly number[];
  readonly answer: readonly number[];
  readonly seconds: number;
  /** What went wrong first. */
  readonly fault: string | null;
}

/** GET of one path, again and again. */
export interface Watch {
  readonly kind: 'watch';
  readonly port: number;
  readonly path: string;
  readonly every_ms: number;
  /** At most; `still` ends it. */
  readonly seconds: number;
}

export type Job = Open | Behave | Send | Watch | { readonly kind: 'still' };

const ENFORCED = '{"status":"enforced"}';
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${ENFORCED.length}\r\n\r\n${ENFORCED}`;

const actuators = new Map<string, { manner: Manner; readonly waiting: Socket[] }>();
/** Who waits for the command about a target. */
const awaited = new Map<string, () => void>();
let watching = new AbortController();

/** @returns where it takes commands, as a policy names it */
async function open({ name, socket, manner }: Open): Promise<string> {
  const actuator = { manner, waiting: [] as Socket[] };
  actuators.set(name, actuator);
  const server = createServer({ noDelay: true }, (from) => {
    let text = '';
    from.on('error', () => {});
    from.on('data', (piece) => {
      text += piece.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0 || text.length < end + 4 + Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0)) return;
      const [, target = ''] = /"target":\{"type":"[a-z]+","id":"([^"]+)"/.exec(text) ?? [];
      text = '';
      awaited.get(target)?.();
      if (actuator.manner === 'hang') actuator.waiting.push(from);
      else from.write(ANSWER);
    });
  });
  if (socket === null) server.listen(0, '127.0.0.1');
  else server.listen(socket);
  await once(server, 'listening');
  return socket === null ? `http://127.0.0.1:${(server.address() as AddressInfo).port}/do` : `unix:${socket}:/do`;
}

function behave({ name, manner }: Behave): void {
  const actuator = actuators.get(name);
  if (!actuator) throw new Error(`there is no actuator ${name}`);
  actuator.manner = manner;
  if (manner === 'enforce') for (const waiting of actuator.waiting.splice(0)) if (!waiting.destroyed) waiting.write(ANSWER);
}

async function send({ port, class: className, from, reporters, count, seconds, commands, wait, pause_ms }: Send): Promise<Sent> {
  const lines = await Promise.all(Array.from({ length: reporters }, async () => openLine(port)));
  const [wire, answer]: number[][] = [[], []];
  let n = 0;
  let fault: string | null = null;
  const began = performance.now();

  const one = async (line: Line) => {
    const { address, body } = numbered(className, from + n);
    n += 1;
    const request = Buffer.from(waitingReport(body, wait));
    const arrival = commands ? arrivalOf(address) : null;
    const at = performance.now();
    const [answered, arrived] = await Promise.all([line.ask(request).then((got) => ({ ...got, at: performance.now() })), arrival]);
    if (answered.status !== 201) throw new Error(`${answered.status} ${answered.body().slice(0, 200)}`);
    answer?.push(answered.at - at);
    if (arrived !== null) wire?.push(arrived - at);
  };
  const isOver = () => n >= count || performance.now() - began >= seconds * 1000;
  const drive = async (line: Line) => {
    try {
      while (!isOver()) {
        await one(line);
        if (pause_ms > 0) await sleep(pause_ms);
      }
    } catch (error) {
      fault ??= String(error);
    }
  };
  await Promise.all(lines.map(drive));
  const took = (performance.now() - began) / 1000;
  await Promise.all(lines.map(async (line) => line.close()));
  return { wire: wire ?? [], answer: answer ?? [], seconds: took, fault };
}

const LOST_MS = 60_000;

async function arrivalOf(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const lost = setTimeout(() => reject(new Error(`no command came for ${address}`)), LOST_MS);
    awaited.set(address, () => {
      clearTimeout(lost);
      awaited.delete(address);
      resolve(performance.now());
    });
  });
}

/** @returns milliseconds of each */
async function watch({ port, path, every_ms, seconds }: Watch): Promise<number[]> {
  const line = await openLine(port);
  const request = Buffer.from(get(path));
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  watching = new AbortController();
  for (let at = performance.now(); !watching.signal.aborted && at < until; at = performance.now()) {
    const answered = await line.ask(request);
    if (answered.status !== 200) throw new Error(`${path}: ${answered.status}`);
    times.push(performance.now() - at);
    await sleep(every_ms);
  }
  await line.close();
  return times;
}

async function work(job: Job): Promise<unknown> {
  switch (job.kind) {
    case 'open':
      return open(job);
    case 'behave':
      behave(job);
      return null;
    case 'send':
      return send(job);
    case 'watch':
      return watch(job);
    case 'still':
      watching.abort();
      return null;
  }
}

process.on('message', ({ n, job }: { n: number; job: Job }) => {
  work(job).then(
    (result) => process.send?.({ n, result }),
    (error: unknown) => process.send?.({ n, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
