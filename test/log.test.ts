// The log: one safe JSON line per event, the journal's priorities, and a reader that is gone, slow or fooled by no one.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEVELS, type Level, type Log, createLog, gathered } from '../src/log.ts';
import { openFolder } from './support/folder.ts';

const AT = new Date('2026-03-13T08:15:30.123Z');

function logged(run: (log: Log) => void, { level = 'debug', journal = false }: { level?: Level; journal?: boolean } = {}): string[] {
  const lines: string[] = [];
  run(createLog({ level, journal, write: (line) => lines.push(line), now: () => AT }));
  return lines;
}

describe('a line of the log', () => {
  it('is JSON: when, how pressing, what, and the fields', () => {
    expect(logged((log) => log.warning('the disk fills', { free_bytes: 7, path: '/x' }))).toEqual([
      '{"ts":"2026-03-13T08:15:30.123Z","level":"warning","message":"the disk fills","free_bytes":7,"path":"/x"}\n',
    ]);
  });

  it.each<[Level, number]>([
    ['debug', 7],
    ['info', 6],
    ['warning', 4],
    ['error', 3],
    ['critical', 2],
  ])('of level %s opens with <%d> where the journal listens, and only there', (level, priority) => {
    expect(logged((log) => log[level]('x'), { journal: true })[0]).toMatch(new RegExp(`^<${priority}>\\{"ts":.*\\}\\n$`));
    expect(logged((log) => log[level]('x'))[0]).toMatch(/^\{"ts":/);
  });

  it.each(LEVELS)('is written when it is at least as pressing as %s', (level) => {
    const lines = logged((log) => LEVELS.forEach((each) => log[each](each)), { level });
    expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(LEVELS.slice(LEVELS.indexOf(level)));
  });

  it('holds no character that a terminal would obey, whatever message, fields and keys hold, and loses none of them', () => {
    const nasty = fc.string({
      unit: fc
        .oneof(fc.integer({ min: 0, max: 0x9f }), fc.integer({ min: 0x2000, max: 0x206f }), fc.constantFrom(0x61c, 0xfeff, 0x1f600))
        .map((point) => String.fromCodePoint(point)),
    });
    fc.assert(
      fc.property(nasty, nasty, nasty, (message, key, value) => {
        fc.pre(!['ts', 'level', 'message', '__proto__'].includes(key));
        const [line = ''] = logged((log) => log.error(message, { [key]: { deep: [value] } }));
        expect(line.endsWith('\n')).toBe(true);
        expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028\u2029\u200b-\u200d\u2060-\u2064\ufeff]/u);
        expect(JSON.parse(line)).toMatchObject({ message, [key]: { deep: [value] } });
      }),
      { numRuns: 1000 },
    );
  });

  it('is whole UTF-8 even for half a character', () => {
    const [line = ''] = logged((log) => log.info('a\ud800b', { text: '\udfff' }));
    expect(line.isWellFormed()).toBe(true);
  });

  it('cannot be forged by a line break in what an attacker wrote', () => {
    expect(
      logged((log) => log.critical('alert raised', { description: 'x"}\n<2>{"level":"info","message":"all is well"}\r\n' }), {
        journal: true,
      }),
    ).toHaveLength(1);
    const [line = ''] = logged((log) => log.info('x', { description: '\n<0>forged' }), { journal: true });
    expect(line.split('\n')).toHaveLength(2);
  });
});

describe('the log', () => {
  it('never throws, whatever it is handed', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.dictionary(
          fc.string(),
          fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSparseArray: true }),
        ),
        (message, fields) => {
          const [line = ''] = logged((log) => log.info(message, fields));
          expect(() => JSON.parse(line) as unknown).not.toThrow();
        },
      ),
    );
  });

  it('still tells that something happened, and the names of what it could not show', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const bad = {
      toJSON: () => {
        throw new Error('no');
      },
    };
    for (const field of [circle, 7n, bad]) {
      const [line = ''] = logged((log) => log.critical('it broke', { incident: 'INC-1', field }));
      expect(JSON.parse(line)).toEqual({ ts: AT.toISOString(), level: 'critical', message: 'it broke', unshown: ['incident', 'field'] });
    }
  });
});

/** Logs numbered lines of different lengths to stdout, then says on stderr that it is done. */
const TALKER = `
import { createLog } from ${JSON.stringify(join(import.meta.dirname, '../src/log.ts'))};
const log = createLog({ level: 'info', journal: false });
const last = Number(process.argv[1]);
for (let n = 1; n <= last; n += 1) log.info('line', { n, text: 'x'.repeat((n * 7919) % 9000) });
process.stderr.write('done', () => process.stdin.on('data', () => { log.info('afterwards'); process.exit(0); }));
`;
const talk = (lines: number) => ['--input-type=module', '-e', TALKER, String(lines)];

describe('a reader of stdout', () => {
  it('that is gone does not stop the program', async () => {
    const child = spawn(process.execPath, talk(500), { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdout.destroy();
    await once(child.stderr, 'data');
    child.stdin.end('go on');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('that does not read does not stop the program either, and finds whole lines when it reads again', async () => {
    using folder = openFolder();
    const path = join(folder.path, 'pipe');
    execFileSync('mkfifo', [path]);
    const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    // As fd 3 it stays non-blocking; Node would make the standard ones block.
    const child = spawn('sh', ['-c', 'exec "$0" "$@" >&3', process.execPath, ...talk(500)], { stdio: ['pipe', 'ignore', 'pipe', pipe] });
    await once(child.stderr as Readable, 'data');
    const before = drain(pipe).split('\n');
    child.stdin?.end('go on');
    expect(await once(child, 'exit')).toEqual([0, null]);
    const after = drain(pipe);
    closeSync(pipe);

    // What did not fit was dropped, and the last line that was begun is cut short.
    expect(before.length).toBeGreaterThan(5);
    expect(before.length).toBeLessThan(500);
    expect(before[0]).toMatch(/^\{"ts":.*\}$/);
    expect(before.at(-1)).not.toBe('');
    expect(after.startsWith('\n')).toBe(true);
    expect(JSON.parse(after)).toMatchObject({ message: 'afterwards' });
  });
});

/** What is in a pipe now. */
function drain(pipe: number): string {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(1 << 16);
    try {
      const read = readSync(pipe, chunk);
      if (read === 0) break;
      chunks.push(chunk.subarray(0, read));
    } catch {
      break;
    }
  }
  return Buffer.concat(chunks).toString();
}

describe('lines that are gathered', () => {
  it('are written in one go after what told them, in their order, and before its promises are heard of', async () => {
    const steps: string[] = [];
    const write = gathered((lines) => void steps.push(lines));
    const kept = new Promise<void>((resolve) => {
      write('a\n');
      write('b\n');
      resolve();
      steps.push('told');
    }).then(() => steps.push('heard'));
    write('c\n');
    await kept;
    write('d\n');
    await Promise.resolve();
    expect(steps).toEqual(['told', 'a\nb\nc\n', 'heard', 'd\n']);
  });

  it('do not wait when they are many', () => {
    const sizes: number[] = [];
    const write = gathered((lines) => void sizes.push(lines.length));
    for (let n = 0; n < 40; n += 1) write(`${'x'.repeat(1000)}\n`);
    expect(sizes).toEqual([17 * 1001, 17 * 1001]);
  });

  it.each([
    ['is told to', 'process.exit(3)', 3],
    ['comes to its end', 'process.exitCode = 3', 3],
    ['fails', 'throw new Error("no")', 1],
    ['fails later', 'Promise.reject(new Error("no"))', 1],
  ])('are all there when the program ends because it %s', async (_, end, code) => {
    const program = `
      import { createLog, gathered } from ${JSON.stringify(join(import.meta.dirname, '../src/log.ts'))};
      const log = createLog({ level: 'info', journal: false, write: gathered() });
      log.info('one'); log.critical('two');
      ${end}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'ignore'] });
    let told = '';
    child.stdout.on('data', (piece) => (told += String(piece)));
    const [ended] = (await once(child, 'close')) as [number];
    expect([ended, told.match(/"message":"\w+"/g)]).toEqual([code, ['"message":"one"', '"message":"two"']]);
  });
});
