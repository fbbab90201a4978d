// The write path: what waits is written together, what fails is taken back alone, and nobody is answered before it is durable.
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parsePolicy } from '../../src/policy/load.ts';
import type { Draft } from '../../src/recorder/draft.ts';
import type { Transaction } from '../../src/store/store.ts';
import { aReport, openTestHouse } from '../support/house.ts';
import { type WritePath, type WritePathOptions, aPolicy, openWritePath } from '../support/write-path.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The real transaction, which notes what is asked of it. */
function noting(steps: string[]): (own: Transaction) => Transaction {
  const note = (step: string, run: () => void) => (): void => {
    steps.push(step);
    run();
  };
  return (own) => ({
    ...own,
    begin: note('begin', own.begin),
    commit: note('commit', own.commit),
    rollback: note('rollback', own.rollback),
    takeBack: note('take back', own.takeBack),
  });
}

/** The write path, and the very connection that its store writes through. */
function openWithConnection(options: WritePathOptions): { path: WritePath; connection: Database.Database } {
  const pragma = vi.spyOn(Database.prototype, 'pragma');
  const path = openWritePath(options);
  const connection = (pragma.mock.contexts as Database.Database[]).find((db) => db.name.endsWith('incidents.db'));
  if (!connection) throw new Error('the store opened no incidents.db');
  return { path, connection };
}

/** A change that leaves one record of about so many bytes, and returns its seq. */
const told =
  (reason: string, bytes = 0) =>
  (draft: Draft) =>
    draft.record('service.stopped', null, 'test', { reason: reason + 'x'.repeat(bytes) }).seq;

const reasons = (path: WritePath) => path.records().map(({ data }) => String(data['reason']).replace(/x+$/, ''));

/** Lets everything that is ready to run do so. */
async function turns(n = 5): Promise<void> {
  for (let i = 0; i < n; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

function expectSoundChain(path: WritePath): void {
  const records = path.records();
  expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
  expect(records.map(({ prev }) => prev)).toEqual(['0'.repeat(64), ...records.map(({ hash }) => hash)].slice(0, -1));
}

describe('changes that arrive together', () => {
  it('are written in one transaction, in their order, and all are answered', async () => {
    const steps: string[] = [];
    using path = openWritePath({ around: noting(steps) });
    const seqs = await Promise.all(Array.from({ length: 100 }, async (_, i) => path.queue.submit(told(`${i}`))));
    expect(seqs).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(steps).toEqual(['begin', 'commit']);
    expect(reasons(path)).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`));
    expectSoundChain(path);
  });

  it('are split at 256', async () => {
    const steps: string[] = [];
    using path = openWritePath({ around: noting(steps) });
    const asked = Array.from({ length: 600 }, async (_, i) => path.queue.submit(told(`${i}`)));
    await asked[255];
    expect(path.records()).toHaveLength(256);
    expect(await Promise.all(asked)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
    expect(steps).toEqual(['begin', 'commit', 'begin', 'commit', 'begin', 'commit']);
  });

  it('are split when their records pass 1 MiB, and keep their order', async () => {
    const steps: string[] = [];
    using path = openWritePath({ around: noting(steps) });
    const asked = Array.from({ length: 7 }, async (_, i) => path.queue.submit(told(`${i}`, 300_000)));
    await asked[0];
    expect(reasons(path)).toEqual(['0', '1', '2', '3']);
    expect(await Promise.all(asked)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(steps).toEqual(['begin', 'commit', 'begin', 'commit']);
    expect(reasons(path)).toEqual(['0', '1', '2', '3', '4', '5', '6']);
    expectSoundChain(path);
  });

  it('are answered after the commit, after the followers were told, and after their own effects', async () => {
    const steps: string[] = [];
    using path = openWritePath({ around: noting(steps), onCommit: () => steps.push('followers') });
    const one = async (n: number) => {
      await path.queue.submit((draft) => draft.afterwards(() => steps.push(`effect ${n}`)));
      steps.push(`answer ${n}`);
    };
    await Promise.all([one(1), one(2)]);
    expect(steps).toEqual(['begin', 'commit', 'followers', 'effect 1', 'effect 2', 'answer 1', 'answer 2']);
  });

  it('share one instant, and those that come meanwhile wait for the next batch', async () => {
    const steps: string[] = [];
    using path = openWritePath({ around: noting(steps) });
    const late: Promise<number>[] = [];
    const early = path.queue.submit((draft) => {
      late.push(path.queue.submit(told('late')));
      path.clock.advance(5);
      return told('early')(draft);
    });
    const neighbour = path.queue.submit(told('neighbour'));
    expect(await early).toBe(1);
    expect(await neighbour).toBe(2);
    expect(await late[0]).toBe(3);
    expect(steps).toEqual(['begin', 'commit', 'begin', 'commit']);
    expect(path.records().map(({ ts }) => ts.slice(-4))).toEqual(['123Z', '123Z', '128Z']);
  });

  it('include none that is lost: what an effect submits is written too', async () => {
    using path = openWritePath();
    const answers: number[] = [];
    await path.queue.submit((draft) => {
      draft.afterwards(() => void path.queue.submit(told('from an effect')).then((seq) => answers.push(seq)));
      return told('first')(draft);
    });
    await turns();
    expect(answers).toEqual([2]);
    expect(reasons(path)).toEqual(['first', 'from an effect']);
  });
});

describe('a change that throws', () => {
  it('leaves nothing behind, is told why, and does not spoil those it shares a batch with', async () => {
    const steps: string[] = [];
    using path = openWritePath({ around: noting(steps) });
    let effects = 0;
    const asked = await Promise.allSettled([
      path.queue.submit(told('before')),
      path.queue.submit((draft) => {
        told('never')(draft);
        draft.meta.setSynced({ seq: 99, offset: 99, first: 9 });
        draft.sightings.keep('a', 'b', [1]);
        draft.afterwards(() => (effects += 1));
        throw new TypeError('no');
      }),
      path.queue.submit(told('after')),
    ]);
    expect(asked).toEqual([
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: new TypeError('no') },
      { status: 'fulfilled', value: 2 },
    ]);
    expect(steps).toEqual(['begin', 'take back', 'commit']);
    expect(reasons(path)).toEqual(['before', 'after']);
    expectSoundChain(path);
    expect(path.store.meta.synced()).toEqual({ seq: 0, offset: 0, first: 1 });
    expect(path.store.sightings.of('a', 'b')).toEqual([]);
    expect(effects).toBe(0);
  });

  it('takes back the policy that it had put in force, for its neighbours and for good', async () => {
    using path = openWritePath();
    const [before, after] = ['mode: observe', 'mode: enforce'].map((mode) => parsePolicy('p', aPolicy('auto_contain: false', mode)));
    const seen: unknown[] = [];
    await Promise.allSettled([
      path.queue.submit((draft) => void (draft.policy = before!)),
      path.queue.submit((draft) => {
        draft.policy = after!;
        seen.push(draft.policy === after);
        throw new Error('no');
      }),
      path.queue.submit((draft) => void seen.push(draft.policy === before)),
    ]);
    expect(seen).toEqual([true, true]);
    expect(path.queue.policy).toBe(before);
  });

  it('fails a whole batch of its like without a trace', async () => {
    using path = openWritePath();
    const failing = (draft: Draft) => {
      told('never')(draft);
      throw new Error('no');
    };
    const asked = await Promise.allSettled([path.queue.submit(failing), path.queue.submit(failing)]);
    expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(path.records()).toEqual([]);
    expect(await path.queue.submit(told('next'))).toBe(1);
  });
});

describe('time', () => {
  it('never goes back in the log, neither when the clock is set back nor over a restart', async () => {
    using path = openWritePath();
    await path.queue.submit(told('a'));
    path.clock.set('2026-03-12T00:00:00.000Z');
    await path.queue.submit(told('b'));
    path.restart();
    await path.queue.submit(told('c'));
    const { incident } = await path.report();
    path.clock.set('2026-03-13T08:15:31.000Z');
    await path.queue.submit(told('d'));
    const stamps = path.records().map(({ ts }) => ts);
    expect(stamps).toEqual(stamps.toSorted());
    expect([stamps[0], stamps.at(-1)]).toEqual(['2026-03-13T08:15:30.123Z', '2026-03-13T08:15:31.000Z']);
    expect(incident.created_at).toBe('2026-03-13T08:15:30.123Z');
  });
});

describe('a batch that SQLite throws away whole', () => {
  it('is run again one by one: what fits is kept once, what does not is refused, and nobody was answered before', async () => {
    const steps: string[] = [];
    const { path, connection } = openWithConnection({ around: noting(steps) });
    using _ = path;
    await path.queue.submit(told('first'));
    connection.pragma(`max_page_count = ${Number(connection.pragma('page_count', { simple: true })) + 4}`);
    steps.length = 0;

    const submit = async (reason: string, bytes: number) =>
      path.queue.submit((draft) => {
        draft.afterwards(() => steps.push(`answer ${reason}`));
        return told(reason, bytes)(draft);
      });
    const asked = await Promise.allSettled([submit('small', 10), submit('large', 200_000), submit('other', 10)]);

    expect(asked).toMatchObject([
      { status: 'fulfilled', value: 2 },
      { status: 'rejected', reason: { code: 'storage_full', details: { retry_after: 10 } } },
      { status: 'fulfilled', value: 3 },
    ]);
    expect(steps).toEqual(['begin', 'begin', 'commit', 'answer small', 'begin', 'begin', 'commit', 'answer other']);
    expect(reasons(path)).toEqual(['first', 'small', 'other']);
    expectSoundChain(path);
  });

  it('says full until the store has taken what is written to try it', async () => {
    const { path, connection } = openWithConnection({});
    using _ = path;
    await path.queue.submit(told('first'));
    connection.pragma(`max_page_count = ${Number(connection.pragma('page_count', { simple: true }))}`);
    await expect(path.queue.submit(told('large', 50_000))).rejects.toMatchObject({ code: 'storage_full' });
    expect(path.queue.health).toBe('full');
    await expect(path.queue.submit(path.room.probe)).rejects.toMatchObject({ code: 'storage_full' });
    expect(path.queue.health).toBe('full');
    connection.pragma('max_page_count = 1000000');
    await path.queue.submit(told('large', 50_000));
    expect(path.queue.health).toBe('full');
    await path.queue.submit(path.room.probe);
    expect(path.queue.health).toBe('ok');
    expect(reasons(path)).toEqual(['first', 'large']);
  });

  it('says full also when SQLite takes back no more than the statement that did not fit', async () => {
    const { path, connection } = openWithConnection({});
    using _ = path;
    const { incident } = await path.report();
    connection.pragma(`max_page_count = ${Number(connection.pragma('page_count', { simple: true }))}`);
    // An insert with a trigger: SQLite undoes that statement, and the transaction lives on.
    const large = (draft: Draft) =>
      draft.incidents.insert(
        { ...incident, id: 'INC-20260313-000000', audit: { seq: 1000, hash: '' }, description: 'x'.repeat(100_000) },
        1000,
        null,
      );
    await expect(path.queue.submit(large)).rejects.toMatchObject({ code: 'storage_full' });
    expect(path.queue.health).toBe('full');
  });
});

describe('a disk that fails', () => {
  /** The real transaction, but its commits fail as SQLite tells of a disk that does. */
  const failing = (codes: (string | null)[]) => (own: Transaction) => ({
    ...own,
    commit() {
      const code = codes.shift() ?? null;
      if (code !== null) throw Object.assign(new Error('disk I/O error'), { code });
      own.commit();
    },
  });

  it.each(['SQLITE_IOERR_FSYNC', 'SQLITE_IOERR_DIR_FSYNC'])(
    'on fsync (%s) is told of once and nobody is answered, since what the kernel dropped is gone',
    async (code) => {
      const broken: unknown[] = [];
      using path = openWritePath({ around: failing([code]), onBroken: (error) => broken.push(error) });
      const answered: string[] = [];
      for (const name of ['a', 'b']) {
        path.queue.submit(told(name)).then(
          () => answered.push(name),
          () => answered.push(name),
        );
      }
      await turns();
      expect(broken).toEqual([expect.objectContaining({ code })]);
      expect(answered).toEqual([]);
      path.restart();
      expect(path.records()).toEqual([]);
    },
  );

  it('on write is met by trying each change alone, and by a refusal when that fails too', async () => {
    using path = openWritePath({ around: failing(['SQLITE_IOERR_WRITE', 'SQLITE_IOERR_WRITE', null]) });
    const asked = await Promise.allSettled([path.queue.submit(told('a')), path.queue.submit(told('b'))]);
    expect(asked).toMatchObject([
      { status: 'rejected', reason: { code: 'storage_failed', details: { retry_after: 10 } } },
      { status: 'fulfilled', value: 1 },
    ]);
    expect(reasons(path)).toEqual(['b']);
    expectSoundChain(path);
  });

  it('is healthy again with the first batch that goes through', async () => {
    using path = openWritePath({ around: failing(['SQLITE_IOERR_WRITE']) });
    await expect(path.queue.submit(told('a'))).rejects.toMatchObject({ code: 'storage_failed' });
    expect(path.queue.health).toBe('failing');
    await path.queue.submit(told('b'));
    expect(path.queue.health).toBe('ok');
  });
});

describe('a store over its bound', () => {
  const POLICY = 'version: 1\nrules:\n  prompt_injection: {auto_contain: true, actions: [freeze_agent]}\n';
  const ordinary = aReport({ class: 'tool_call_burst', evidence: { padding: 'x'.repeat(8000) } });
  const containing = aReport();

  it('takes only what contains and what operators do, and says so on /health exactly when an ordinary report is refused', async () => {
    await using house = await openTestHouse({ policy: POLICY, env: { STORE_MAX_BYTES: '300000' } });
    const { body: first } = await house.post('/api/v1/incidents/report', containing).expect(201);

    let taken = 0;
    for (;;) {
      const health = await house.get('/health');
      const ready = await house.get('/readyz');
      const report = await house.post('/api/v1/incidents/report', ordinary);
      expect([health.status, ready.status]).toEqual(report.status === 201 ? [200, 200] : [503, 503]);
      expect(health.body.checks.disk).toBe(report.status === 201 ? 'ok' : 'full');
      if (report.status !== 201) {
        expect(report.status).toBe(503);
        expect(report.body).toMatchObject({ code: 'storage_full', title: 'No room' });
        expect(report.headers['retry-after']).toMatch(/^[1-9]\d*$/);
        break;
      }
      taken += 1;
    }
    expect(taken).toBeGreaterThan(0);
    const records = house.records().length;
    await house.post('/api/v1/incidents/report', ordinary).expect(503);
    expect(house.records()).toHaveLength(records);

    await house.get('/health').expect(503);
    await house.post('/api/v1/incidents/report', containing).expect(201);
    await house.get('/health').expect(503);
    await house.post(`/api/v1/incidents/${first.id}/notes`, { note: 'full' }).expect(200);
    await house.post('/api/v1/incidents/acknowledge', { id: first.id }).expect(200);
    await house.post('/api/v1/incidents/reopen', { id: first.id }).expect(200);
    await house.post('/api/v1/incidents/resolve', { id: first.id }).expect(200);
    await house.post('/api/v1/reload', {}).expect(200);
    await house.get('/health').expect(503);
    await house.get('/livez').expect(200);
    const { body: list } = await house.get('/api/v1/incidents?limit=200').expect(200);
    expect(list).toHaveLength(taken + 2);
    await house.get(`/api/v1/incidents/${first.id}/timeline`).expect(200);
  });

  it('is over it still when it is started again', async () => {
    await using house = await openTestHouse({ policy: POLICY, env: { STORE_MAX_BYTES: '300000' } });
    await house.get('/health').expect(200);
    while ((await house.post('/api/v1/incidents/report', ordinary)).status === 201);
    await house.restart();
    await house.get('/health').expect(503);
    await house.post('/api/v1/incidents/report', ordinary).expect(503);
    await house.post('/api/v1/incidents/report', containing).expect(201);
  });
});
