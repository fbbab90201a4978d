// What of the table is in memory: bounded, whatever waits in it, and nothing is left out for ever.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/incident/command.ts';
import { createWindow } from '../../src/delivery/window.ts';

const command = (seq: number, overdue: boolean): Command => ({
  ...{
    seq,
    id: `CMD-${seq}`,
    op: 'apply',
    hold: seq,
    hold_id: `HLD-${seq}`,
    action: 'freeze_agent',
    target: { type: 'agent', id: `${seq}` },
  },
  ...{ params: {}, expires_at: null, incident_id: 'INC-1', actuator: 'agent', reason: 'ordered', status: overdue ? 'failed' : 'pending' },
  ...{
    overdue,
    open: true,
    created_at: '',
    not_before: '',
    deadline_at: '',
    attempts: 0,
    error: null,
    evidence: null,
    late: null,
    completed_at: null,
  },
});

/** A table, and a window on it with few places. */
function open(table: Command[], places = 150) {
  let rows = 0;
  const outbox = {
    byId: () => null,
    open: (_: string, after: number, limit: number) => {
      const page = table.filter(({ seq }) => seq > after).slice(0, limit);
      rows += page.length;
      return page;
    },
  };
  return { window: createWindow(outbox, 'agent', places), rows: () => rows };
}

describe('the window', () => {
  it('takes in what there is, a few pages at a time', () => {
    const { window } = open(
      Array.from({ length: 5000 }, (_, i) => command(i + 1, true)),
      10_000,
    );
    let fills = 1;
    while (window.fill(0)) fills += 1;
    expect(window.entries.size).toBe(5000);
    expect(fills).toBeGreaterThanOrEqual(10);
  });

  it('does not read on where nothing is new', () => {
    const { window, rows } = open([command(1, false)]);
    window.fill(0);
    for (let i = 0; i < 100; i += 1) window.fill(0);
    expect(rows()).toBe(1);
    window.look();
    window.fill(0);
    expect(rows()).toBe(1);
  });

  it('holds no more than its places of each kind, and has had everything in the end, however the kinds are mixed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 }), fc.array(fc.nat(9), { minLength: 1, maxLength: 1200, size: 'max' }), (share, dice) => {
        const kinds = dice.map((die) => die < share);
        const table = kinds.map((overdue, i) => command(i + 1, overdue));
        const { window } = open(table);
        const had = new Set<number>();
        for (let rounds = 0; had.size < kinds.length; rounds += 1) {
          if (rounds > 200) throw new Error(`${had.size} of ${kinds.length}`);
          window.sweep();
          window.look();
          while (window.fill(0));
          const entries = [...window.entries.values()];
          expect(entries.filter(({ overdue }) => overdue).length).toBeLessThanOrEqual(150);
          expect(entries.filter(({ overdue }) => !overdue).length).toBeLessThanOrEqual(150);
          for (const entry of entries.slice(0, 60)) {
            had.add(entry.seq);
            table.splice(
              table.findIndex(({ seq }) => seq === entry.seq),
              1,
            );
            window.drop(entry);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('gives all that is overdue its turn, though each comes to nothing', () => {
    const { window } = open(Array.from({ length: 200 }, (_, i) => command(i + 1, true)));
    const had = new Set<number>();
    for (let i = 0; i < 1000; i += 1) {
      window.sweep();
      while (window.fill(0));
      const [next] = window.entries.values();
      if (!next) throw new Error('it is empty');
      had.add(next.seq);
      window.putBack(next);
    }
    expect(had.size).toBe(200);
  });

  it('takes in what is new in spite of all that is overdue', () => {
    const table = Array.from({ length: 1000 }, (_, i) => command(i + 1, true));
    const { window } = open(table);
    while (window.fill(0));
    expect(window.entries.size).toBe(150);
    table.push(command(1001, false));
    window.look();
    while (window.fill(0));
    expect(window.entries.has(1001)).toBe(true);
  });
});
