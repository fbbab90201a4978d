// What is left after the oldest records have gone: all that is still needed, in the store and in the log that goes on without them.
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashesOf, includes, inclusionSpans, rangeOf, rootOf } from '../../src/audit/merkle.ts';
import { type Entry, hashOf, seal } from '../../src/audit/record.ts';
import type { Kept } from '../../src/incident/incident.ts';
import { readRecord } from '../../src/incident/recorded.ts';
import { retell } from '../../src/incident/retell.ts';
import { viewOf } from '../../src/incident/view.ts';
import { pruneChange } from '../../src/recorder/prune.ts';
import { rebuild } from '../../src/ledger/rebuild.ts';
import { compareStores } from '../../src/store/compare.ts';
import { openStore } from '../../src/store/store.ts';
import { type Life, deeds, openLife } from '../support/life.ts';
import { OPERATOR, type WritePath, aPolicy, openWritePath } from '../support/write-path.ts';

const ALL = Number.MAX_SAFE_INTEGER;
const CONTAINS = aPolicy('auto_contain: true, actions: [freeze_agent]');

/** Prunes as the recorder may once all is durable in the log. */
async function prune(path: WritePath, to: number): Promise<void> {
  const { seq } = path.store.records.head();
  path.store.meta.setSynced({ seq, offset: 1, first: 1 });
  await path.queue.submit(pruneChange({ to, by: OPERATOR }));
}

/** @returns the lines that are left of its log */
async function pruned(life: Life, to: number): Promise<string[]> {
  life.lines();
  await prune(life.path, to);
  return life.lines().slice(to);
}

async function rebuiltFrom(life: Life, name: string, lines: readonly string[]): Promise<string> {
  const path = join(life.path.dir, `${name}.db`);
  await rebuild({ files: [life.file(`${name}.jsonl`, lines)], path });
  return path;
}

const linesOf = (path: WritePath) => path.store.records.after(0, ALL, ALL).map(({ line }) => line);
const timelineOf = (path: WritePath, seq: number) => path.store.records.timeline(seq, 0, ALL, ALL).map(({ line }) => readRecord(line));
const one = (path: WritePath, sql: string) => path.db.prepare(sql).pluck().get();

describe('any store that was pruned', () => {
  it('is made again out of what is left of its log, and of any more of it; also after more life, and when it was pruned again', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(40), deeds(20), deeds(20), fc.nat(), fc.nat(), async (a, b, c, x, y) => {
        using life = await openLife();
        await life.live(a);
        const first = 1 + (x % (life.lines().length - 1));
        await prune(life.path, first);
        expect(compareStores(life.database, await rebuiltFrom(life, 'left', life.lines().slice(first)))).toEqual([]);
        await life.live(b);
        const second = first + 1 + (y % (life.lines().length - 1 - first));
        await prune(life.path, second);
        await life.live(c);
        const lines = life.lines();
        for (const from of new Set([second, (first + second) >> 1, first, first >> 1, 0])) {
          expect(compareStores(life.database, await rebuiltFrom(life, `from-${from}`, lines.slice(from))), `from ${from}`).toEqual([]);
        }
      }),
      { numRuns: 40 },
    );
  }, 240_000);

  it('shows every incident that stays as it was, and its records tell it still', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(40), deeds(10), fc.nat(), async (before, after, x) => {
        using life = await openLife();
        await life.live(before);
        const { path } = life;
        const seqs = path.db.prepare<[], number>('SELECT seq FROM incidents').pluck().all();
        const was = new Map(seqs.map((seq) => [seq, path.store.incidents.bySeq(seq)]));
        const to = 1 + (x % (life.lines().length - 1));
        const asked = new Set(path.store.approvals.list(['pending'], ALL, 1000).map(({ incident_id }) => incident_id));
        await prune(path, to);
        for (const [seq, kept] of was) {
          // What is still being released, or waits for an operator, is not over.
          const ends = kept?.incident.containment.actions.some(({ status }) => status === 'releasing') === true;
          const gone = kept?.incident.state === 'resolved' && kept.version <= to && !ends && !asked.has(kept.incident.id);
          expect(path.store.incidents.bySeq(seq)).toEqual(gone ? null : kept);
        }
        await life.live(after);
        for (const seq of path.db.prepare<[], number>('SELECT seq FROM incidents').pluck().all()) {
          const kept = path.store.incidents.bySeq(seq) as Kept;
          const told = timelineOf(path, seq).reduce<Kept | null>(retell, null);
          expect([told?.version, JSON.stringify(told && viewOf(told.incident))]).toEqual([
            kept.version,
            JSON.stringify(viewOf(kept.incident)),
          ]);
        }
      }),
      { numRuns: 40 },
    );
  }, 240_000);
});

describe('pruning', () => {
  it('lets go of what was resolved by then, with all that hangs on it, and of nothing else', async () => {
    using path = openWritePath({ policy: CONTAINS });
    const mark = (key_sha256: string) => ({ mark: { token: 't', key_sha256, body_sha256: 'b' } });
    const { incident: gone } = await path.report({ evidence: { a: 1 } }, mark('1'));
    await path.step('resolve', gone.id);
    const { incident: open } = await path.report({ evidence: { b: 1 } });
    const { incident: later } = await path.report({}, mark('2'));
    const to = path.store.records.head().seq;
    await path.step('resolve', later.id);
    await prune(path, to);
    expect(path.store.incidents.byId(gone.id)).toBeNull();
    expect(path.incident(open.id).incident).toEqual(open);
    expect(path.incident(later.id).incident.state).toBe('resolved');
    expect(path.store.holds.ownedBy(open.audit.seq)).toHaveLength(1);
    expect(path.store.statistics.tallies().map(({ state, n }) => [state, n])).toEqual(
      expect.arrayContaining([
        ['contained', 1],
        ['resolved', 1],
      ]),
    );
    expect(['evidence', 'incident_actions', 'holds', 'requests'].map((table) => one(path, `SELECT count(*) FROM ${table}`))).toEqual([
      1, 2, 1, 0,
    ]);
    expect(path.store.records.first()).toBe(to + 1);
    expect(path.store.records.line(to)).toBeNull();
    expect(path.records().map(({ type }) => type)).toEqual([
      ...['incident.resolved', 'hold.kept', 'incident.kept', 'incident.kept', 'sightings.kept', 'log.pruned'],
    ]);
  });

  it('tells of what went by its Merkle tree: its root is what it was, and what comes after can still be proved', async () => {
    using path = openWritePath({ policy: CONTAINS });
    for (let i = 0; i < 20; i += 1) await path.report({ description: `${i}` });
    const before = linesOf(path);
    const root = (size: number) => rootOf(rangeOf(0, size, path.store.tree.hashOf));
    const roots = before.map((_, i) => root(i + 1));
    const to = 37;
    await prune(path, to);
    expect(path.records('log.pruned')[0]?.data).toMatchObject({ from: 1, to, root: roots[to - 1] });
    expect(before.map((_, i) => root(i + 1))).toEqual(roots);
    const size = path.queue.tree.end;
    const whole = { size, root: rootOf(path.queue.tree) };
    const proofOf = (index: number) => hashesOf(inclusionSpans(index, size), path.store.tree.hashOf);
    for (const index of [0, to - 1, to, size - 2]) {
      const leaf = index < before.length ? hashOf(before[index] ?? '') : hashOf(path.store.records.line(index + 1) ?? '');
      expect(includes(leaf, index, whole, proofOf(index))).toBe(true);
    }
    await prune(path, 41);
    expect(path.records('log.pruned').at(-1)?.data).toMatchObject({ from: to + 1, to: 41, root: roots[40] });
  });

  it('leaves a log out of which the tree is made again as far as it can be, and goes on', async () => {
    using life = await openLife();
    for (let i = 0; i < 30; i += 1) await life.path.report({ description: `${i}` });
    const to = 45;
    const store = openStore(await rebuiltFrom(life, 'left', await pruned(life, to)));
    const size = store.records.head().seq;
    const whole = { size, root: rootOf(life.path.queue.tree) };
    expect(rootOf(store.tree.at(size))).toBe(whole.root);
    for (let seq = to + 1; seq <= size; seq += 1) {
      const proof = hashesOf(inclusionSpans(seq - 1, size), store.tree.hashOf);
      expect(includes(hashOf(store.records.line(seq) ?? ''), seq - 1, whole, proof), `record ${seq}`).toBe(true);
    }
    expect(() => hashesOf(inclusionSpans(1, size), store.tree.hashOf)).toThrow(RangeError);
    store.close();
  });

  it('makes no line of 1 MiB, however much an incident has ordered', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [quarantine_model]') });
    for (let i = 0; i < 90; i += 1) {
      await path.report({ dedup_key: 'k', evidence: { model_path: `/${i}${'/'.repeat(16_000)}`, more: 'x'.repeat(16_000) } });
    }
    const [{ incident, version } = {} as Kept] = [path.store.incidents.bySeq(1) ?? undefined];
    await prune(path, 150);
    expect(path.records('actions.kept').length).toBeGreaterThan(3);
    expect(Math.max(...linesOf(path).map((line) => Buffer.byteLength(line)))).toBeLessThan(1024 * 1024);
    expect(timelineOf(path, 1).reduce<Kept | null>(retell, null)).toEqual({ incident, version });
  });

  it('keeps the windows that a rule can still count, in as many records as they take, and forgets the rest', async () => {
    using path = openWritePath({ policy: aPolicy('escalate: {count: 3, window: 60s, to: critical}') });
    await path.report({ source: 'long ago' });
    path.clock.advance(61_000);
    for (let i = 0; i < 120; i += 1) await path.report({ source: `agent-${i}` });
    await prune(path, 10);
    expect(one(path, 'SELECT count(*) FROM sightings')).toBe(120);
    expect(path.records('sightings.kept').map(({ data }) => [data['first'], data['sightings'].length])).toEqual([
      [true, 50],
      [false, 50],
      [false, 20],
    ]);
    await path.report({ source: 'agent-7' });
    expect((await path.report({ source: 'agent-7' })).incident.severity).toBe('critical');
  });

  it('forgets requests that are over age, of which a store that is made anew would have forgotten others', async () => {
    using life = await openLife();
    const report = async (key_sha256: string) => life.path.report({}, { mark: { token: 't', key_sha256, body_sha256: 'b' } });
    for (let i = 0; i < 10; i += 1) await report(`gone ${i}`);
    const to = life.lines().length;
    for (let i = 0; i < 6; i += 1) await report(`over age ${i}`);
    life.path.clock.advance(25 * 3_600_000);
    await report('young');
    expect(compareStores(life.database, await rebuiltFrom(life, 'left', await pruned(life, to)))).toEqual([]);
    expect(life.path.db.prepare('SELECT key_sha256 FROM requests').pluck().all()).toEqual(['young']);
  });

  it('leaves what joined a hold that had failed as it was, beside what was refused later', async () => {
    using life = await openLife();
    const report = (dedup_key: string, ip: string) => life.path.report({ dedup_key, evidence: { ip } });
    await report('before', '10.0.0.1');
    await life.live([{ do: 'answer', which: 2, status: 'failed' }]);
    const to = life.lines().length;
    const { incident } = await report('after', '10.0.0.1');
    await report('another', '10.0.0.2');
    await report('after', '?');
    expect(life.path.incident(incident.id).incident.containment.actions).toMatchObject([
      { action: 'freeze_agent' },
      { action: 'block_ip', target: 'ip:10.0.0.1', status: 'failed', hold_id: expect.any(String) },
      { action: 'log_alert' },
      { action: 'block_ip', target: 'block_ip:?', status: 'failed', hold_id: null },
    ]);
    expect(compareStores(life.database, await rebuiltFrom(life, 'left', await pruned(life, to)))).toEqual([]);
  });

  it.each([
    ['the newest record', (head: number) => head],
    ['more than there is', (head: number) => head + 1],
    ['nothing', () => 0],
    ['what has gone before', () => 3],
    ['half a record', () => 4.5],
  ])('of %s is refused, and changes nothing', async (_, to) => {
    using path = openWritePath({ policy: CONTAINS });
    for (let i = 0; i < 5; i += 1) await path.report();
    await prune(path, 3);
    const before = linesOf(path);
    await expect(prune(path, to(path.store.records.head().seq))).rejects.toMatchObject({ code: 'invalid_parameter' });
    expect(linesOf(path)).toEqual(before);
  });

  it('of records that are not durable in the log file is refused', async () => {
    using path = openWritePath({ policy: CONTAINS });
    for (let i = 0; i < 5; i += 1) await path.report();
    path.store.meta.setSynced({ seq: 4, offset: 1, first: 1 });
    await expect(path.queue.submit(pruneChange({ to: 4, by: OPERATOR }))).rejects.toMatchObject({
      code: 'invalid_parameter',
      message: 'records can be pruned up to one of 1 to 3, not up to 4',
    });
    await path.queue.submit(pruneChange({ to: 3, by: OPERATOR }));
  });
});

describe('a log whose pruning is told wrongly', () => {
  it.each<[string, (data: Record<string, unknown>) => void, string]>([
    ['by another root', (data) => (data['root'] = 'f'.repeat(64)), 'its root is not the one of the records before it'],
    ['by fewer hashes', (data) => (data['hashes'] = []), 'its hashes are not those of the records before it'],
    ['as of records to come', (data) => (data['to'] = 10_000), 'it tells of records that are still to come'],
    ['of fewer records than are missing', (data) => (data['to'] = 2), 'it is missing, and no log.pruned tells of what came before'],
  ])('%s makes no store', async (_, change, reason) => {
    using life = await openLife();
    for (let i = 0; i < 5; i += 1) await life.path.report();
    const lines = await pruned(life, 6);
    await rebuiltFrom(life, 'right', resealed(lines));
    await expect(rebuiltFrom(life, 'wrong', resealed(lines, change))).rejects.toMatchObject({
      code: 'storage_failed',
      message: expect.stringContaining(reason),
    });
  });

  it('without all that it should tell again makes no store', async () => {
    using life = await openLife();
    for (let i = 0; i < 3; i += 1) await life.path.report();
    const id = String(life.path.records('incident.reported')[0]?.id);
    const to = life.lines().length;
    await life.path.note(id, 'later');
    const lines = await pruned(life, to);
    const kept = lines.findIndex((line) => line.includes('"incident.kept"'));
    await expect(rebuiltFrom(life, 'wrong', resealed(lines.toSpliced(kept, 1)))).rejects.toMatchObject({
      message: expect.stringContaining(`nothing before it tells of ${id}`),
    });
  });
});

/** The lines sealed anew, as by somebody who rewrites the log; `change` is made to what log.pruned tells. */
function resealed(lines: readonly string[], change: (data: Record<string, unknown>) => void = () => {}): string[] {
  const first = readRecord(lines[0] ?? '');
  let head = { seq: first.seq - 1, hash: '0'.repeat(64), ts: first.ts };
  return lines.map((line) => {
    const record = JSON.parse(line) as Entry & { data: Record<string, unknown> };
    if (record.type === 'log.pruned') change(record.data);
    const sealed = seal(head, record);
    head = sealed;
    return sealed.line;
  });
}
