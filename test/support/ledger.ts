// The write path with its log and its checkpoints but without doors, on files that can be taken as a crash would leave them.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kept } from '../../src/incident/incident.ts';
import { parseReport } from '../../src/incident/report-reading.ts';
import { createLog } from '../../src/log.ts';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { type Ledger, createLedger } from '../../src/ledger/ledger.ts';
import { openLog } from '../../src/ledger/log-opening.ts';
import { openingChange } from '../../src/recorder/opening.ts';
import { createBell } from '../../src/recorder/bell.ts';
import { createQueue } from '../../src/recorder/queue.ts';
import { type Recorder, createRecorder } from '../../src/recorder/recorder.ts';
import type { Reported } from '../../src/recorder/judged.ts';
import { createRoom } from '../../src/recorder/room.ts';
import type { Changed } from '../../src/recorder/incident-change.ts';
import { openReserve } from '../../src/store/reserve.ts';
import { type Store, openStore } from '../../src/store/store.ts';
import { aReport, createClock } from './house.ts';

/**
 * Where a crash may come: `opened` after the log was opened and before that is recorded, `committed` before the log is written, `written`
 * before anybody is answered, `synced` before that is remembered.
 */
export type Point = 'opened' | 'committed' | 'written' | 'synced';

/** While it runs. */
interface Running {
  readonly store: Store;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  /** The verifier key that it signs under. */
  readonly key: string;
  close(): Promise<void>;
}

export interface LedgerHouse extends AsyncDisposable {
  readonly dir: string;
  readonly log: string;
  readonly running: Running;
  readonly clock: ReturnType<typeof createClock>;
  start(): Promise<void>;
  /** In order, as at a SIGTERM. */
  stop(): Promise<void>;
  /** The files are taken as they are when this point is reached next. */
  crashAt(point: Point): void;
  /** Goes on with the files as they were taken, or as they are if the point was not reached. It does not run then. */
  crash(): Promise<void>;
  report(more: Record<string, unknown>): Promise<Reported>;
  step(step: 'acknowledge' | 'resolve', id: string): Promise<Changed>;
  /** Long enough after the last time that a checkpoint is due. */
  settle(): Promise<void>;
  /** The same until the log was looked through and all that was found is signed. */
  settleAll(): Promise<void>;
  incident(id: string): Kept;
  lines(): string[];
}

export const ORIGIN = 'test/incident-recorder';

/** What a crash keeps: everything but the lock. */
const isKept = (name: string) => !/\.lock$|-shm$/.test(name);

/** @param onCheckpoint told of every checkpoint that was published, with the key that it is signed under */
export function openLedgerHouse({
  rotateBytes,
  onCheckpoint,
}: {
  rotateBytes: number;
  onCheckpoint: (note: string, key: string) => void;
}): LedgerHouse {
  const home = mkdtempSync(join(tmpdir(), 'recorder-'));
  const [dir, image] = [join(home, 'data'), join(home, 'image')];
  mkdirSync(dir);
  const clock = createClock();
  const path = join(dir, 'audit.jsonl');
  let armed: Point | null = null;
  let running: Running | null = null;

  function pass(point: Point): void {
    if (armed === point && !existsSync(image)) copyFolder(dir, image);
  }

  const log = (key: () => string) =>
    createLog({
      level: 'info',
      journal: false,
      write(text) {
        const { message, note } = JSON.parse(text) as { message: string; note: string };
        // What is published after the crash was never published.
        if (message === 'checkpoint' && !existsSync(image)) onCheckpoint(note, key());
      },
    });

  async function open(): Promise<Running> {
    let key = '';
    const own = log(() => key);
    const reserve = openReserve(join(dir, 'incidents.db.reserve'), 0);
    const store = openStore(join(dir, 'incidents.db'), reserve);
    const parts = { store, log: own, now: clock.now, monotonic: clock.monotonic };
    const keyPath = join(dir, 'checkpoint.key');
    const opened = await openLog({ ...parts, path, keyPath, origin: ORIGIN, rotation: { bytes: rotateBytes, age_ms: 86_400_000 } });
    key = opened.key.verifierKey;
    const { mirror } = opened;
    pass('opened');
    const room = createRoom({ reserve, usedBytes: store.usedBytes(), maxBytes: 2 ** 31, log: own });
    const onCommit = () => {
      pass('committed');
      mirror.follow();
      pass('written');
    };
    const onBroken = (error: unknown) => {
      throw error;
    };
    const queue = createQueue({ ...parts, policy: builtInPolicy(), bell: createBell(), room, onCommit, onBroken });
    const recorder = createRecorder({ queue, log: own });
    const opening = { ...opened, software: 'test', origin: opened.key.name, verifierKey: key, policy: builtInPolicy(), tokens: [] };
    await queue.submit(openingChange(opening, own));
    const remember: Recorder['remember'] = async (synced) => {
      pass('synced');
      await recorder.remember(synced);
    };
    const ledger = createLedger({
      ...{ ...parts, path, mirror, recorder: { ...recorder, remember }, key: opened.key, tree: () => queue.tree },
      ...{ interval_ms: 1000, witness: null },
    });
    return {
      ...{ store, recorder, ledger, key },
      async close() {
        await ledger.close();
        mirror.close();
        store.close();
      },
    };
  }

  const now = (): Running => {
    if (!running) throw new Error('it does not run');
    return running;
  };
  const close = async () => {
    await running?.close();
    running = null;
  };
  const settle = async () => {
    clock.advance(1000);
    await now().ledger.settle();
  };
  return {
    ...{ dir, log: path, clock, settle },
    get running() {
      return now();
    },
    async start() {
      running = await open();
    },
    async stop() {
      await now().recorder.tell('service.stopped', { reason: 'test' });
      await now().ledger.settleLast();
      await close();
    },
    crashAt(point) {
      armed = point;
    },
    async crash() {
      if (!existsSync(image)) copyFolder(dir, image);
      armed = null;
      await close();
      rmSync(dir, { recursive: true, force: true });
      renameSync(image, dir);
    },
    report: async (more) => now().recorder.report(parseReport(aReport(more)), { name: 'firewall', actor: 'reporter:firewall' }, null),
    step: async (step, id) =>
      now().recorder.step(step, {
        ...{ id, note: null, resolution: null, ifMatch: null, mark: null },
        caller: { name: 'alice', actor: 'operator:alice' },
      }),
    async settleAll() {
      await settle();
      while (now().ledger.health === 'verifying') await new Promise((resolve) => setTimeout(resolve, 1));
      // What was found is told by the next, and durable with the one after it.
      for (let i = 0; i < 3; i += 1) await settle();
    },
    incident(id) {
      const kept = now().store.incidents.byId(id);
      if (!kept) throw new Error(`${id} is not kept`);
      return kept;
    },
    lines: () =>
      now()
        .store.records.after(0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
        .map(({ line }) => line),
    async [Symbol.asyncDispose]() {
      await close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Every file that a crash keeps, with its mode; what is in the way there goes. */
export function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from).filter(isKept)) {
    rmSync(join(to, name), { force: true });
    copyFileSync(join(from, name), join(to, name));
  }
}
