// Webhooks that are told of incidents: in order, each until it takes it, at its own pace, over restarts and long nights.

import { Webhook as StandardWebhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ask } from '../../src/delivery/ask.ts';
import { placesOf } from '../../src/delivery/notice-address.ts';
import { type Notices, createNotices } from '../../src/delivery/notices.ts';
import type { Events } from '../../src/incident/events.ts';
import type { Incident } from '../../src/incident/incident.ts';
import { createLog } from '../../src/log.ts';
import type { Webhook } from '../../src/policy/policy.ts';
import { createClock } from '../support/house.ts';
import { type Manner, type Records, type TestWebhook, openRecords, openTestWebhook } from '../support/webhooks.ts';

const KEY = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');

interface Bench extends AsyncDisposable {
  readonly records: Records;
  /** Those of the policy in force. */
  webhooks: Webhook[];
  readonly notices: Notices;
  readonly clock: ReturnType<typeof createClock>;
  readonly logged: { level: string; message: string; [field: string]: unknown }[];
  /** What is kept, by the key of a webhook; and every time that it was. */
  readonly cursors: Map<string, number>;
  readonly kept: number[];
  /** Whether keeping it works, fails, or never ends. */
  keeping: 'works' | 'fails' | 'hangs';
  /** Adds an incident that is contained, and says its record. */
  contained(n?: number): { seq: number; incident: Incident };
  /** So many incidents that are contained. */
  many(count: number): number[];
  /** What it is about goes on; what was under way is lost, as by kill -9. */
  kill(): void;
  start(): void;
  /** Ends it in order, and starts it again. */
  restart(): Promise<void>;
  /** Time goes by, for clocks and timers. */
  pass(ms: number): Promise<void>;
}

function bench(webhooks: Webhook[]): Bench {
  const records = openRecords();
  const clock = createClock();
  const logged: Bench['logged'] = [];
  const cursors = new Map<string, number>();
  const kept: number[] = [];
  const log = createLog({ level: 'debug', journal: false, write: (line) => logged.push(JSON.parse(line)) });
  let life = 0;
  let n = 0;
  let notices: Notices;

  function start(): void {
    const mine = (life += 1);
    const isDead = () => mine !== life;
    notices = createNotices({
      ...{ store: records.store, log, now: clock.now, monotonic: clock.monotonic, random: () => 0.5 },
      webhooks: () => at.webhooks,
      keysOf: (secret) => {
        if (secret === 'gone.key') throw new Error('the secret gone.key cannot be read');
        return [KEY];
      },
      cursorOf: (key) => cursors.get(key) ?? null,
      keepCursor: (key, seq) => {
        if (at.keeping === 'fails') return Promise.reject(new Error('the disk is full'));
        if (at.keeping === 'hangs' || isDead()) return new Promise(() => {});
        kept.push(seq);
        cursors.set(key, seq);
        return Promise.resolve();
      },
      ask: (what, giveUp) => (isDead() ? new Promise(() => {}) : ask(what, giveUp)),
    });
    notices.adopt();
  }

  const at: Bench = {
    ...{ records, webhooks, clock, logged, cursors, kept, start },
    keeping: 'works',
    get notices() {
      return notices;
    },
    contained(id = (n += 1)) {
      const ts = clock.now().toISOString();
      const incident = records.incident(id, ts);
      const data = { from: 'open', by: 'policy', status: 'enforced', note: null, request: null } as const;
      const seq = records.add('incident.contained', incident.id, data, ts);
      notices.wake();
      return { seq, incident };
    },
    many: (count) => Array.from({ length: count }, () => at.contained().seq),
    kill: () => void (life += 1),
    async restart() {
      await notices.close();
      start();
    },
    async pass(ms) {
      await settle();
      for (let left = ms; left > 0; left -= STEP_MS) {
        clock.advance(Math.min(left, STEP_MS));
        await advance(Math.min(left, STEP_MS));
        await settle(20);
      }
      await settle();
    },
    async [Symbol.asyncDispose]() {
      if (at.keeping !== 'hangs') await notices.close();
      records[Symbol.dispose]();
    },
  };
  start();
  return at;
}

function hookOf(webhook: TestWebhook, more: Partial<Webhook> = {}): Webhook {
  return { url: webhook.url, events: [], format: 'original', secret: null, ...more };
}

/** Less than what a webhook has for its answer: what is under way goes on between two steps of the clock. */
const STEP_MS = 4000;

/** Milliseconds that have gone by for the timers. */
let elapsed = 0;

async function advance(ms: number): Promise<void> {
  elapsed += ms;
  await vi.advanceTimersByTimeAsync(ms);
}

/** Lets everything happen that happens within so few milliseconds: sockets are real, the clock is not. */
async function settle(turns = 100): Promise<void> {
  for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits until it is so: a little time goes by, for timers only. */
async function until(holds: () => boolean): Promise<void> {
  for (const latest = Date.now() + 10_000; !holds();) {
    if (Date.now() > latest) throw new Error(`it never came to this: ${holds.toString()}`);
    await advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const ids = ({ got }: TestWebhook) => got.map(({ headers }) => headers['webhook-id']);
const idsOf = (seqs: readonly number[]) => seqs.map((seq) => `NTC-${seq}`);
const said = ({ logged }: Bench) => logged.map(({ level, message }) => `${level}: ${message}`);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a webhook', () => {
  it('is told of what happens from then on, in order, one after the other', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([]);
    at.many(3);
    at.webhooks = [hookOf(hook)];
    at.notices.adopt();
    expect(at.notices.health).toBe('ok');
    const seqs = at.many(70);
    await until(() => hook.got.length === 70);
    await at.pass(60_000);
    expect(ids(hook)).toEqual(idsOf(seqs));
    expect(hook.mostAtOnce).toBe(1);
    expect(at.logged).toEqual([]);
  });

  it('gets what the original sent, under its name, with an id for each notice', async () => {
    await using hook = await openTestWebhook({ path: '/hook?a=b' });
    await using at = bench([hookOf(hook)]);
    const { seq, incident } = at.contained();
    await until(() => hook.got.length === 1);
    const [{ path, headers, json }] = hook.got as [TestWebhook['got'][number]];
    expect(path).toBe('POST /hook?a=b');
    expect(headers).toMatchObject({
      ...{ 'content-type': 'application/json', 'user-agent': 'SecAI-Incident-Recorder/1.0', host: `127.0.0.1:${hook.port}` },
      ...{ 'webhook-id': `NTC-${seq}`, 'webhook-timestamp': String(Date.parse('2026-03-13T08:15:30Z') / 1000) },
    });
    expect(headers).not.toHaveProperty('webhook-signature');
    expect(json).toMatchObject({
      event: 'containment',
      timestamp: '2026-03-13T08:15:30.123Z',
      severity: 'high',
      source: 'incident-recorder',
    });
    expect(json.incident.id).toBe(incident.id);
  });

  it('can tell by the signature that it is ours, and that nothing was changed', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook, { secret: 'hook.key' })]);
    at.clock.set(new Date().toISOString());
    at.contained();
    await until(() => hook.got.length === 1);
    const [{ headers, body }] = hook.got as [TestWebhook['got'][number]];
    const verifier = new StandardWebhook(`whsec_${KEY.toString('base64')}`);
    const sent = headers as Record<string, string>;
    expect(verifier.verify(body, sent)).toMatchObject({ event: 'containment' });
    expect(() => verifier.verify(body.replace('high', 'low'), sent)).toThrow('No matching signature');
    expect(() => verifier.verify(body, { ...sent, 'webhook-id': 'NTC-999' })).toThrow('No matching signature');
  });

  it('is told nothing that it cannot be signed for', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook, { secret: 'gone.key' })]);
    at.contained();
    await at.pass(1000);
    expect(hook.got).toEqual([]);
    expect(at.notices.health).toBe('failing');
    expect(at.logged).toMatchObject([{ level: 'warning', error: 'the secret gone.key cannot be read' }]);
  });

  it('is told of the events that it asks for; of all, when it asks for none', async () => {
    await using all = await openTestWebhook();
    await using risen = await openTestWebhook();
    await using two = await openTestWebhook();
    await using at = bench([hookOf(all), hookOf(risen, { events: ['escalation'] }), hookOf(two, { events: ['containment', 'recovery'] })]);
    const { incident } = at.contained();
    const ts = at.clock.now().toISOString();
    at.records.add('incident.escalated', incident.id, { from: 'high', to: 'critical', count: 3, window_s: 300 }, ts);
    at.records.add('incident.noted', incident.id, { note: 'nothing for webhooks', request: null }, ts);
    const hold = at.records.hold(1, incident, ts);
    at.records.add('hold.released', hold.id, { reason: 'expired', incident_id: null, status: 'expired' }, ts);
    at.notices.wake();
    const events = ({ got }: TestWebhook) => got.map(({ json }) => json.event);
    await until(() => all.got.length + risen.got.length + two.got.length === 6);
    expect([all, risen, two].map(events)).toEqual([['containment', 'escalation', 'recovery'], ['escalation'], ['containment', 'recovery']]);
    expect(all.got.map(({ json }) => json.incident.id)).toEqual([incident.id, incident.id, incident.id]);
    expect(all.got[2]?.json.actions).toEqual(['freeze_agent']);
  });

  it('is told in the form that it asks for', async () => {
    await using slack = await openTestWebhook();
    await using discord = await openTestWebhook();
    await using at = bench([hookOf(slack, { format: 'slack' }), hookOf(discord, { format: 'discord' })]);
    at.contained();
    await until(() => slack.got.length + discord.got.length === 2);
    expect(slack.got[0]?.json).toEqual({ text: expect.stringContaining('is contained by the policy') });
    expect(discord.got[0]?.json).toEqual({ content: expect.stringContaining('is contained'), allowed_mentions: { parse: [] } });
  });

  it('is named in the log by nothing but its origin and place', async () => {
    await using hook = await openTestWebhook({ path: '/T0SECRET?token=T0SECRET' });
    await using at = bench([hookOf(hook)]);
    hook.manner = { status: 404 };
    at.contained();
    await until(() => at.notices.lost === 1);
    hook.manner = 'hangs';
    at.contained();
    await until(() => hook.got.length === 4);
    await at.pass(5000);
    at.keeping = 'fails';
    hook.manner = 'takes';
    await until(() => at.notices.health === 'ok');
    expect(new Set(at.logged.map(({ webhook }) => webhook))).toEqual(new Set([`${hook.origin} (no. 1)`]));
    expect(JSON.stringify(at.logged)).not.toContain('T0SECRET');
    expect([...at.cursors.keys()]).toEqual(placesOf(at.webhooks));
    at.keeping = 'works';
  });
});

describe('a webhook that does not take a notice', () => {
  it.each<[Manner, string]>([
    ['swallows', 'the connection was reset'],
    ['hangs', 'no whole answer within 5000 ms'],
    ['trickles', 'no whole answer within 5000 ms'],
    ['closes', 'the connection was reset'],
    ['floods', 'an answer of more than 65536 bytes'],
    ['redirects', 'it answered 307'],
    [{ status: 500 }, 'it answered 500'],
    [{ status: 503 }, 'it answered 503'],
    [{ status: 408 }, 'it answered 408'],
    [{ status: 425 }, 'it answered 425'],
    [{ status: 429 }, 'it answered 429'],
  ])('(%j) is told it again until it does, and then what came meanwhile', async (manner, error) => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = manner;
    const [first, ...more] = at.many(3);
    await until(() => hook.got.length === 1);
    await at.pass(5000);
    await until(() => at.notices.health === 'failing');
    await until(() => hook.got.length >= 4);
    await at.pass(5000);
    expect(new Set(ids(hook)), 'no other meanwhile, and nothing elsewhere').toEqual(new Set([`NTC-${first}`]));
    expect(new Set(hook.got.map(({ path }) => path))).toEqual(new Set(['POST /hook']));
    hook.manner = 'takes';
    await until(() => at.notices.health === 'ok');
    await until(() => ids(hook).at(-1) === `NTC-${more[1]}`);
    expect(ids(hook).slice(-3)).toEqual(idsOf([first ?? 0, ...more]));
    expect(said(at)).toEqual(['warning: a webhook does not take its notices', 'warning: a webhook takes its notices again']);
    expect(at.logged[0]).toMatchObject({ webhook: `${hook.origin} (no. 1)`, notice: first, error });
    expect(at.notices.lost).toBe(0);
  });

  it.each<Manner>(['babbles', { status: 200 }, { status: 201 }, { status: 299 }])('but answers %j has taken it', async (manner) => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = manner;
    const seqs = at.many(2);
    await until(() => hook.got.length === 2);
    await at.pass(120_000);
    expect(ids(hook)).toEqual(idsOf(seqs));
  });

  it('is asked again after 1, 2, 5, 10, 30 and 60 seconds, by the same id, with the incident as it is then', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = { status: 503 };
    const { seq, incident } = at.contained();
    const waits: number[] = [];
    await until(() => hook.got.length === 1);
    for (let n = 2; n <= 9; n += 1) {
      const from = elapsed;
      for (let ms = 0; hook.got.length < n && ms < 100_000; ms += 250) await at.pass(250);
      waits.push(Math.round((elapsed - from) / 1000));
    }
    expect(waits).toEqual([1, 2, 5, 10, 30, 60, 60, 60]);
    at.records.store.incidents.update({ ...incident, state: 'resolved' }, seq);
    hook.manner = 'takes';
    await at.pass(61_000);
    await until(() => hook.got.length === 10);
    expect(new Set(ids(hook))).toEqual(new Set([`NTC-${seq}`]));
    expect(hook.got.map(({ json }) => json.incident.state)).toEqual([...Array<string>(9).fill('contained'), 'resolved']);
  });

  it.each([
    ['120', 120],
    ['7200', 3600],
    ['soon', 1],
  ])('and asks to be left alone for %s seconds, is: for at most an hour', async (retryAfter, seconds) => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = { status: 429, retryAfter };
    at.contained();
    await until(() => hook.got.length === 1);
    await settle();
    await at.pass((seconds - 1) * 1000);
    expect(hook.got).toHaveLength(1);
    await at.pass(3000);
    await until(() => hook.got.length === 2);
  });

  it.each([400, 401, 404, 410, 422])('and says %i, is asked three times; then that one is left out, once and aloud', async (status) => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = { status };
    const [refused, next] = [at.contained(), at.contained()];
    await until(() => hook.got.length === 3);
    hook.manner = 'takes';
    await until(() => at.notices.health === 'ok');
    await until(() => hook.got.length === 4);
    expect(ids(hook)).toEqual(idsOf([refused.seq, refused.seq, refused.seq, next.seq]));
    expect(at.notices.lost).toBe(1);
    expect(said(at)).toEqual(['error: a webhook refuses a notice; it is left out', 'warning: a webhook takes its notices again']);
    expect(at.logged[0]).toMatchObject({
      notice: refused.seq,
      incident: refused.incident.id,
      event: 'containment',
      error: `it answered ${status}`,
    });
  });

  it('delays no other', async () => {
    await using slow = await openTestWebhook();
    await using quick = await openTestWebhook();
    await using at = bench([hookOf(slow), hookOf(quick)]);
    slow.manner = 'hangs';
    const seqs = at.many(50);
    await until(() => quick.got.length === 50);
    expect(ids(quick)).toEqual(idsOf(seqs));
    expect(slow.got.length).toBe(1);
  });
});

describe('a webhook that is down for long', () => {
  it('holds its place, and is told all of it in order when it comes back', async () => {
    const gone = await openTestWebhook();
    await gone[Symbol.asyncDispose]();
    await using at = bench([hookOf(gone)]);
    const seqs: number[] = [];
    for (let hour = 0; hour < 23; hour += 1) {
      seqs.push(...at.many(5));
      await at.pass(3_600_000);
    }
    expect(said(at)).toEqual(['warning: a webhook does not take its notices']);
    expect(at.logged[0]).toMatchObject({ error: 'connection refused' });
    await using hook = await openTestWebhook({ port: gone.port });
    await at.pass(72_000);
    await until(() => hook.got.length === seqs.length);
    expect(ids(hook)).toEqual(idsOf(seqs));
    expect(at.notices.lost).toBe(0);
  });

  it('is told no more of what is older than a day: that is given up aloud, and counted', async () => {
    const gone = await openTestWebhook();
    await gone[Symbol.asyncDispose]();
    await using at = bench([hookOf(gone)]);
    const old = at.many(40);
    await at.pass(6 * 3_600_000);
    const young = at.many(3);
    await at.pass(19 * 3_600_000);
    await using hook = await openTestWebhook({ port: gone.port });
    await at.pass(72_000);
    await until(() => hook.got.length === 3);
    expect(ids(hook)).toEqual(idsOf(young));
    expect(at.notices.lost).toBe(40);
    const given = at.logged.filter(({ level }) => level === 'error');
    expect(given.map(({ message }) => message)).toEqual(['notice given up: a webhook has not taken it within a day']);
    expect(given[0]).toMatchObject({ count: 40, from: old[0], to: old.at(-1) });
  });

  it('and misses a day while the recorder is off, is told of the last day', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    await at.notices.close();
    const old = at.many(5);
    await at.pass(25 * 3_600_000);
    const young = at.many(2);
    at.start();
    await until(() => hook.got.length === 2);
    expect(ids(hook)).toEqual(idsOf(young));
    expect(at.logged).toMatchObject([{ level: 'error', count: 5, from: old[0], to: old[4] }]);
  });
});

describe('over a restart', () => {
  it('nothing is told twice, and nothing is left out', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    const seqs = at.many(5);
    await until(() => hook.got.length === 5);
    await settle();
    await at.restart();
    seqs.push(...at.many(5));
    await until(() => hook.got.length === 10);
    await settle();
    await at.notices.close();
    seqs.push(...at.many(5));
    at.start();
    await until(() => hook.got.length === 15);
    await at.pass(120_000);
    expect(ids(hook)).toEqual(idsOf(seqs));
  });

  it('that comes by kill -9 after the webhook has taken it and before that is kept, it is told again by the same id', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    at.keeping = 'hangs';
    const { seq } = at.contained();
    await until(() => hook.got.length === 1);
    await at.pass(5000);
    at.kill();
    at.keeping = 'works';
    at.start();
    const next = at.contained();
    await until(() => hook.got.length === 3);
    expect(ids(hook)).toEqual(idsOf([seq, seq, next.seq]));
    await at.pass(120_000);
    expect(hook.got).toHaveLength(3);
  });

  it.each<Manner>(['hangs', 'swallows'])('that comes by kill -9 while the webhook (%s) has it, it is told again', async (manner) => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = manner;
    const seqs = at.many(2);
    await until(() => hook.got.length === 1);
    at.kill();
    hook.manner = 'takes';
    at.start();
    await until(() => hook.got.length === 3);
    expect(ids(hook)).toEqual(idsOf([seqs[0] ?? 0, ...seqs]));
  });

  it('what is under way is given up at once', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = 'hangs';
    const { seq } = at.contained();
    await until(() => hook.got.length === 1);
    await at.notices.close();
    expect(at.logged).toEqual([]);
    expect(at.cursors.get(placesOf(at.webhooks)[0] ?? '')).toBe(seq - 2);
  });

  it('of a log that was pruned meanwhile, it begins with the first record that there is', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([]);
    at.cursors.set(placesOf([hookOf(hook)])[0] ?? '', 5);
    at.records.skip(1000);
    const { seq } = at.contained();
    at.webhooks = [hookOf(hook)];
    at.notices.adopt();
    await until(() => hook.got.length === 1);
    expect(seq).toBe(1002);
    expect(ids(hook)).toEqual(['NTC-1002']);
  });

  it('of a store that is an older copy, a place beyond it is its end', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([]);
    at.many(2);
    at.cursors.set(placesOf([hookOf(hook)])[0] ?? '', 1000);
    at.webhooks = [hookOf(hook)];
    at.notices.adopt();
    const { seq } = at.contained();
    await until(() => hook.got.length === 1);
    expect(ids(hook)).toEqual([`NTC-${seq}`]);
  });
});

describe('its place', () => {
  const place = (at: Bench) => at.cursors.get(placesOf(at.webhooks)[0] ?? '');

  it('is the end of the log when it is new, and is kept at once', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([]);
    at.many(3);
    at.webhooks = [hookOf(hook)];
    at.notices.adopt();
    expect(place(at)).toBe(6);
    at.kill();
    const { seq } = at.contained();
    at.start();
    await until(() => hook.got.length === 1);
    expect(ids(hook)).toEqual([`NTC-${seq}`]);
  });

  it('is kept as soon as a notice was taken, when none follows', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    const { seq } = at.contained();
    await until(() => hook.got.length === 1);
    await settle();
    expect(place(at)).toBe(seq);
  });

  it('is kept once a second at most while there is always more', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    const seqs = at.many(200);
    await until(() => hook.got.length === 200);
    await settle();
    expect(at.kept).toEqual([0, seqs.at(-1)]);
  });

  it('is kept once a minute at most for what does not matter', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    for (let second = 0; second < 150; second += 1) {
      at.records.add('auth.denied', null, { count: 1, reasons: {} }, at.clock.now().toISOString());
      at.notices.wake();
      await at.pass(1000);
    }
    expect(at.kept).toEqual([0, 60, 120]);
    await at.notices.close();
    expect(at.kept).toEqual([0, 60, 120, 150]);
  });

  it('that cannot be kept keeps nothing else from going on; it is kept when that works again', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    at.keeping = 'fails';
    const seqs = at.many(3);
    await until(() => hook.got.length === 3);
    seqs.push(...at.many(3));
    await until(() => hook.got.length === 6);
    await settle();
    expect(said(at)).toEqual(['warning: how far a webhook was told cannot be kept']);
    at.keeping = 'works';
    await at.pass(60_000);
    seqs.push(...at.many(1));
    await until(() => hook.got.length === 7);
    await settle();
    expect(place(at)).toBe(seqs.at(-1));
    expect(ids(hook)).toEqual(idsOf(seqs));
  });
});

describe('a policy that is read again', () => {
  it('goes on with the webhooks that it had, in the middle of what they are told', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = 'hangs';
    const seqs = at.many(2);
    await until(() => hook.got.length === 1);
    at.webhooks = [hookOf(hook)];
    at.notices.adopt();
    await at.pass(4000);
    expect(hook.got).toHaveLength(1);
    hook.manner = 'takes';
    await at.pass(2100);
    await until(() => hook.got.length === 3);
    expect(ids(hook)).toEqual(idsOf([seqs[0] ?? 0, ...seqs]));
  });

  it('tells one at once in another form, which did not take what it had', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = { status: 503, retryAfter: '3000' };
    const { seq } = at.contained();
    await until(() => hook.got.length === 1);
    await settle();
    hook.manner = 'takes';
    at.webhooks = [hookOf(hook, { format: 'slack' })];
    at.notices.adopt();
    await until(() => hook.got.length === 2);
    expect(hook.got[1]?.json).toHaveProperty('text');
    expect(ids(hook)).toEqual(idsOf([seq, seq]));
  });

  it('lets a webhook go, and takes it up again where it was', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    hook.manner = 'hangs';
    const seqs = at.many(2);
    await until(() => hook.got.length === 1);
    at.webhooks = [];
    at.notices.adopt();
    expect(at.notices.health).toBe('none');
    hook.manner = 'takes';
    seqs.push(...at.many(2));
    await at.pass(60_000);
    expect(hook.got).toHaveLength(1);
    at.webhooks = [hookOf(hook)];
    at.notices.adopt();
    await until(() => hook.got.length === 5);
    expect(ids(hook).slice(1)).toEqual(idsOf(seqs));
  });
});

describe('a long log', () => {
  it('in which a record is damaged is read on behind it', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    at.records.add('command.moved', 'HLD-000000000001', {} as Events['command.moved'], at.clock.now().toISOString());
    const { seq, line } = at.records.store.records.after(0, 1, 1)[0] ?? { seq: 0, line: '' };
    at.records.store.records.insert(seq + 1, null, line.replace('"seq":1,', '"seq":2,').replace('"data":{', '"data":{{'));
    const whole = at.contained();
    await until(() => hook.got.length === 1);
    expect(ids(hook)).toEqual([`NTC-${whole.seq}`]);
    expect(at.logged).toMatchObject([{ message: 'a record cannot be read: no webhook is told of it', seq: 2 }]);
  });

  it('that cannot be read at all is tried again later, and all of it is told then', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    const failing = vi.spyOn(at.records.store.records, 'after').mockImplementation(() => {
      throw new Error('disk I/O error');
    });
    const seqs = at.many(2);
    await at.pass(1000);
    expect(at.notices.health).toBe('failing');
    expect(said(at)).toEqual(['error: what a webhook is to be told cannot be read']);
    failing.mockRestore();
    await until(() => hook.got.length === 2);
    expect(ids(hook)).toEqual(idsOf(seqs));
    expect(at.notices.health).toBe('ok');
  });

  it('is read in pieces: whatever else is to be done comes in between', async () => {
    await using hook = await openTestWebhook();
    await using at = bench([hookOf(hook)]);
    await at.notices.close();
    at.many(300);
    await at.pass(25 * 3_600_000);
    for (let i = 0; i < 5000; i += 1) at.records.add('auth.denied', null, { count: i, reasons: {} }, at.clock.now().toISOString());
    const { seq } = at.contained();
    at.start();
    let turns = 0;
    const turn = () => {
      turns += 1;
      if (hook.got.length === 0) setImmediate(turn);
    };
    turn();
    await until(() => hook.got.length === 1);
    expect(ids(hook)).toEqual([`NTC-${seq}`]);
    expect(turns).toBeGreaterThan(300 + 5000 / 32);
  });
});
