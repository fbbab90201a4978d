// Bundles of any incident, whatever has happened to it and whatever was pruned, are sound to the command that verifies them.

import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkpointText } from '../../src/audit/checkpoint.ts';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import { rootOf } from '../../src/audit/merkle.ts';
import { parseVerifierKey, signNote } from '../../src/audit/note.ts';
import { type BundleVerdict, OPENED, createBundleTrial } from '../../src/cli/bundle.ts';
import { viewOf } from '../../src/incident/view.ts';
import { createPieces } from '../../src/input/pieces.ts';
import { type Evidence, createEvidence } from '../../src/observers/evidence.ts';
import { pruneChange } from '../../src/recorder/prune.ts';
import { rebuild } from '../../src/ledger/rebuild.ts';
import { openStore } from '../../src/store/store.ts';
import { type Life, deeds, openLife } from '../support/life.ts';
import { OPERATOR, type WritePath } from '../support/write-path.ts';

const KEY = readKey('test/log', newKeyPem());

/** As if `size` records had been signed last. */
function evidenceAt({ store }: Pick<WritePath, 'store'>, size: number): Evidence {
  const note = signNote(checkpointText({ origin: KEY.name, size, root: rootOf(store.tree.at(size)) }), KEY);
  return createEvidence({ store, checkpoints: { latest: { note, size }, cosigned: null }, key: KEY });
}

function verify(pieces: Iterable<string>): BundleVerdict {
  const trial = createBundleTrial([parseVerifierKey(KEY.verifierKey)]);
  const reader = createPieces(OPENED);
  for (const piece of pieces) for (const part of reader.take(Buffer.from(piece))) trial.take(part);
  reader.end();
  return trial.verdict();
}

const idsIn = ({ path }: Life) => path.db.prepare<[], string>('SELECT id FROM incidents ORDER BY seq').pluck().all();

describe('the bundle of any incident', () => {
  it('is sound, and tells what is kept of it', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(40), async (all) => {
        using life = await openLife();
        await life.live(all);
        const evidence = evidenceAt(life.path, life.lines().length);
        for (const id of idsIn(life)) {
          const { told, faults } = verify(await evidence(life.path.incident(id)));
          expect(faults).toEqual([]);
          expect(told).toEqual(viewOf(life.path.incident(id).incident));
        }
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('is sound as of any checkpoint that covers its report', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(40), fc.nat(), async (all, n) => {
        using life = await openLife();
        await life.live(all);
        const size = 1 + (n % life.lines().length);
        const evidence = evidenceAt(life.path, size);
        for (const id of idsIn(life)) {
          const { incident } = life.path.incident(id);
          if (incident.audit.seq > size) continue;
          const { last, faults } = verify(await evidence({ incident, version: 0 }));
          expect(faults).toEqual([]);
          expect(last).toBeLessThanOrEqual(size);
        }
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('is sound also when the records that it began with were pruned, once and again', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(40), deeds(20), fc.nat(), fc.nat(), async (a, b, x, y) => {
        using life = await openLife();
        const prune = async (to: number) => {
          life.path.store.meta.setSynced({ seq: life.path.store.records.head().seq, offset: 1, first: 1 });
          await life.path.queue.submit(pruneChange({ to, by: OPERATOR }));
        };
        await life.live(a);
        const first = 1 + (x % (life.lines().length - 1));
        await prune(first);
        await life.live(b);
        const second = first + 1 + (y % (life.lines().length - 1 - first));
        await prune(second);
        const size = life.lines().length;
        const evidence = evidenceAt(life.path, size);
        // And the same from a store that was made again out of what is left of the log.
        const rebuilt = join(life.path.dir, 'rebuilt.db');
        await rebuild({ files: [life.file('left.jsonl', life.lines().slice(second))], path: rebuilt });
        const store = openStore(rebuilt);
        for (const id of idsIn(life)) {
          const bundle = [...(await evidence(life.path.incident(id)))];
          const { told, faults } = verify(bundle);
          expect(faults).toEqual([]);
          expect(told).toEqual(viewOf(life.path.incident(id).incident));
          // Ed25519 signs the same text the same way, so even the checkpoint is.
          expect([...(await evidenceAt({ store }, size)(life.path.incident(id)))].join('')).toBe(bundle.join(''));
        }
        store.close();
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('breaks off when records are pruned while it is made', async () => {
    using life = await openLife();
    const { path } = life;
    const { incident } = await path.report();
    for (let i = 0; i < 100; i += 1) await path.note(incident.id, 'x'.repeat(2000));
    const pieces = (await evidenceAt(path, life.lines().length)(path.incident(incident.id)))[Symbol.iterator]();
    pieces.next();
    pieces.next();
    path.store.meta.setSynced({ seq: path.store.records.head().seq, offset: 1, first: 1 });
    await path.queue.submit(pruneChange({ to: incident.audit.seq, by: OPERATOR }));
    expect(() => pieces.next()).toThrow('pruned meanwhile');
  });
});
