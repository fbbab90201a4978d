// An incident told again from its records alone is the one that the API shows, after each of them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kept } from '../../src/incident/incident.ts';
import { readRecord } from '../../src/incident/recorded.ts';
import { retell } from '../../src/incident/retell.ts';
import { viewOf } from '../../src/incident/view.ts';
import { deeds, openLife } from '../support/life.ts';
import { aPolicy, openWritePath } from '../support/write-path.ts';

const ALL = Number.MAX_SAFE_INTEGER;

/** The last thing that was told of an incident in these lines. */
const toldIn = (lines: readonly string[]) => lines.map(readRecord).reduce<Kept | null>(retell, null);

describe('an incident told again', () => {
  it('is what the API shows of it, to the byte, whatever has happened to it', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(), async (all) => {
        using life = await openLife();
        await life.live(all);
        const { incidents, records } = life.path.store;
        for (const { seq, type } of life.path.records()) {
          if (type !== 'incident.reported') continue;
          const kept = incidents.bySeq(seq) as Kept;
          const told = toldIn(records.timeline(seq, 0, ALL, ALL).map(({ line }) => line));
          expect(told?.version).toBe(kept.version);
          expect(JSON.stringify(viewOf(told?.incident as Kept['incident']))).toBe(JSON.stringify(viewOf(kept.incident)));
        }
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('is at every step what the step was answered with', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: false, actions: [freeze_agent, log_alert]', 'without_actuator: never') });
    const { incident } = await path.report({ dedup_key: 'k' });
    const { id } = incident;
    const answers = [
      await path.step('acknowledge', id, { note: 'seen' }),
      await path.step('reopen', id),
      await path.step('contain', id),
      await path.report({ dedup_key: 'k', severity: 'critical' }),
      await path.note(id, 'said'),
      await path.step('acknowledge', id),
      await path.step('resolve', id, { resolution: 'test' }),
    ];
    const lines = path.store.records.timeline(incident.audit.seq, 0, ALL, ALL).map(({ line }) => line);
    for (const answer of answers) {
      const told = toldIn(lines.filter((line) => readRecord(line).seq <= answer.version));
      expect(told).toEqual({ incident: answer.incident, version: answer.version });
    }
  });

  it('is nothing before its first record, and is left as it was by what changes nothing', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent]') });
    const [a, b] = [(await path.report()).incident, (await path.report()).incident];
    await path.step('resolve', a.id);
    await path.step('resolve', b.id);
    const records = path.store.records.after(0, ALL, ALL).map(({ line }) => readRecord(line));
    const [first, ...rest] = records;
    expect(rest.filter(({ type }) => type !== 'incident.reported').reduce<Kept | null>(retell, null)).toBeNull();
    const kept = first && retell(null, first);
    // Of its hold: what was known of it moves its version, its end its action, and nothing else.
    const of = rest.filter(({ type }) => type.startsWith('hold.'));
    expect(of.map(({ type }) => type)).toEqual(['hold.recorded', 'hold.released']);
    for (const record of of) {
      const told = retell(kept ?? null, record);
      const [action] = kept?.incident.containment.actions ?? [];
      const actions = [{ ...action, status: record.type === 'hold.released' ? 'released' : 'recorded' }];
      expect(told).toEqual({
        incident: { ...kept?.incident, containment: { ...kept?.incident.containment, actions } },
        version: record.seq,
      });
    }
    for (const record of records.filter(({ id }) => id === null)) expect(retell(kept ?? null, record)).toEqual(kept);
  });
});
