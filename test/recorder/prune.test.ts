// What is left after the oldest records have gone: all that is still needed, in the store and in the log that goes on without them.
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inclusionSpans, hashesOf, includes, rootOf } from '../../src/audit/merkle.ts';
import { pruneChange } from '../../src/recorder/prune.ts';
import { rebuild } from '../../src/recorder/rebuild.ts';
import { compareStores } from '../../src/store/compare.ts';
import { openStore } from '../../src/store/store.ts';
import { type Life, deeds, openLife } from '../support/life.ts';
import { OPERATOR, type WritePath, aPolicy, openWritePath } from '../support/write-path.ts';

/** Prunes as the recorder may once all is durable in the log. */
async function prune(path: WritePath, to: number): Promise<void> {
  const { seq } = path.store.records.head();
  path.store.meta.setSynced({ seq, offset: 1, first: 1 });
  await path.queue.submit(pruneChange({ to, by: OPERATOR }));
}

async function rebuiltFrom(life: Life, name: string, lines: readonly string[]): Promise<string> {
  const path = join(life.path.dir, `${name}.db`);
  await rebuild({ files: [life.file(`${name}.jsonl`, lines)], path });
  return path;
}

describe('a store that was pruned', () => {
  it('is made again out of what is left of its log, and out of the whole of it; also after more life, and after being pruned again', async () => {
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
        for (const [name, from] of [['left again', second], ['left before', first], ['whole', 0]] as const) {
          expect(compareStores(life.database, await rebuiltFrom(life, name, lines.slice(from))), name).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  }, 240_000);
});
