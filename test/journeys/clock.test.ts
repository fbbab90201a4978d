// The clock of the host is set back and forward while the recorder runs: its log is ordered by seq, its time never goes back, its windows hold.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AuditRecord, aReport, createClock, openTestHouse } from '../support/house.ts';
import { verifyLog } from '../support/verify-log.mjs';

const REPORT = '/api/v1/incidents/report';
const POLICY = `version: 1
rules:
  prompt_injection: {default_severity: low, dedupe: {by: [source], window: 600s}}
  tool_call_burst: {default_severity: low, escalate: {count: 3, window: 300s, to: critical}}
`;
const SECOND = 1000;
const DAY = 86_400 * SECOND;
const YEAR = 365 * DAY;
/** How the clock is moved before each report. */
const MOVES = [0, 5 * SECOND, -DAY, 0, 2 * DAY, -10 * YEAR, SECOND, 9 * YEAR, 1, -YEAR, 3 * YEAR, -3 * YEAR, 0, DAY];

function isOrdered(records: readonly Pick<AuditRecord, 'seq' | 'ts'>[]): boolean {
  return records.every(({ seq, ts }, i) => seq === i + 1 && ts >= (records[i - 1]?.ts ?? ''));
}

describe('a clock that is set back and forward', () => {
  it('leaves a log whose time never goes back, over restarts too, and a list in the order in which things came', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ policy: POLICY, now: clock.now, env: { AUDIT_ROTATE_AGE: '99999d' } });
    const ids: string[] = [];
    for (const [i, move] of MOVES.entries()) {
      clock.advance(move);
      if (i % 5 === 4) await house.restart();
      const { body } = await house.post(REPORT, aReport({ class: 'model_behavior_anomaly' })).expect(201);
      expect(body.created_at <= body.updated_at).toBe(true);
      ids.push(body.id);
      const { body: resolved } = await house.post('/api/v1/incidents/acknowledge', { id: body.id }).expect(200);
      expect(resolved.updated_at >= body.created_at).toBe(true);
    }
    const records = house.records();
    expect(isOrdered(records)).toBe(true);
    expect(new Set(records.map(({ ts }) => ts.slice(0, 10))).size).toBe(3);
    expect(verifyLog(join(house.dir, 'audit.jsonl'))).toMatchObject({ fault: null, torn: false, records: records.length });
    const { body: list } = await house.get('/api/v1/incidents?limit=200').expect(200);
    expect(list.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed());
    // What is looked for here would be found.
    expect(isOrdered(records.with(4, { ...records[4]!, ts: '2016-03-13T08:15:30.123Z' }))).toBe(false);
  });

  it('opens and shuts no window when it is set back, and shuts them when it goes on', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ policy: POLICY, now: clock.now, env: { AUDIT_ROTATE_AGE: '99999d' } });
    const report = async (name: string, move: number) => {
      clock.advance(move);
      return (await house.post(REPORT, aReport({ class: name }))).body as { id: string; severity: string; occurrences: number };
    };
    const first = await report('prompt_injection', 0);
    expect(await report('prompt_injection', -DAY)).toMatchObject({ id: first.id, occurrences: 2 });
    expect(await report('prompt_injection', 500 * SECOND)).toMatchObject({ id: first.id, occurrences: 3 });
    expect(await report('prompt_injection', DAY)).toMatchObject({ id: first.id, occurrences: 4 });
    const second = await report('prompt_injection', 601 * SECOND);
    expect(second.id).not.toBe(first.id);

    expect((await report('tool_call_burst', 0)).severity).toBe('low');
    expect((await report('tool_call_burst', -YEAR)).severity).toBe('low');
    expect((await report('tool_call_burst', 0)).severity).toBe('critical');
    expect((await report('tool_call_burst', YEAR)).severity).toBe('critical');
    expect((await report('tool_call_burst', 301 * SECOND)).severity).toBe('low');
  });

  it('forgets no request that was done once', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ policy: POLICY, now: clock.now, env: { AUDIT_ROTATE_AGE: '99999d' } });
    const send = async (move: number) => {
      clock.advance(move);
      const answer = await house.post(REPORT, aReport({ class: 'model_behavior_anomaly' })).set('Idempotency-Key', 'once');
      return answer.body.id as string;
    };
    const id = await send(0);
    expect([await send(-YEAR), await send(YEAR), await send(DAY - SECOND)]).toEqual([id, id, id]);
    expect(await send(2 * SECOND)).not.toBe(id);
  });
});
