// kill -9 at any moment of random lives with actuators in random moods: in the end all is as the records say, and so is the world.

import { describe, expect, it } from 'vitest';
import { quickPolicy } from '../support/actuators/policies.ts';
import type { Manner } from '../support/actuators/process.ts';
import { type Places, type Site, hasCurl, openSite, untilNothing } from '../support/actuators/site.ts';

const SEED = Number(process.env['SEED'] ?? 20_260_313);
const ROUNDS = Number(process.env['ROUNDS'] ?? 8);
const STEPS = 12;
const CLASSES = ['policy_bypass_attempt', 'forbidden_airlock_request', 'tool_call_burst', 'integrity_violation'];
const MANNERS: readonly Manner[] = ['does', 'does', 'does', 'fails', 'acts', 'hangs'];

/** Numbers from 0 to 1 that are the same each time (mulberry32). */
function chances(seed: number): () => number {
  let a = seed;
  return () => {
    a = Math.trunc(a + 0x6d2b79f5);
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Life {
  readonly site: Site;
  readonly chance: () => number;
  readonly pick: <T>(from: readonly T[]) => T;
  /** Incidents whose report was answered, and whose resolution was. */
  readonly answered: Set<string>;
  readonly resolved: Set<string>;
}

const live = async (site: Site, filter = '') => (await site.get(`/api/v1/holds?limit=200${filter}`)).body as any[];

async function report({ site, chance, pick, answered }: Life, more: Record<string, unknown> = {}): Promise<void> {
  const evidence = { src_ip: `203.0.113.${Math.floor(chance() * 4) + 1}` };
  const { status, body } = await site.report({ class: pick(CLASSES), evidence, ...more }, 0);
  if (status === 201) answered.add(body.id);
}

async function resolve({ site, pick, answered, resolved }: Life): Promise<void> {
  const known = [...answered].filter((id) => !resolved.has(id));
  if (known.length === 0) return;
  const id = pick(known);
  const { status } = await site.post('/api/v1/incidents/resolve', { id });
  if (status === 200) resolved.add(id);
}

/** Only what is verified: who drifts again before it was seen to be mended is told again only after a minute. */
async function forget({ site }: Life): Promise<void> {
  if ((await live(site, '&status=verified&action=freeze_agent')).length > 0) site.agent.signal('SIGUSR2');
}

/** What another actuator would do than the one that was asked about can only be rejected. */
async function decide({ site, pick }: Life, wanted = pick(['approve', 'reject'])): Promise<void> {
  for (const { id, digest } of (await site.get('/api/v1/approvals?status=pending')).body) {
    const say = async (decision: string) =>
      site.post(`/api/v1/approvals/${id}/decision`, { decision }, { headers: { 'if-match': `"${digest}"` } });
    if ((await say(wanted)).status === 409) await say('reject');
  }
}

async function touch({ site, pick, chance }: Life): Promise<void> {
  const holds = await live(site);
  if (holds.length > 0) await site.post(`/api/v1/holds/${pick(holds).id}/${chance() < 0.5 ? 'release' : 'apply'}`, {});
}

/** What is wrong with the world, as far as it is not as it should be. */
async function wrong(site: Site): Promise<unknown[]> {
  const { body: open } = await site.get('/api/v1/commands?status=pending,accepted&limit=200');
  const holds = await live(site);
  const ids = (action: string) =>
    holds
      .filter((hold) => hold.action === action)
      .map(({ id }): string => id)
      .sort();
  const { frozen, closed, rules } = site.reality();
  const undone = holds.filter(({ action, status }) => status !== (action === 'disable_airlock' ? 'enforced' : 'verified'));
  const byHand = site.records('hold.released').some(({ data }) => data['by_hand'] === true);
  // What was let go of while nobody was there to undo it stays as it was.
  const freezeIsTrue = ids('freeze_agent').length > 0 ? frozen : !frozen || byHand;
  const isTrue = freezeIsTrue && (closed || ids('disable_airlock').length === 0) && rules.join() === ids('block_ip').join();
  return [...open, ...undone, ...(isTrue ? [] : [{ frozen, closed, rules }])];
}

async function expectTruth({ site, answered, resolved }: Life, ended: readonly string[]): Promise<void> {
  for (const id of answered) {
    const { status, body } = await site.get(`/api/v1/incidents/${id}`);
    const ends = expect.stringMatching(`^(${['contained', 'resolved', ...ended].join('|')})$`);
    expect([id, status, body.state ?? body]).toEqual([id, 200, resolved.has(id) ? 'resolved' : ends]);
  }
  // Nothing was done twice, but for what was forgotten.
  const effects = site.agent.lines('did').map(({ id, life }) => `${id} ${life}`);
  expect(effects.length).toBe(new Set(effects).size);
  expect(site.unrecorded()).toEqual([]);
  expect(await site.verdict()).toBe('sound');
}

const pause = async (ms: number) => new Promise((resume) => setTimeout(resume, ms));

function beLife(site: Site): Life {
  const chance = chances(SEED);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(chance() * from.length)] as T;
  return { site, chance, pick, answered: new Set(), resolved: new Set() };
}

/** What the crash cuts off was not answered. */
async function lead(life: Life, step: (n: number) => Promise<void>): Promise<void> {
  const { site, chance, pick } = life;
  for (let round = 0; round < ROUNDS; round += 1) {
    site.agent.behave(pick([...MANNERS, 'accepts']));
    site.airlock.behave(pick(MANNERS));
    site.firewall.behave(pick(['does', 'does', 'acts', 'hangs']));
    const underWay: Promise<unknown>[] = [];
    for (let i = 0; i < STEPS; i += 1) {
      underWay.push(step(i).catch(() => {}));
      await pause(chance() * 60);
    }
    // Now and then an actuator dies first, and comes back with what it had on disk.
    const dies = chance() < 0.4 ? pick(site.all) : null;
    await dies?.kill();
    await pause(chance() * 300);
    await site.program.end('SIGKILL');
    await Promise.all(underWay);
    if (dies && chance() < 0.5) await dies.start();
    await site.program.start();
    if (dies) await dies.start();
  }
  for (const each of site.all) each.behave('does');
}

describe.skipIf(!hasCurl)(`the recorder is killed at any moment, ${ROUNDS} times (SEED=${SEED})`, () => {
  it('with reports, resolutions and drift under way', async () => {
    await using site = await openSite(quickPolicy());
    const life = beLife(site);
    await lead(life, async (n) => {
      const what = life.chance();
      if (n === STEPS - 1) return forget(life);
      return what < 0.35 ? resolve(life) : report(life);
    });
    await untilNothing(async () => wrong(site), 60_000);
    await expectTruth(life, []);
  }, 150_000);

  it('also with deadlines that pass, holds that end, approvals, operators and reloads that take an actuator away', async () => {
    let places: Places = { agent: '', airlock: '' };
    const whole = quickPolicy({ deadline: '1500ms', ttl: '3s' });
    await using site = await openSite((at) => whole((places = at)));
    const life = beLife(site);
    const policies = [
      whole(places),
      whole(places),
      whole(places).replace(/ {2}agent:\n(?: {4}.*\n)+/, ''),
      whole(places).replace(/ {2}firewall:.*\n/, ''),
    ];
    await lead(life, async () => {
      const what = life.chance();
      if (what < 0.2) return resolve(life);
      if (what < 0.25) return forget(life);
      if (what < 0.35) return report(life, { class: 'prompt_injection', confidence: 0.5 });
      if (what < 0.45) return decide(life);
      if (what < 0.55) return touch(life);
      if (what < 0.65) {
        site.writePolicy(life.pick(policies));
        process.kill(site.program.pid, 'SIGHUP');
        return;
      }
      return report(life);
    });
    // With all there again, what is overdue is taken up at once by a start; what waits for an operator is ordered.
    site.writePolicy(whole(places));
    await site.program.end('SIGTERM');
    await site.program.start();
    await decide(life, 'approve');
    await untilNothing(async () => {
      for (const { id, status } of await live(site)) if (status === 'recorded') await site.post(`/api/v1/holds/${id}/apply`, {});
      return wrong(site);
    }, 60_000);
    await expectTruth(life, ['open']);
  }, 150_000);
});
