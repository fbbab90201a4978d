// The power is lost under load: what was answered is on the disk, not only in the memory of a kernel that meant to write it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { type DiskImage, NO_DISK_IMAGE, openDiskImage, stop } from '../support/disk-image.ts';
import { type Answer, loadUntil, sendAll } from '../support/load.ts';
import { ROOT, type Program, startProgram } from '../support/program.ts';
import { NO_STRACE, canTrace, tracing } from '../support/strace.ts';
import { type Kept, faultsOf } from '../support/truth.ts';

const ROUNDS = 12;

/** A recorder that keeps everything on the disk but its token, which is not its to make durable. */
async function startOn(disk: DiskImage, under: string[] = []): Promise<Program> {
  const { database, log } = keptOn(disk);
  return startProgram({ env: { DATABASE_PATH: database, AUDIT_LOG_PATH: log }, under });
}

function keptOn({ dir }: DiskImage): Kept {
  return { database: join(dir, 'incidents.db'), log: join(dir, 'audit.jsonl') };
}

/** The power fails under the program, in the middle of its load. It is not started again. */
async function cutPower(disk: DiskImage, program: Program): Promise<void> {
  await stop(program.pid);
  disk.hold();
  await program.end('SIGKILL');
  disk.lose();
}

describe('a loss of power under the load of 32 connections', () => {
  it(`loses nothing that was answered and leaves nothing half done, ${ROUNDS} times over one disk`, async ({ skip }) => {
    using disk = openDiskImage(32);
    if (!disk) return skip(NO_DISK_IMAGE);
    await using program = await startOn(disk);
    const answers: Answer[] = [];
    let again: readonly number[] = [];
    let first = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const enough = 10 + ((round * 37) % 60);
      const load = await loadUntil(program.port, { again, first, connections: 32, enough, crash: async () => cutPower(disk, program) });
      again = load.unanswered;
      first = Math.max(first, ...[...load.answered.keys(), ...again].map((n) => n + 1));
      answers.push(...load.answered.values());
      await program.start();
      expect(faultsOf(keptOn(disk), answers)).toEqual([]);
    }
    expect((await sendAll(program.port, again)).unanswered).toEqual([]);
    expect(answers.length).toBeGreaterThan(ROUNDS * 10);
    expect(answers.filter(({ status }) => status > 201)).toEqual([]);
  }, 60_000);

  it('would lose what was answered if the disk were not asked to keep it: fsync that only says so', async ({ skip }) => {
    using disk = openDiskImage(32);
    if (!disk) return skip(NO_DISK_IMAGE);
    if (!canTrace()) return skip(NO_STRACE);
    const careful = await startOn(disk);
    const { answered: before } = await sendAll(careful.port, [1, 2, 3]);
    await careful.end('SIGTERM');
    const careless = await startOn(disk, tracing({ files: [], calls: 'fsync,fdatasync', inject: 'retval=0', to: '/dev/null' }));
    const { answered } = await sendAll(careless.port, [11, 12, 13, 14]);
    await cutPower(disk, careless);
    await careful.start();
    const lost = (of: Iterable<Answer>) =>
      faultsOf(keptOn(disk), of).filter((fault) => fault.includes('was answered and is not in the store'));
    expect(lost(before.values())).toEqual([]);
    expect(lost(answered.values())).toHaveLength(8);
    await careless[Symbol.asyncDispose]();
    await careful[Symbol.asyncDispose]();
  }, 30_000);
});

describe('SQLite by itself', () => {
  /** How many rows a writer said that it had committed, and how many are there after the power was lost. */
  async function rows(disk: DiskImage, synchronous: string): Promise<{ said: number; kept: number }> {
    const file = join(disk.dir, `${synchronous}.db`);
    const writer = spawn(process.execPath, [join(ROOT, 'test/support/rows.mjs'), file, synchronous], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(writer, 'exit');
    let output = '';
    writer.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    while (output.split('\n').length < 50) await once(writer.stdout, 'data');
    await stop(writer.pid ?? 0);
    disk.hold();
    const said = Number(output.trimEnd().split('\n').at(-1));
    writer.kill('SIGKILL');
    await ended;
    disk.lose();
    const db = new Database(file);
    const has = db.prepare(`SELECT count(*) FROM sqlite_schema WHERE name = 'rows'`).pluck().get();
    const kept = has === 0 ? 0 : Number(db.prepare('SELECT count(*) FROM rows').pluck().get());
    db.close();
    return { said, kept };
  }

  it('loses rows that it had committed under synchronous=NORMAL, and none under FULL', async ({ skip }) => {
    using disk = openDiskImage(32);
    if (!disk) return skip(NO_DISK_IMAGE);
    const full = await rows(disk, 'full');
    expect(full.kept).toBeGreaterThanOrEqual(full.said);
    const normal = await rows(disk, 'normal');
    expect(normal.kept).toBeLessThan(normal.said);
  });
});
