// Random lives of incidents, through the whole service, against a model of the lifecycle table that fits on one page.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { verifyLog } from '../support/verify-log.mjs';

type State = 'open' | 'contained' | 'acknowledged' | 'resolved';
type Step = 'contain' | 'acknowledge' | 'resolve' | 'reopen';

const POLICY = `version: 1
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent]}
  tool_call_burst: {auto_contain: false, actions: [freeze_agent]}
`;
const CLASSES = ['prompt_injection', 'tool_call_burst', 'manifest_mismatch'] as const;
const STEPS: Step[] = ['contain', 'acknowledge', 'resolve', 'reopen'];

/** What is to be known of an incident. */
interface Life {
  id: string;
  class: string;
  key: string | null;
  state: State;
  /** Its containment stands. */
  stands: boolean;
  /** It owns the hold that freezes the agent. */
  owns: boolean;
  occurrences: number;
  follows: string | null;
}

/** The table: where a step leads, or null. */
function after({ state, stands }: Life, step: Step): State | null {
  if (state === 'resolved') return null;
  switch (step) {
    case 'contain':
      return state === 'contained' ? null : 'contained';
    case 'acknowledge':
      return state === 'acknowledged' ? null : 'acknowledged';
    case 'resolve':
      return 'resolved';
    case 'reopen':
      return state === 'acknowledged' ? (stands ? 'contained' : 'open') : null;
  }
}

function taken(life: Life, step: Step, to: State): Life {
  if (step === 'contain') return { ...life, state: to, stands: true, owns: life.class !== 'manifest_mismatch' };
  if (step === 'resolve') return { ...life, state: to, owns: false };
  return { ...life, state: to };
}

function reported(lives: readonly Life[], className: string, key: string | null): Life | { follows: string | null } {
  const latest = key === null ? undefined : lives.findLast((life) => life.class === className && life.key === key);
  if (latest && latest.state !== 'resolved') return { ...latest, occurrences: latest.occurrences + 1 };
  return { follows: latest?.id ?? null };
}

type Operation = { do: 'report'; class: string; key: string | null } | { do: Step; which: number } | { do: 'restart' };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      class: fc.constantFrom(...CLASSES),
      key: fc.option(fc.constantFrom('a', 'b')),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom(...STEPS), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

async function perform(house: TestHouse, lives: Life[], each: Operation): Promise<number | null> {
  if (each.do === 'restart') {
    await house.restart();
    return null;
  }
  if (each.do === 'report') {
    const { status, body } = await house.post('/api/v1/incidents/report', aReport({ class: each.class, dedup_key: each.key }));
    const expected = reported(lives, each.class, each.key);
    if ('id' in expected) {
      expect([status, body.id]).toEqual([200, expected.id]);
      const at = lives.findIndex(({ id }) => id === expected.id);
      lives[at] = expected;
      return at;
    }
    expect(status).toBe(201);
    expect(lives.map(({ id }) => id)).not.toContain(body.id);
    const contains = each.class === 'prompt_injection';
    lives.push({
      ...each,
      ...expected,
      id: body.id,
      state: contains ? 'contained' : 'open',
      stands: contains,
      owns: contains,
      occurrences: 1,
    });
    return lives.length - 1;
  }
  if (lives.length === 0) return null;
  const at = each.which % lives.length;
  const life = lives[at] as Life;
  const to = after(life, each.do);
  const { status, body } = await house.post(`/api/v1/incidents/${each.do}`, { id: life.id });
  expect(status).toBe(to === null ? 409 : 200);
  if (to === null) return at;
  expect(body.state).toBe(to);
  lives[at] = taken(life, each.do, to);
  return at;
}

async function compareOne(house: TestHouse, life: Life): Promise<void> {
  const { body } = await house.get(`/api/v1/incidents/${life.id}`).expect(200);
  expect(body).toMatchObject({ state: life.state, occurrences: life.occurrences, follows: life.follows, class: life.class });
  expect(body.containment.reached_at !== null).toBe(life.stands);
  // Each state has a step that it does not allow, and the refusal tells the ones that it does.
  const refused = STEPS.find((step) => after(life, step) === null) as Step;
  const { body: refusal } = await house.post(`/api/v1/incidents/${refused}`, { id: life.id }).expect(409);
  expect([refusal.state, refusal.allowed]).toEqual([life.state, STEPS.filter((step) => after(life, step) !== null)]);
}

async function compareAll(house: TestHouse, lives: readonly Life[]): Promise<void> {
  const count = (...states: State[]) => lives.filter(({ state }) => states.includes(state)).length;
  const { body: stats } = await house.get('/api/v1/stats').expect(200);
  expect(stats).toMatchObject({
    total_incidents: lives.length,
    open_incidents: count('open', 'contained'),
    contained_count: count('contained'),
    resolved_count: count('resolved'),
    by_state: { open: count('open'), contained: count('contained'), acknowledged: count('acknowledged'), resolved: count('resolved') },
  });
  const { body: health } = await house.get('/health').expect(200);
  expect([health.open_incidents, health.total_incidents]).toEqual([count('open', 'contained'), lives.length]);
  const db = new Database(join(house.dir, 'incidents.db'), { readonly: true });
  const frozen = db.prepare('SELECT count(*) FROM holds WHERE live = 1').pluck().get();
  db.close();
  expect(frozen).toBe(lives.some(({ owns }) => owns) ? 1 : 0);
}

describe('any sequence of reports, steps and restarts', () => {
  it('leads every incident where the lifecycle table says, keeps counts and holds true at each step, and leaves a sound log', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
        await using house = await openTestHouse({ policy: POLICY });
        const lives: Life[] = [];
        for (const each of operations) {
          const touched = await perform(house, lives, each);
          if (touched !== null) await compareOne(house, lives[touched] as Life);
          await compareAll(house, lives);
        }
        await house.restart();
        for (const life of lives) await compareOne(house, life);
        await compareAll(house, lives);
        await house.close();
        const told = house.records();
        expect(told.filter(({ type }) => type === 'incident.reported').map(({ id }) => id)).toEqual(lives.map(({ id }) => id));
        const joins = lives.reduce((sum, { occurrences }) => sum + occurrences - 1, 0);
        expect(told.filter(({ type }) => type === 'incident.joined')).toHaveLength(joins);
        expect(verifyLog(join(house.dir, 'audit.jsonl'))).toMatchObject({ fault: null, torn: false, records: told.length });
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});
