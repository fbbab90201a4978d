// Random lives of a ledger: crashes wherever they may come, files that were tampered with, and older copies of anything put back.
//
// The model knows the hash of every record that was ever made and every checkpoint that was ever published, and shares no code with src.
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareWithLog } from '../../src/ledger/compare.ts';
import { RecorderError } from '../../src/errors.ts';
import { openFolder } from '../support/folder.ts';
import { type LedgerHouse, ORIGIN, type Point, copyFolder, openLedgerHouse } from '../support/ledger.ts';
import { faultByCheckpoint, verifyLog } from '../support/verify-log.mjs';

/** What a loss of power may leave of what was not made durable. */
interface Loss {
  /** Of the bytes behind what is durable, this share is there. */
  share: number;
  /** And zeros in place of the others. */
  zeros: boolean;
  /** How far the change to a new file had come. */
  rotation: 'done' | 'not begun' | 'not renamed';
  /** The checkpoint file is not the newest one. */
  checkpoint: boolean;
}

type Tampering =
  | { do: 'cut'; share: number }
  | { do: 'flip' | 'remove'; file: number; share: number }
  | { do: 'put back'; copy: number; store: boolean; log: boolean; checkpoint: boolean }
  | { do: 'take the checkpoint' };

type Operation =
  | { do: 'report'; key: string | null; contains: boolean; large: boolean }
  | { do: 'acknowledge' | 'resolve'; which: number }
  | { do: 'report while it settles'; reports: number }
  | { do: 'end the file' | 'settle' | 'copy' }
  | { do: 'restart'; tampering: Tampering[]; again: Point | null }
  | { do: 'crash'; at: Point | 'now'; loss: Loss; tampering: Tampering[]; again: Point | null };

const share = fc.double({ min: 0, max: 1, noNaN: true });
/** Of a copy: the store by itself most often, which is what can be made good. */
const putBackOf = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ store: true, log: false, checkpoint: false }) },
  { weight: 2, arbitrary: fc.record({ store: fc.boolean(), log: fc.boolean(), checkpoint: fc.boolean() }) },
);
const tampering: fc.Arbitrary<Tampering> = fc.oneof(
  fc.record({ do: fc.constant('cut' as const), share }),
  fc.record({ do: fc.constantFrom('flip' as const, 'remove' as const), file: fc.nat(), share }),
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(), putBackOf).map(([copy, parts]) => ({ do: 'put back' as const, copy, ...parts })),
  },
  fc.record({ do: fc.constant('take the checkpoint' as const) }),
);
const tamperings = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Tampering[]>([]) },
  { weight: 2, arbitrary: fc.array(tampering, { minLength: 1, maxLength: 1 }) },
  { weight: 1, arbitrary: fc.array(tampering, { minLength: 2, maxLength: 3 }) },
);
const loss: fc.Arbitrary<Loss> = fc.record({
  share,
  zeros: fc.boolean(),
  rotation: fc.constantFrom('done', 'not begun', 'not renamed'),
  checkpoint: fc.boolean(),
});
/** Of a start: where it crashes itself, if it does. */
const again: fc.Arbitrary<Point | null> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constantFrom<Point>('opened', 'committed', 'written') },
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      key: fc.option(fc.constantFrom('a', 'b')),
      contains: fc.boolean(),
      large: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('acknowledge' as const, 'resolve' as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('report while it settles' as const), reports: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('end the file' as const, 'settle' as const, 'copy' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), tampering: tamperings, again }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      at: fc.constantFrom('now', 'committed', 'written', 'synced'),
      loss,
      tampering: tamperings,
      again,
    }),
  },
);

/** A checkpoint that somebody holds. */
interface Held {
  readonly note: string;
  readonly key: string;
  readonly origin: string;
  readonly size: number;
  /** Of the records that it covers. */
  readonly hashes: readonly string[];
  /** The last of them, which binds all before it. */
  readonly last: string;
  /** What was to be known of each incident when just these records were there. */
  readonly shown: ReadonlyMap<string, string> | null;
  /** All that could tell of it was taken away at once, so nobody but its holder knows of it. */
  unseen: boolean;
}

/** The files while it does not run. */
interface Files {
  /** Of the records in the store. */
  readonly hashes: readonly string[];
  /** The verifier key that the store was last kept under. */
  readonly key: string | null;
  readonly synced: { readonly seq: number; readonly offset: number; readonly first: number };
  /** Of the log by name, oldest first; the newest is the one without a number. */
  readonly log: ReadonlyMap<string, Buffer>;
  readonly checkpoint: string | null;
}

const NEWEST = 'audit.jsonl';
const hashOf = (line: string) => line.slice(-66, -2);
const firstSeq = (bytes: Buffer | undefined) => Number(/^\{"v":1,"seq":(\d+),/.exec(bytes?.toString('latin1', 0, 40) ?? '')?.[1] ?? 0);
const logNames = (dir: string) => {
  const older = readdirSync(dir).filter((name) => /^audit-\d{12}\.jsonl$/.test(name));
  return [...older.toSorted(), ...(existsSync(join(dir, NEWEST)) ? [NEWEST] : [])];
};

function readFiles(dir: string): Files {
  using folder = openFolder();
  const store = join(folder.path, 'incidents.db');
  for (const name of ['incidents.db', 'incidents.db-wal'].filter((each) => existsSync(join(dir, each))))
    copyFileSync(join(dir, name), join(folder.path, name));
  const db = new Database(store);
  const hashes = db.prepare<[], string>('SELECT substr(line, -66, 64) FROM records ORDER BY seq').pluck().all();
  const meta = new Map(db.prepare<[], [string, string]>('SELECT key, value FROM meta').raw().all());
  db.close();
  const [seq = 0, offset = 0, first = 1] = (meta.get('synced') ?? '').split(':').filter(Boolean).map(Number);
  const checkpoint = join(dir, `${NEWEST}.checkpoint`);
  return {
    ...{ hashes, key: meta.get('verifier_key') ?? null, synced: { seq, offset, first } },
    log: new Map(logNames(dir).map((name) => [name, readFileSync(join(dir, name))])),
    checkpoint: existsSync(checkpoint) ? readFileSync(checkpoint, 'utf8') : null,
  };
}

/** How much of a file of the log is known to be durable. */
function durableOf(bytes: Buffer, { synced }: Files): number {
  const first = firstSeq(bytes);
  // What is durable ends with a whole line: a file that has not even the beginning of its first has nothing.
  if (first === 0) return 0;
  return first < synced.first ? bytes.length : first === synced.first ? synced.offset : 0;
}

/** Whole records of the log, as they were sealed. */
function sealedIn({ log }: Files): { seq: number; hash: string }[] {
  return [...log.values()].flatMap((bytes) =>
    bytes
      .toString('utf8')
      .split('\n')
      .slice(0, -1)
      .flatMap((line) => {
        const [, seq] = /^\{"v":1,"seq":(\d+),/.exec(line) ?? [];
        const sealed =
          createHash('sha256')
            .update(`\0${line.slice(0, -75)}`)
            .digest('hex') === hashOf(line);
        return seq !== undefined && sealed ? [{ seq: Number(seq), hash: hashOf(line) }] : [];
      }),
  );
}

/** What was told at a start that had not been told before. */
interface Told {
  readonly damaged: string | null;
  readonly restored: { readonly from: number; readonly to: number } | null;
  readonly went_on_as: { readonly instance: string; readonly origin: string } | null;
}

/** What the next start has to go by. */
interface Trouble {
  /** Files that hold no longer what was durable in them. */
  damaged: number;
  /** Whether a file was touched at all. */
  touched: boolean;
  /** Whether another store than the last one was put there. */
  replaced: boolean;
  /** Whether what is signed, or in the log, is not in the store. */
  contradicts: boolean;
}

/** What the model is made to get wrong, so that it must find fault with what is right: it would see the fault itself as well. */
const WRONG = ['tampering is taken for a crash', 'a byte is changed behind its back', 'a record was answered that is not there'] as const;
type Wrong = (typeof WRONG)[number];

/** The whole of a life: the house, and what is to be known of it. */
class Life {
  readonly faults: string[] = [];
  /** What was told, by kind. */
  readonly told = { damaged: 0, restored: 0, forked: 0 };
  readonly #held: Held[] = [];
  readonly #known = new Set<string>();
  #answered: { seq: number; hash: string }[] = [];
  #copies = 0;
  readonly #house: LedgerHouse;
  readonly #wrong: Wrong | null;

  constructor(rotateBytes: number, wrong: Wrong | null) {
    this.#wrong = wrong;
    this.#house = openLedgerHouse({
      rotateBytes,
      onCheckpoint: (note, key) => {
        const [origin = '', size = ''] = note.split('\n');
        const lines = this.#house.lines();
        const hashes = lines.slice(0, Number(size)).map(hashOf);
        this.#held.push({
          ...{ note, key, origin, size: Number(size), hashes, last: hashes.at(-1) ?? '' },
          shown: lines.length === Number(size) ? this.#shown(lines) : null,
          unseen: false,
        });
      },
    });
  }

  async live(operations: readonly Operation[]): Promise<void> {
    await using house = this.#house;
    await this.#start({ damaged: 0, touched: false, replaced: false, contradicts: false }, null);
    for (const each of [{ do: 'copy' as const }, ...operations]) await this.#perform(each);
    await this.#perform({ do: 'restart', tampering: [], again: null });
    await house.stop();
    const differences = await compareWithLog(
      logNames(house.dir).map((name) => join(house.dir, name)),
      join(house.dir, 'incidents.db'),
    );
    this.#claim(differences.length === 0, `the log tells another store: ${JSON.stringify(differences.slice(0, 3))}`);
  }

  #claim(holds: boolean, words: string): void {
    if (!holds) this.faults.push(words);
  }

  async #perform(each: Operation): Promise<void> {
    const house = this.#house;
    switch (each.do) {
      case 'report':
        return this.#answer(each);
      case 'acknowledge':
      case 'resolve': {
        const ids = [...this.#shown(house.lines()).keys()];
        const id = ids[each.which % ids.length];
        if (id === undefined) return;
        try {
          this.#answered.push((await house.step(each.do, id)).receipt);
        } catch (error) {
          if (!(error instanceof RecorderError)) throw error;
        }
        return;
      }
      case 'report while it settles':
        await Promise.all([
          house.settle(),
          ...Array.from({ length: each.reports }, async () => this.#answer({ key: 'a', contains: false, large: false })),
        ]);
        return;
      case 'end the file':
        return house.running.recorder.endFile();
      case 'settle':
        return house.settle();
      case 'copy':
        copyFolder(house.dir, this.#copy(this.#copies));
        this.#copies += 1;
        return;
      case 'restart':
        await house.stop();
        break;
      case 'crash':
        await this.#crash(each);
    }
    const trouble = this.#tamper(each.tampering);
    await this.#start(
      this.#wrong === 'tampering is taken for a crash' ? { damaged: 0, touched: false, replaced: false, contradicts: false } : trouble,
      each.again,
    );
  }

  async #answer({ key, contains, large }: { key: string | null; contains: boolean; large: boolean }): Promise<void> {
    const { receipt } = await this.#house.report(reportOf(key, contains, large));
    this.#answered.push(receipt);
  }

  async #crash({ at, loss: lost }: Extract<Operation, { do: 'crash' }>): Promise<void> {
    const house = this.#house;
    if (at !== 'now') house.crashAt(at);
    if (at === 'synced') await house.settle();
    // Nobody hears the answer.
    else if (at !== 'now') await house.report(reportOf('b', true, false));
    await house.crash();
    lose(house.dir, lost, this.#held.at(-2)?.note);
  }

  #copy(n: number): string {
    return join(this.#house.dir, '..', `copy-${n}`);
  }

  #tamper(all: readonly Tampering[]): Trouble {
    const { dir } = this.#house;
    const before = readFiles(dir);
    before.hashes.forEach((hash) => this.#known.add(hash));
    let replaced = false;
    for (const each of all) {
      const files = readFiles(dir);
      const names = [...files.log.keys()];
      if (each.do === 'cut') {
        if (files.log.has(NEWEST)) truncateSync(join(dir, NEWEST), Math.floor((files.log.get(NEWEST)?.length ?? 0) * each.share));
      } else if (each.do === 'take the checkpoint') rmSync(join(dir, `${NEWEST}.checkpoint`), { force: true });
      else if (each.do === 'put back') {
        putBack(this.#copy(each.copy % this.#copies), dir, each);
        replaced ||= each.store;
      } else {
        const name = names[each.file % names.length];
        if (name === undefined) continue;
        if (each.do === 'remove') rmSync(join(dir, name));
        else flip(join(dir, name), each.share);
      }
    }
    const after = readFiles(dir);
    const damaged = [...before.log.values()].filter((bytes) => {
      const durable = durableOf(bytes, before);
      const left = [...after.log.values()].find((each) => firstSeq(each) === firstSeq(bytes)) ?? Buffer.alloc(0);
      return !left.subarray(0, durable).equals(bytes.subarray(0, durable));
    }).length;
    const touched = !sameLog(before, after);
    return { damaged, touched, replaced, contradicts: false };
  }

  /** The checkpoint that the start goes by. */
  #signedFor({ checkpoint, key }: Files): Held | null {
    const held = this.#held.find(({ note }) => note === checkpoint);
    const name = key?.split('+')[0] ?? ORIGIN;
    return held && (name === ORIGIN || held.origin === name) ? held : null;
  }

  async #start(trouble: Trouble, crashing: Point | null): Promise<void> {
    const house = this.#house;
    const files = existsSync(join(house.dir, 'incidents.db')) ? readFiles(house.dir) : null;
    const signed = files && this.#signedFor(files);
    if (files) {
      const sealed = sealedIn(files);
      const isBehind = signed !== null && !holds(signed, files.hashes);
      // Where the log gives what was signed, the store is to have that again.
      const target =
        isBehind && isBeginningOf(signed, files) && sealed.some(({ hash }) => hash === signed.last) ? signed.hashes : files.hashes;
      const contradicts = sealed.some(({ seq, hash }) => target[seq - 1] !== hash) || (signed !== null && !holds(signed, target));
      // A start that crashed may have seen more than is left.
      if (!contradicts && !trouble.contradicts) for (const each of this.#held) each.unseen ||= !holds(each, target);
      trouble.contradicts ||= isBehind || contradicts;
    }
    if (crashing !== null) {
      house.crashAt(crashing);
      await house.start();
      await house.crash();
      return this.#start(trouble, null);
    }
    await house.start();
    await house.settleAll();
    if (this.#wrong === 'a byte is changed behind its back') flip(join(house.dir, String(logNames(house.dir)[0])), 0.5);
    if (this.#wrong === 'a record was answered that is not there') this.#answered.push({ seq: 1, hash: '0'.repeat(64) });
    this.#judge(trouble);
    if (files && signed) this.#judgeRestored(trouble, files, signed);
  }

  /** What must hold after any start. */
  #judge({ damaged, touched, replaced, contradicts }: Trouble): void {
    const house = this.#house;
    const lines = house.lines();
    const hashes = lines.map(hashOf);
    const log = verifyLog(logNames(house.dir).map((name) => join(house.dir, name)));
    const copy = logNames(house.dir).map((name) => readFileSync(join(house.dir, name), 'utf8'));
    this.#claim(log.fault === null && !log.torn, `the log is ${log.fault ?? 'torn'} after ${log.records} records`);
    this.#claim(copy.join('') === lines.map((line) => `${line}\n`).join(''), 'the log is no copy of the records');
    this.#claim(house.running.ledger.health === 'ok', `the ledger is ${house.running.ledger.health}`);
    for (const text of copy.slice(0, -1)) this.#claim(/"type":"log\.rotated"[^\n]*\n$/.test(text), 'a file ends without log.rotated');

    const lost = this.#answered.filter(({ seq, hash }) => hashes[seq - 1] !== hash);
    if (!replaced) this.#claim(lost.length === 0, `${lost.length} records that were answered are gone, first ${lost[0]?.seq}`);
    this.#answered = this.#answered.filter((each) => !lost.includes(each));

    const told = this.#toldOf(lines);
    const forks = told.flatMap(({ went_on_as: went }) => went ?? []);
    this.told.damaged += told.filter(({ damaged: file }) => file !== null).length;
    this.told.restored += told.filter(({ restored }) => restored !== null).length;
    this.told.forked += forks.length;
    const name = house.running.key.split('+')[0];
    if (contradicts || (damaged > 0 && !replaced)) this.#claim(told.length > 0, 'nothing is told of what was found');
    if (!contradicts && !touched) this.#claim(told.length === 0, `a crash is told as ${JSON.stringify(told)}`);
    if (!contradicts) this.#claim(forks.length === 0, 'it goes on as another log for no reason');
    // An old file of which an end was damaged, and the newest, which has to begin where it did; each once, whatever starts ended within.
    if (!contradicts && !replaced && damaged === 1) {
      const paths = told.map(({ damaged: file }) => file?.replace(/\.damaged-.*$/, ''));
      this.#claim(
        told.length <= 2 && new Set(paths).size === told.length && !paths.includes(undefined),
        `one damaged file is told as ${JSON.stringify(told)}`,
      );
    }
    for (const { origin } of forks) {
      this.#claim(origin === name, `it is to go on as ${origin}, and goes on as ${name}`);
      this.#claim(!this.#held.some((each) => each.origin === origin && !holds(each, hashes)), `${origin} was its name before`);
    }
    const own = lines.filter((line) =>
      /"type":"incident\.(?:reported|joined)","id":"[^"]+","actor":"[^"]+","data":\{"report":\{[^}]*"source":"incident-recorder"/.test(
        line,
      ),
    );
    const recovered = lines.filter(isRecovered);
    this.#claim(own.length === recovered.length, `${recovered.length} log.recovered have ${own.length} reports of our own`);

    for (const each of this.#held) {
      const fault = faultByCheckpoint(log, each.note, each.key);
      this.#claim((fault === null) === holds(each, log.leaves), `a checkpoint over ${each.size} says: ${fault}`);
      if (each.origin === name && !each.unseen)
        this.#claim(fault === null, `${name} has signed ${each.size} records that are not those of its log, and goes on`);
    }
    hashes.forEach((hash) => this.#known.add(hash));
  }

  /** A store that was put back beside a sound log and its checkpoint has all that was signed again. */
  #judgeRestored({ touched, replaced }: Trouble, files: Files, signed: Held): void {
    const inLog = new Set(sealedIn(files).map(({ hash }) => hash));
    if (touched || !replaced || !isBeginningOf(signed, files) || !inLog.has(signed.last)) return;
    const lines = this.#house.lines();
    this.#claim(holds(signed, lines.map(hashOf)), `not all of the ${signed.size} records that were signed are back`);
    const told = lines.filter(isRecovered).map((line) => (JSON.parse(line) as { data: Told }).data);
    this.#claim(
      told.some(({ restored }) => restored?.to === signed.size && restored.from <= files.hashes.length + 1),
      `it is not told that records up to ${signed.size} were restored`,
    );
    const shown = this.#shown(lines);
    for (const [id, before] of signed.shown ?? []) {
      const changed = this.#house.incident(id).version > signed.size;
      if (changed) this.#claim(this.#house.incident(id).incident.source === 'incident-recorder', `${id} has changed`);
      else this.#claim(shown.get(id) === before, `${id} is not what it was`);
    }
  }

  #toldOf(lines: readonly string[]): Told[] {
    return lines
      .filter((line) => isRecovered(line) && !this.#known.has(hashOf(line)))
      .map((line) => (JSON.parse(line) as { data: Told }).data);
  }

  /** All that is to be known of each incident. */
  #shown(lines: readonly string[]): Map<string, string> {
    const { records } = this.#house.running.store;
    const ids = lines.flatMap((line) => /^\{"v":1,"seq":\d+,"ts":"[^"]+","type":"incident\.reported","id":"([^"]+)"/.exec(line)?.[1] ?? []);
    return new Map(
      ids.map((id) => {
        const kept = this.#house.incident(id);
        return [id, JSON.stringify([kept, records.timeline(kept.incident.audit.seq, 0, 1e6, 1e9)])];
      }),
    );
  }
}

const isRecovered = (line: string) => /^\{"v":1,"seq":\d+,"ts":"[^"]+","type":"log\.recovered"/.test(line);

const holds = ({ size, last }: Held, hashes: readonly string[]) => hashes[size - 1] === last;

/** Whether a store is shorter than what was signed, and else the same. */
const isBeginningOf = ({ hashes: signed }: Held, { hashes }: Files) =>
  hashes.length < signed.length && hashes.at(-1) === signed[hashes.length - 1];

const sameLog = (one: Files, other: Files) =>
  one.log.size === other.log.size && [...one.log].every(([name, bytes]) => other.log.get(name)?.equals(bytes));

function reportOf(key: string | null, contains: boolean, large: boolean): Record<string, unknown> {
  return {
    class: contains ? 'prompt_injection' : 'tool_call_burst',
    ...(key === null ? {} : { dedup_key: key }),
    ...(large ? { evidence: { text: 'é'.repeat(1500) } } : {}),
  };
}

function lose(dir: string, { share: left, zeros, rotation, checkpoint }: Loss, older: string | undefined): void {
  const newest = join(dir, NEWEST);
  const old = logNames(dir).filter((name) => name !== NEWEST);
  const files = readFiles(dir);
  const [last] = old.slice(-1);
  // Before a new file is remembered the old one has its name for good.
  const isFresh = last !== undefined && files.log.get(NEWEST)?.length === 0 && files.synced.first <= firstSeq(files.log.get(last));
  if (isFresh && rotation !== 'done') {
    rmSync(newest);
    if (rotation === 'not renamed') {
      renameSync(join(dir, last), newest);
      chmodSync(newest, 0o640);
    }
  }
  if (existsSync(newest)) {
    const now = readFiles(dir);
    const bytes = now.log.get(NEWEST) ?? Buffer.alloc(0);
    const durable = durableOf(bytes, now);
    const size = durable + Math.floor((bytes.length - durable) * left);
    // The first bytes of a file of which nothing is durable are all that tells it from somebody else's.
    const rest = zeros && durable > 0 ? Buffer.alloc(bytes.length - size) : Buffer.alloc(0);
    writeFileSync(newest, Buffer.concat([bytes.subarray(0, size), rest]));
  }
  if (checkpoint && files.checkpoint !== null && older !== undefined) writeFileSync(join(dir, `${NEWEST}.checkpoint`), older);
}

/** Changes one bit of a file that is not empty. */
function flip(path: string, where: number): void {
  const bytes = readFileSync(path);
  const at = Math.min(Math.floor(bytes.length * where), bytes.length - 1);
  if (at >= 0) bytes[at] = Number(bytes[at]) ^ 1;
  rmSync(path);
  writeFileSync(path, bytes);
}

/** What is put back of a copy; all else stays as it is. */
function putBack(copy: string, dir: string, { store, log, checkpoint }: { store: boolean; log: boolean; checkpoint: boolean }): void {
  const part = (name: string) =>
    name.startsWith('incidents.db') ? store : name.endsWith('.checkpoint') ? checkpoint : /^audit.*\.jsonl$/.test(name) && log;
  for (const name of readdirSync(dir).filter(part)) rmSync(join(dir, name));
  for (const name of readdirSync(copy).filter(part)) copyFileSync(join(copy, name), join(dir, name));
}

async function lived(operations: readonly Operation[], rotateBytes: number, wrong: Wrong | null = null): Promise<Life> {
  const life = new Life(rotateBytes, wrong);
  await life.live(operations);
  return life;
}

const lives = fc.array(operation, { minLength: 4, maxLength: 25 });
const rotateBytes = fc.constantFrom(5000, 20_000, 2 ** 26);

const KEPT_ALL: Loss = { share: 1, zeros: false, rotation: 'done', checkpoint: false };

/** Lives that once went wrong. */
const KNOWN: [Operation[], number][] = [
  // A file ended while it was looked through, and was taken for one that was missing.
  [
    [
      { do: 'restart', tampering: [{ do: 'flip', file: 0, share: 0 }], again: null },
      { do: 'end the file' },
      { do: 'report', key: null, contains: false, large: true },
      { do: 'restart', tampering: [{ do: 'flip', file: 0, share: 0 }], again: null },
    ],
    5000,
  ],
  // What an older store did not hold was followed by zeros: it went on under its name, and signed another history.
  [
    [
      { do: 'copy' },
      { do: 'report while it settles', reports: 1 },
      { do: 'report while it settles', reports: 1 },
      {
        ...{ do: 'crash', at: 'now', loss: { ...KEPT_ALL, share: 0, zeros: true }, again: null },
        tampering: [{ do: 'put back', copy: 0, store: true, log: false, checkpoint: true }],
      },
      { do: 'report', key: null, contains: true, large: false },
    ],
    2 ** 26,
  ],
  // A start was killed when it had kept the newest file aside; the next one kept aside what that had begun, and told of it as well.
  [
    [
      { do: 'report', key: null, contains: false, large: false },
      { do: 'crash', at: 'now', loss: KEPT_ALL, tampering: [], again: 'opened' },
      { do: 'crash', at: 'now', loss: KEPT_ALL, tampering: [{ do: 'flip', file: 0, share: 0 }], again: 'opened' },
    ],
    5000,
  ],
  // Of a new file a crash had left one byte, and that was cut off: the model took it for a loss.
  [
    [
      { do: 'report', key: null, contains: false, large: false },
      { do: 'report while it settles', reports: 1 },
      { do: 'acknowledge', which: 0 },
      { do: 'crash', at: 'now', loss: { ...KEPT_ALL, share: 0.003 }, tampering: [{ do: 'cut', share: 0 }], again: null },
    ],
    5000,
  ],
];

describe('any life of a ledger', () => {
  it('loses nothing, takes no crash for tampering, finds all tampering that can be found, and never signs two histories', async () => {
    const all = { damaged: 0, restored: 0, forked: 0 };
    await fc.assert(
      fc.asyncProperty(lives, rotateBytes, async (operations, bytes) => {
        const { faults, told } = await lived(operations, bytes);
        expect(faults).toEqual([]);
        for (const kind of ['damaged', 'restored', 'forked'] as const) all[kind] += told[kind];
      }),
      { numRuns: 100, examples: KNOWN, plugins: [fc.interruptAfterTimeLimit(150_000)] },
    );
    // It was put to all of these tests.
    expect(Math.min(...Object.values(all)), JSON.stringify(all)).toBeGreaterThan(0);
  }, 240_000);

  it.each(WRONG)(
    'would not go unseen if it went wrong: %s',
    async (wrong) => {
      const { failed } = await fc.check(
        fc.asyncProperty(lives, rotateBytes, async (operations, bytes) => {
          expect((await lived(operations, bytes, wrong)).faults).toEqual([]);
        }),
        { numRuns: 40, endOnFailure: true },
      );
      expect(failed).toBe(true);
    },
    120_000,
  );
});
