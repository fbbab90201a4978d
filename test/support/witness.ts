// A witness of the tests' own (https://c2sp.org/tlog-witness): it shares no code with src, cosigns only what grows, and misbehaves when told to.

import { type KeyObject, createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** How it answers. Everything but `honest` and `swallows` leaves what it has seen as it is. */
export type Manner =
  | 'honest'
  /** Cosigns and keeps, and closes the connection instead of answering. */
  | 'swallows'
  /** Answers as if honest once `release` is called. */
  | 'holds'
  /** Never answers at all. */
  | 'hangs'
  /** Answers a byte now and then, and never ends. */
  | 'trickles'
  | 'closes'
  /** Ends the connection in the middle of a good answer. */
  | 'cuts'
  | 'floods'
  | 'redirects'
  | 'upgrades'
  | 'babbles'
  | 'mumbles'
  | 'says nothing'
  /** A signature in its name, by another key. */
  | 'forges'
  /** A good cosignature of another checkpoint. */
  | 'confuses'
  /** A plain signature, without a time. */
  | 'forgets the time'
  /** Its cosignature among those of others, the log's own name and unknown kinds among them. */
  | 'brings others'
  /** Always 409, with the size that it was told of. */
  | 'contradicts'
  /** Always 409, with a size that this log never had. */
  | 'boasts'
  | 'is broken';

interface Seen {
  readonly size: number;
  readonly root: Buffer;
}

interface Asked {
  readonly path: string;
  /** The size and the number of hashes in the request; -1 when it could not be read. */
  readonly old: number;
  readonly proof: number;
  readonly size: number;
  /** 0 when it was not answered as an honest witness would. */
  status: number;
}

export interface TestWitness extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Of type cosignature/v1. */
  readonly verifierKey: string;
  manner: Manner;
  /** Every request so far, in its order. */
  readonly asked: readonly Asked[];
  /** What it has cosigned last, by origin. */
  readonly seen: Map<string, Seen>;
  /** Lets those go that it holds. */
  release(): void;
  /** Connections that are open, and the most requests that were under way at the same time. */
  readonly connections: number;
  readonly mostAtOnce: number;
}

export interface TestWitnessOptions {
  /** Verifier keys (Ed25519) of the logs that it knows; a log's name is its origin. */
  logs: readonly string[];
  /** Any free one when it is not given. */
  port?: number;
  name?: string;
  /** Of an older witness that this one takes the place of. */
  seen?: Map<string, Seen>;
  privateKey?: KeyObject;
}

/** `await using witness = await openTestWitness({ logs: [key] })`; listens on 127.0.0.1. */
export async function openTestWitness({
  logs,
  port = 0,
  name = 'witness.test/w1',
  seen = new Map(),
  privateKey = generateKeyPairSync('ed25519').privateKey,
}: TestWitnessOptions): Promise<TestWitness> {
  const known = new Map(logs.map((key) => [key.split('+', 1)[0] ?? '', key]));
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  let held: (() => void)[] = [];
  let manner: Manner = 'honest';
  let [atOnce, mostAtOnce] = [0, 0];

  const cosignature = (text: string, by = privateKey, as = name, time = Math.floor(Date.now() / 1000)) => {
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(BigInt(time));
    const signed = sign(null, Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), by);
    return lineOf(as, Buffer.concat([keyId(as, 4, rawOf(privateKey)), stamp, signed]));
  };

  function answer(body: string, of: Asked, response: ServerResponse, deliver = true): void {
    const { status, text, next } = judge(body, known, seen);
    of.status = status;
    if (next) seen.set(next.origin, next);
    if (!deliver) response.destroy();
    else if (status === 409 && text !== '') response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(text);
    else response.writeHead(status).end(status === 200 ? cosignature(text) : 'no\n');
  }

  const manners: Record<Manner, (response: ServerResponse, body: string, of: Asked) => void> = {
    honest: (response, body, of) => answer(body, of, response),
    swallows: (response, body, of) => answer(body, of, response, false),
    holds: (response, body, of) => void held.push(() => answer(body, of, response)),
    hangs: () => {},
    trickles: (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('—'), 5);
      response.on('close', () => clearInterval(timer));
    },
    closes: (response) => response.destroy(),
    cuts: (response, body) => {
      const line = Buffer.from(cosignature(textIn(body)));
      response.writeHead(200, { 'content-length': line.length }).write(line.subarray(0, -1), () => response.destroy());
    },
    floods: (response) => void response.writeHead(200).end('— witness.test/w1 AAAAAAAAAAAA\n'.repeat(300_000)),
    redirects: (response) => void response.writeHead(307, { location: '/elsewhere/add-checkpoint' }).end(),
    upgrades: (response) => void response.socket?.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    babbles: (response) => void response.writeHead(200).end('<html>welcome</html>\n'),
    mumbles: (response) => void response.writeHead(200).end(Buffer.from('— witness\xff AAAA\n', 'latin1')),
    'says nothing': (response) => void response.writeHead(200).end(),
    forges: (response, body) => void response.writeHead(200).end(cosignature(textIn(body), generateKeyPairSync('ed25519').privateKey)),
    confuses: (response, body) => void response.writeHead(200).end(cosignature(textIn(body).replace(/\n\d+\n/, '\n77\n'))),
    'forgets the time': (response, body) => {
      const signed = sign(null, Buffer.from(textIn(body)), privateKey);
      response.writeHead(200).end(lineOf(name, Buffer.concat([keyId(name, 4, rawOf(privateKey)), signed])));
    },
    'brings others': (response, body) => {
      const [text, line] = [textIn(body), cosignature(textIn(body))];
      const long = lineOf('post.quantum', Buffer.alloc(2432, 7));
      response
        .writeHead(200)
        .end(`${cosignature(text, privateKey, 'somebody.else')}${line}${long}${lineOf(originIn(text), Buffer.alloc(76, 7))}`);
    },
    contradicts: (response, _, { size }) => void response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(`${size}\n`),
    boasts: (response) => void response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('1000000\n'),
    'is broken': (response) => void response.writeHead(503).end('come back later\n'),
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    mostAtOnce = Math.max(mostAtOnce, (atOnce += 1));
    response.on('close', () => (atOnce -= 1));
    const body = Buffer.concat(await request.toArray()).toString();
    const [, old = '-1'] = /^old (\d+)\n/.exec(body) ?? [];
    const size = Number(textIn(body).split('\n')[1] ?? '-1');
    const of: Asked = { path: `${request.method} ${request.url}`, old: Number(old), proof: proofIn(body).length, size, status: 0 };
    asked.push(of);
    if (of.path === 'POST /add-checkpoint') manners[manner](response, body, of);
    else response.writeHead(404).end();
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const at = (server.address() as AddressInfo).port;
  const typed = Buffer.concat([Buffer.of(4), rawOf(privateKey)]);
  return {
    url: `http://127.0.0.1:${at}`,
    port: at,
    verifierKey: `${name}+${keyId(name, 4, rawOf(privateKey)).toString('hex')}+${typed.toString('base64')}`,
    ...{ asked, seen },
    get manner() {
      return manner;
    },
    set manner(next) {
      manner = next;
    },
    release() {
      const waiting = held;
      held = [];
      for (const go of waiting) go();
    },
    get connections() {
      return sockets.size;
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

/** What an honest witness says: the text to cosign with 200, its own size with 409. `next` is what it has seen from then on. */
function judge(
  body: string,
  known: ReadonlyMap<string, string>,
  seen: ReadonlyMap<string, Seen>,
): { status: number; text: string; next?: Seen & { origin: string } } {
  const text = textIn(body);
  const [, old = ''] = /^old (0|[1-9]\d*)\n/.exec(body) ?? [];
  const [, origin = '', digits = '', base64 = ''] = /^(.+)\n(0|[1-9]\d*)\n(.+)\n$/.exec(text) ?? [];
  const [size, root] = [Number(digits), Buffer.from(base64, 'base64')];
  const refused = (status: number) => ({ status, text: '' });
  if (old === '' || root.length !== 32 || Number(old) > size) return refused(400);
  const key = known.get(origin);
  if (key === undefined) return refused(404);
  if (!isSigned(body, text, key)) return refused(403);
  const last = seen.get(origin) ?? { size: 0, root: Buffer.alloc(0) };
  if (last.size !== Number(old)) return { status: 409, text: `${last.size}\n` };
  if (last.size === size && size > 0 && !last.root.equals(root)) return refused(409);
  const proof = proofIn(body).map((line) => Buffer.from(line, 'base64'));
  if (!follows(last, { size, root }, proof)) return refused(422);
  return { status: 200, text, next: { origin, size, root } };
}

/** Whether the newer tree follows from the older one: SUBPROOF of RFC 6962 §2.1.2 taken apart from its end. */
function follows(older: Seen, newer: Seen, proof: Buffer[]): boolean {
  if (older.size === 0) return proof.length === 0;
  const rest = [...proof];
  const roots = (m: number, n: number, whole: boolean): [Buffer, Buffer] => {
    if (m === n) {
      const root = whole ? older.root : (rest.pop() ?? Buffer.alloc(0));
      return [root, root];
    }
    let k = 1;
    while (k * 2 < n) k *= 2;
    const beside = rest.pop() ?? Buffer.alloc(0);
    const [before, after] = m <= k ? roots(m, k, whole) : roots(m - k, n - k, false);
    return m <= k ? [before, nodeOf(after, beside)] : [nodeOf(beside, before), nodeOf(beside, after)];
  };
  const [before, after] = roots(older.size, newer.size, true);
  return rest.length === 0 && before.equals(older.root) && after.equals(newer.root);
}

function nodeOf(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
}

/** The body is `old …`, the proof, an empty line, the text, an empty line, and the signatures. */
function textIn(body: string): string {
  return body.slice(body.indexOf('\n\n') + 2, body.lastIndexOf('\n\n') + 1);
}

function proofIn(body: string): string[] {
  return body.slice(0, body.indexOf('\n\n')).split('\n').slice(1);
}

const originIn = (text: string) => text.split('\n', 1)[0] ?? '';

function isSigned(body: string, text: string, key: string): boolean {
  const [name = '', id = '', ...rest] = key.split('+');
  const raw = Buffer.from(rest.join('+'), 'base64').subarray(1);
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }, format: 'jwk' });
  const lines = body.slice(body.lastIndexOf('\n\n') + 2).split('\n');
  return lines.some((line) => {
    const bytes = Buffer.from(line.split(' ')[2] ?? '', 'base64');
    const isOfKey = line.startsWith(`— ${name} `) && bytes.toString('hex', 0, 4) === id;
    return isOfKey && verify(null, Buffer.from(text), publicKey, bytes.subarray(4));
  });
}

function rawOf(privateKey: KeyObject): Buffer {
  return Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '', 'base64url');
}

function keyId(name: string, type: number, raw: Buffer): Buffer {
  return createHash('sha256').update(`${name}\n`).update(Buffer.of(type)).update(raw).digest().subarray(0, 4);
}

function lineOf(name: string, bytes: Buffer): string {
  return `— ${name} ${bytes.toString('base64')}\n`;
}
