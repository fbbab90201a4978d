// The program is killed in the middle of its work, again and again: what it had answered is there.
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { loadUntil, sendAll } from '../support/load.ts';
import { startProgram } from '../support/program.ts';
import { faultsOf, keptIn } from '../support/truth.ts';

const ROUNDS = 60;
const CONNECTIONS = 64;

describe('kill -9 in the middle of the load of 64 connections', () => {
  it(`loses nothing that was answered and leaves nothing half done, ${ROUNDS} times over one folder`, async () => {
    await using program = await startProgram();
    let sent = 0;
    let unanswered = 0;
    let again: readonly number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const enough = 5 + ((round * 37) % 60);
      const load = await loadUntil(program.port, {
        ...{ again, first: sent, enough, connections: CONNECTIONS },
        crash: async () => program.end('SIGKILL'),
      });
      const answers = [...load.answered.values()];
      expect(answers.filter(({ status }) => status !== 200 && status !== 201)).toEqual([]);
      // Whoever had no answer asks again under the same key, and it is done once, whether it had been done or not.
      again = load.unanswered;
      sent = Math.max(sent, ...[...load.answered.keys(), ...load.unanswered].map((n) => n + 1));
      unanswered += again.length;
      await program.start();
      expect(faultsOf(keptIn(program), answers)).toEqual([]);
    }
    expect((await sendAll(program.port, again)).unanswered).toEqual([]);
    expect(faultsOf(keptIn(program), [])).toEqual([]);
    const db = new Database(keptIn(program).database, { readonly: true });
    expect(db.prepare('SELECT sum(occurrences) FROM incidents').pluck().get()).toBe(sent);
    expect(db.prepare('SELECT count(*) - count(DISTINCT description) FROM incidents').pluck().get()).toBe(0);
    db.close();
    expect(unanswered).toBeGreaterThan(0);
  }, 120_000);

  it('would not go unseen if it lost something: an answer that was never recorded, a row, a byte', async () => {
    await using program = await startProgram();
    const kept = keptIn(program);
    const { answered } = await sendAll(program.port, [1, 2, 3]);
    const [answer] = answered.values();
    if (!answer) throw new Error('nothing was answered');
    expect(faultsOf(kept, answered.values())).toEqual([]);
    const { id, audit } = answer.body;
    const never = (body: typeof answer.body) => faultsOf(kept, [{ status: 201, body }]);
    expect(never({ id: 'INC-20260313-000000000000', audit })).toHaveLength(1);
    expect(never({ id, audit: { ...audit, hash: '0'.repeat(64) } })).toHaveLength(1);
    expect(never({ id, audit: { ...audit, seq: audit.seq + 1000 } })).toHaveLength(1);

    await program.end('SIGKILL');
    const db = new Database(kept.database);
    db.exec('DELETE FROM incidents WHERE seq = (SELECT max(seq) FROM incidents)');
    expect(faultsOf(kept, answered.values()).join()).toMatch(/3 incidents|2 incidents/);
    db.exec('DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)');
    expect(faultsOf(kept, []).join()).toContain('is no copy of');
    db.close();
  });
});
