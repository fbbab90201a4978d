// The follower that has checkpoints cosigned: against a witness that verifies, one that was told another history, and ones that misbehave.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkpointText, parseCheckpoint } from '../../src/audit/checkpoint.ts';
import { type SigningKey, newKeyPem, readKey } from '../../src/audit/key.ts';
import { type HashOf, type Range, append, consistencySpans, emptyRange, hashesOf, rootOf } from '../../src/audit/merkle.ts';
import { cosignatureOf, isSignedBy, openNote, parseVerifierKey, signNote } from '../../src/audit/note.ts';
import { createLog } from '../../src/log.ts';
import { type SignedCheckpoint, type Witness, type WitnessParts, createWitness } from '../../src/ledger/witness.ts';
import { type Manner, type TestWitness, type TestWitnessOptions, openTestWitness } from '../support/witness.ts';

const ORIGIN = 'test/incident-recorder';
const KEY = readKey(ORIGIN, newKeyPem());

/** A log of so many leaves, and its checkpoint and proofs at every size. */
function aLog(leaves: number, seed = 'leaf', key: SigningKey = KEY, origin = ORIGIN) {
  const subtrees = new Map<string, string>();
  const frontiers: Range[] = [emptyRange()];
  for (let i = 0; i < leaves; i += 1) {
    const leaf = createHash('sha256').update(`${seed} ${i}`).digest('hex');
    subtrees.set(`0/${i}`, leaf);
    const tell: Parameters<typeof append>[2] = ({ level, index }, hash) => subtrees.set(`${level}/${index}`, hash);
    frontiers.push(append(frontiers[i] ?? emptyRange(), leaf, tell));
  }
  const hashOf: HashOf = ({ level, index }) => subtrees.get(`${level}/${index}`) ?? '';
  const checkpoint = (size: number): SignedCheckpoint => {
    const root = rootOf(frontiers[size] ?? emptyRange());
    return { note: signNote(checkpointText({ origin, size, root }), key), size };
  };
  const proofOf = (from: number, to: number) => {
    if (from < 1 || from >= to || to > leaves) throw new RangeError(`a proof from ${from} to ${to} was asked for`);
    return hashesOf(consistencySpans(from, to), hashOf);
  };
  return { checkpoint, proofOf };
}

const LOG = aLog(40);

interface Bench extends AsyncDisposable {
  readonly witness: TestWitness;
  readonly follower: Witness;
  /** What was cosigned, and what was logged, oldest first. */
  readonly cosigned: SignedCheckpoint[];
  readonly logged: { level: string; message: string; error?: string; [field: string]: unknown }[];
  offer(size: number): void;
}

/** A witness that knows the log, and a follower of that log which knows the witness. */
async function bench(parts: Partial<WitnessParts> = {}, options: Partial<TestWitnessOptions> = {}): Promise<Bench> {
  const witness = await openTestWitness({ logs: [KEY.verifierKey], ...options });
  const cosigned: Bench['cosigned'] = [];
  const logged: Bench['logged'] = [];
  const follower = createWitness({
    url: witness.url,
    key: parseVerifierKey(witness.verifierKey),
    proofOf: LOG.proofOf,
    log: createLog({ level: 'debug', journal: false, write: (line) => logged.push(JSON.parse(line)) }),
    onCosigned: (note, size) => cosigned.push({ note, size }),
    ...parts,
  });
  return {
    ...{ witness, follower, cosigned, logged },
    offer: (size) => follower.offer(LOG.checkpoint(size)),
    async [Symbol.asyncDispose]() {
      await follower.close();
      await witness[Symbol.asyncDispose]();
    },
  };
}

/** Waits until it is so, by turns of the event loop: the clock of the follower stands still meanwhile. */
async function until(holds: () => boolean): Promise<void> {
  for (const latest = Date.now() + 5000; !holds();) {
    if (Date.now() > latest) throw new Error(`it never came to this: ${holds.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets everything happen that happens without time going by. */
async function settle(): Promise<void> {
  for (let i = 0; i < 200; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

const levels = ({ logged }: Bench) => logged.map(({ level }) => level);
const olds = ({ witness }: Bench) => witness.asked.map(({ old, size, status }) => [old, size, status]);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a checkpoint', () => {
  it('is cosigned, and told of with the cosignature below the signature of the log', async () => {
    await using at = await bench();
    at.offer(7);
    await until(() => at.cosigned.length === 1);
    const { note, size } = at.cosigned[0] ?? { note: '', size: 0 };
    expect(size).toBe(7);
    expect(note.startsWith(LOG.checkpoint(7).note)).toBe(true);
    expect(openNote(note).signatures.map(({ name }) => name)).toEqual([ORIGIN, 'witness.test/w1']);
    expect(isSignedBy(note, parseVerifierKey(KEY.verifierKey))).toBe(true);
    expect(cosignatureOf(note, parseVerifierKey(at.witness.verifierKey))?.timestamp).toBeGreaterThan(1_700_000_000);
    expect(parseCheckpoint(openNote(note).text).size).toBe(7);
    expect(at.witness.asked).toEqual([{ path: 'POST /add-checkpoint', old: 0, proof: 0, size: 7, status: 200 }]);
    expect(at.follower.health).toBe('ok');
    expect(at.logged).toEqual([]);
  });

  it('that follows one is sent with the proof that it does, at every size', async () => {
    await using at = await bench();
    for (let size = 1; size <= 40; size += 1) {
      at.offer(size);
      await until(() => at.cosigned.length === size);
    }
    expect(olds(at)).toEqual(Array.from({ length: 40 }, (_, i) => [i, i + 1, 200]));
    expect(at.logged).toEqual([]);
  });

  it('of the same size is cosigned again', async () => {
    await using at = await bench();
    at.offer(5);
    await until(() => at.cosigned.length === 1);
    at.offer(5);
    await until(() => at.cosigned.length === 2);
    expect(olds(at)).toEqual([
      [0, 5, 200],
      [5, 5, 200],
    ]);
  });

  it('of an empty log is cosigned', async () => {
    await using at = await bench();
    at.offer(0);
    await until(() => at.cosigned.length === 1);
    at.offer(3);
    await until(() => at.cosigned.length === 2);
    expect(at.witness.asked.map(({ old, proof, status }) => [old, proof, status])).toEqual([
      [0, 0, 200],
      [0, 0, 200],
    ]);
  });

  it('is sent again at once with a proof from the size that the witness names, when that has seen this log before', async () => {
    await using earlier = await bench();
    earlier.offer(13);
    await until(() => earlier.cosigned.length === 1);
    await using at = await bench({}, { seen: earlier.witness.seen });
    at.offer(29);
    await until(() => at.cosigned.length === 1);
    expect(olds(at)).toEqual([
      [0, 29, 409],
      [13, 29, 200],
    ]);
    expect(at.witness.asked[1]?.proof).toBe(LOG.proofOf(13, 29).length);
    expect(at.logged).toEqual([]);
  });

  it('is not sent twice at once: one request is under way, and of what comes meanwhile the newest is kept', async () => {
    await using at = await bench();
    at.witness.manner = 'holds';
    for (let size = 1; size <= 20; size += 1) at.offer(size);
    await until(() => at.witness.asked.length === 1);
    for (let size = 21; size <= 30; size += 1) at.offer(size);
    await settle();
    expect(at.witness.asked).toHaveLength(1);
    at.witness.manner = 'honest';
    at.witness.release();
    await until(() => at.cosigned.length === 2);
    await settle();
    expect(at.cosigned.map(({ size }) => size)).toEqual([1, 30]);
    expect(at.witness.asked.map(({ size }) => size)).toEqual([1, 30]);
    expect(at.witness.mostAtOnce).toBe(1);
  });

  it('goes to where the URL says, with a slash at its end or without', async () => {
    await using at = await bench();
    for (const url of [`${at.witness.url}/`, `${at.witness.url}/some/where`, `${at.witness.url}/some/where//`]) {
      await using other = await bench({ url });
      other.offer(2);
      await until(() => other.cosigned.length === 1 || other.logged.length === 1);
    }
    const paths = at.witness.asked.map(({ path }) => path);
    expect(paths).toEqual(['POST /add-checkpoint', 'POST /some/where/add-checkpoint', 'POST /some/where/add-checkpoint']);
  });

  it('goes over TLS when the URL says https', async () => {
    const received: number[] = [];
    const server = createServer((socket: Socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes: Buffer) => {
        received.push(...bytes.subarray(0, 1));
        socket.destroy();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using at = await bench({ url: `https://127.0.0.1:${(server.address() as AddressInfo).port}` });
    at.offer(2);
    await until(() => at.follower.health === 'failing');
    expect(received).toEqual([0x16]);
    expect(at.cosigned).toEqual([]);
    server.close();
  });

  it('leaves no connection behind', async () => {
    await using at = await bench();
    at.offer(2);
    await until(() => at.cosigned.length === 1);
    await settle();
    expect(at.witness.connections).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a witness that knows another history', () => {
  it('and has seen more of this log than we have, is critical, told once, and over when the log has grown past it', async () => {
    await using earlier = await bench();
    earlier.offer(20);
    await until(() => earlier.cosigned.length === 1);
    await using at = await bench({}, { seen: earlier.witness.seen });
    at.offer(5);
    await until(() => at.follower.health === 'failing');
    expect(at.logged).toMatchObject([{ level: 'critical', size: 5, error: 'it has seen 20 records of this log, which has 5' }]);
    for (let i = 0; i < 3; i += 1) {
      const asked = at.witness.asked.length;
      vi.advanceTimersToNextTimer();
      await until(() => at.witness.asked.length > asked);
      await settle();
    }
    expect(levels(at)).toEqual(['critical']);
    expect(at.cosigned).toEqual([]);
    at.offer(25);
    vi.advanceTimersToNextTimer();
    await until(() => at.cosigned.length === 1);
    expect(at.cosigned[0]?.size).toBe(25);
    expect(levels(at)).toEqual(['critical', 'warning']);
    expect(at.logged[1]).toMatchObject({ message: 'the witness cosigns again', size: 25 });
    expect(at.follower.health).toBe('ok');
  });

  it.each([
    ['of fewer records', 8, [409, 422]],
    ['of as many records', 12, [409, 409]],
    ['of fewer, and the log has grown past it', 40, [409, 422]],
  ])('%s is critical, and nothing is told to be cosigned', async (_, size, statuses) => {
    const forked = aLog(40, 'forged');
    await using earlier = await bench({ proofOf: forked.proofOf });
    earlier.follower.offer(forked.checkpoint(size === 12 ? 12 : 7));
    await until(() => earlier.cosigned.length === 1);
    await using at = await bench({}, { seen: earlier.witness.seen });
    at.offer(size);
    await until(() => at.follower.health === 'failing');
    expect(at.witness.asked.map(({ status }) => status)).toEqual(statuses);
    expect(at.logged).toMatchObject([{ level: 'critical', error: `it knows another history of this log (answer ${statuses[1]})` }]);
    expect(at.cosigned).toEqual([]);
  });

  it('is critical also when it was only failing before', async () => {
    await using at = await bench();
    at.witness.manner = 'is broken';
    at.offer(5);
    await until(() => at.follower.health === 'failing');
    at.witness.manner = 'boasts';
    vi.advanceTimersByTime(1000);
    await until(() => at.logged.length === 2);
    at.witness.manner = 'is broken';
    vi.advanceTimersByTime(2000);
    await until(() => at.witness.asked.length === 3);
    await settle();
    expect(levels(at)).toEqual(['warning', 'critical']);
  });
});

describe('a witness that does not know us', () => {
  it.each([
    ['the log', aLog(9, 'leaf', readKey('another/log', newKeyPem()), 'another/log'), 404],
    ['its key', aLog(9, 'leaf', readKey(ORIGIN, newKeyPem())), 403],
  ])('knows not %s: it is told of once, and tried again', async (_, log, status) => {
    await using at = await bench();
    at.follower.offer(log.checkpoint(9));
    await until(() => at.follower.health === 'failing');
    vi.advanceTimersByTime(1000);
    await until(() => at.witness.asked.length === 2);
    await settle();
    expect(at.witness.asked.map((each) => each.status)).toEqual([status, status]);
    expect(at.logged).toMatchObject([{ level: 'warning', message: 'the witness does not cosign', error: `it answered ${status}` }]);
    expect(at.cosigned).toEqual([]);
  });
});

describe('a witness that misbehaves', () => {
  it.each([
    ['closes', 'Error'],
    ['cuts', 'Error'],
    ['floods', 'an answer of more than 65536 bytes'],
    ['redirects', 'it answered 307'],
    ['upgrades', 'no answer'],
    ['babbles', 'no "— <name> <base64>"'],
    ['mumbles', 'not UTF-8'],
    ['says nothing', 'not one or more signature lines'],
    ['forges', 'no good cosignature of witness.test/w1'],
    ['confuses', 'no good cosignature of witness.test/w1'],
    ['forgets the time', 'no good cosignature of witness.test/w1'],
    ['contradicts', 'it answered 409'],
    ['is broken', 'it answered 503'],
  ] as [Manner, string][])('(%s) fails, which is told once, and cosigns again when it behaves', async (manner, why) => {
    await using at = await bench();
    at.offer(2);
    await until(() => at.cosigned.length === 1);
    at.witness.manner = manner;
    at.offer(9);
    await until(() => at.follower.health === 'failing');
    expect(at.logged).toMatchObject([{ level: 'warning', message: 'the witness does not cosign', size: 9 }]);
    expect(at.logged[0]?.error).toContain(why);
    vi.advanceTimersByTime(1000);
    await until(() => at.witness.asked.length >= 3);
    await settle();
    expect(at.logged).toHaveLength(1);
    at.witness.manner = 'honest';
    vi.advanceTimersByTime(2000);
    await until(() => at.cosigned.length === 2);
    expect(at.cosigned.map(({ size }) => size)).toEqual([2, 9]);
    expect(at.logged.slice(1)).toMatchObject([{ level: 'warning', message: 'the witness cosigns again', size: 9, failures: 2 }]);
    expect(at.follower.health).toBe('ok');
    expect(at.witness.asked.every(({ path }) => path === 'POST /add-checkpoint')).toBe(true);
    await until(() => at.witness.connections === 0);
  });

  it.each(['hangs', 'trickles'] as const)('(%s) has five seconds in all, and is left', async (manner) => {
    await using at = await bench();
    at.witness.manner = manner;
    at.offer(9);
    await until(() => at.witness.asked.length === 1);
    at.offer(10);
    vi.advanceTimersByTime(4999);
    await settle();
    expect(at.follower.health).toBe('ok');
    expect(at.witness.connections).toBe(1);
    vi.advanceTimersByTime(1);
    await until(() => at.follower.health === 'failing');
    await until(() => at.witness.connections === 0);
    expect(at.logged).toMatchObject([{ level: 'warning', error: 'Error: no whole answer within 5000 ms' }]);
    at.witness.manner = 'honest';
    vi.advanceTimersByTime(1000);
    await until(() => at.cosigned.length === 1);
    await settle();
    expect(at.cosigned.map(({ size }) => size)).toEqual([10]);
  });

  it('keeps a cosignature whose answer was lost, and is found to have it', async () => {
    await using at = await bench();
    at.witness.manner = 'swallows';
    at.offer(9);
    await until(() => at.follower.health === 'failing');
    at.witness.manner = 'honest';
    at.offer(11);
    vi.advanceTimersByTime(1000);
    await until(() => at.cosigned.length === 1);
    expect(olds(at)).toEqual([
      [0, 9, 200],
      [0, 11, 409],
      [9, 11, 200],
    ]);
    expect(at.cosigned[0]?.size).toBe(11);
  });

  it('is not there, and then is', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const gone = await openTestWitness({ logs: [], privateKey });
    await gone[Symbol.asyncDispose]();
    await using at = await bench({ url: gone.url, key: parseVerifierKey(gone.verifierKey) });
    at.offer(3);
    await until(() => at.follower.health === 'failing');
    expect(at.logged[0]?.error).toContain('ECONNREFUSED');
    await using back = await openTestWitness({ logs: [KEY.verifierKey], port: gone.port, privateKey });
    vi.advanceTimersByTime(1000);
    await until(() => at.cosigned.length === 1);
    expect(back.asked).toHaveLength(1);
  });

  it('brings the cosignatures of others, and what is not of its key is left away', async () => {
    await using at = await bench();
    at.witness.manner = 'brings others';
    at.offer(3);
    await until(() => at.cosigned.length === 1);
    const { note } = at.cosigned[0] ?? { note: '' };
    expect(openNote(note).signatures.map(({ name }) => name)).toEqual([ORIGIN, 'witness.test/w1']);
  });
});

describe('a witness whose key is not known', () => {
  it.each(['honest', 'forges'] as const)('(%s) is believed when its answer has the form', async (manner) => {
    await using at = await bench({ key: null });
    at.witness.manner = manner;
    at.offer(3);
    await until(() => at.cosigned.length === 1);
    const { note } = at.cosigned[0] ?? { note: '' };
    expect(openNote(note).signatures).toHaveLength(2);
    expect(isSignedBy(note, parseVerifierKey(at.witness.verifierKey))).toBe(manner === 'honest');
  });

  it.each(['babbles', 'says nothing', 'forgets the time', 'brings others'] as const)('(%s) is not believed otherwise', async (manner) => {
    await using at = await bench({ key: null });
    at.witness.manner = manner;
    at.offer(3);
    await until(() => at.follower.health === 'failing');
    expect(at.cosigned).toEqual([]);
  });
});

describe('after a failure', () => {
  it('the wait is a second, and doubles up to a minute', async () => {
    await using at = await bench();
    at.witness.manner = 'is broken';
    at.offer(3);
    const began = performance.now();
    const times: number[] = [];
    for (let n = 1; n <= 9; n += 1) {
      await until(() => at.witness.asked.length === n);
      await settle();
      times.push((performance.now() - began) / 1000);
      vi.advanceTimersToNextTimer();
    }
    expect(times).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183]);
    expect(levels(at)).toEqual(['warning']);
  });

  it('a new checkpoint does not shorten the wait, and is what is sent after it', async () => {
    await using at = await bench();
    at.witness.manner = 'is broken';
    at.offer(3);
    await until(() => at.follower.health === 'failing');
    await settle();
    at.witness.manner = 'honest';
    for (let size = 4; size < 9; size += 1) {
      at.offer(size);
      vi.advanceTimersByTime(199);
      await settle();
    }
    expect(at.witness.asked).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(5);
    await until(() => at.cosigned.length === 1);
    expect(at.cosigned[0]?.size).toBe(8);
    expect(at.witness.asked).toHaveLength(2);
  });

  it('and a success the wait begins with a second again', async () => {
    await using at = await bench();
    for (const size of [3, 4]) {
      at.witness.manner = 'is broken';
      at.offer(size);
      await until(() => at.follower.health === 'failing');
      at.witness.manner = 'honest';
      vi.advanceTimersByTime(1000);
      await until(() => at.cosigned.at(-1)?.size === size);
    }
    expect(levels(at)).toEqual(['warning', 'warning', 'warning', 'warning']);
  });

  it('of our own, a proof that cannot be had or a note that cannot be kept, nothing is thrown, and it is tried again', async () => {
    let broken = true;
    const kept: number[] = [];
    const parts: Partial<WitnessParts> = {
      proofOf(from, to) {
        if (broken) throw new Error('no proof');
        return LOG.proofOf(from, to);
      },
      onCosigned(_, size) {
        if (broken && size === 5) throw new Error('disk full');
        kept.push(size);
      },
    };
    await using at = await bench(parts);
    at.offer(5);
    await until(() => at.logged.length === 1);
    at.offer(6);
    vi.advanceTimersByTime(1000);
    await settle();
    expect(at.logged).toMatchObject([{ level: 'warning', error: 'Error: disk full' }]);
    broken = false;
    vi.advanceTimersByTime(2000);
    await until(() => kept.length === 1);
    expect(kept).toEqual([6]);
    expect(olds(at)).toEqual([
      [0, 5, 200],
      [5, 6, 200],
    ]);
  });
});

describe('closing', () => {
  it.each(['hangs', 'trickles', 'holds'] as const)('gives up what is under way (%s), and nothing is told afterwards', async (manner) => {
    await using at = await bench();
    at.witness.manner = manner;
    at.offer(3);
    await until(() => at.witness.asked.length === 1);
    at.offer(4);
    await at.follower.close();
    at.witness.release();
    await until(() => at.witness.connections === 0);
    at.offer(5);
    await settle();
    expect(vi.getTimerCount()).toBe(0);
    expect(at.witness.asked).toHaveLength(1);
    expect([at.cosigned, at.logged]).toEqual([[], []]);
  });

  it('ends the wait after a failure', async () => {
    await using at = await bench();
    at.witness.manner = 'is broken';
    at.offer(3);
    await until(() => at.follower.health === 'failing');
    await settle();
    expect(vi.getTimerCount()).toBe(1);
    await at.follower.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(100_000);
    await settle();
    expect(at.witness.asked).toHaveLength(1);
  });

  it('between the two requests of a checkpoint sends no second one', async () => {
    await using earlier = await bench();
    earlier.offer(7);
    await until(() => earlier.cosigned.length === 1);
    let closing: Promise<void> | undefined;
    const parts: Partial<WitnessParts> = {
      proofOf(from, to) {
        closing = at.follower.close();
        return LOG.proofOf(from, to);
      },
    };
    await using at = await bench(parts, { seen: earlier.witness.seen });
    at.offer(9);
    await until(() => closing !== undefined);
    await closing;
    await settle();
    expect(olds(at)).toEqual([[0, 9, 409]]);
    expect([at.cosigned, at.logged]).toEqual([[], []]);
  });

  it('is quick when nothing is under way, and can be done twice', async () => {
    await using at = await bench();
    await at.follower.close();
    await at.follower.close();
    at.offer(3);
    await settle();
    expect(at.witness.asked).toEqual([]);
  });
});
