// The one SQLite file: durable commits, one recorder at a time, tables of one age.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockStore, openDatabase } from '../../src/store/database.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { openStore } from '../../src/store/store.ts';
import { ROOT } from '../support/program.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  path = join(dir, 'incidents.db');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const pragma = (db: Database.Database, name: string) => db.pragma(name, { simple: true });

function schemaOf(db: Database.Database): unknown[] {
  return db.prepare('SELECT type, name, sql FROM sqlite_master ORDER BY name').all();
}

/** Another process that opens the store, and holds it until it is killed when it can. */
const OPENER = `
  import { openStore } from ${JSON.stringify(join(ROOT, 'src/store/store.ts'))};
  try {
    openStore(process.argv[1]);
    console.log('opened');
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(error.code + ': ' + error.message);
  }`;
const OPENER_ARGS = ['--input-type=module', '-e', OPENER];

describe('a commit', () => {
  it('would not be durable under what SQLite is built with here: its first write in WAL mode falls to NORMAL', () => {
    const plain = new Database(path);
    plain.pragma('journal_mode = WAL');
    plain.exec('CREATE TABLE t (a)');
    expect(pragma(plain, 'synchronous')).toBe(1);
    plain.close();
  });

  it('is synced to disk in full, on a new file, after its first and later writes', () => {
    const db = openDatabase(path);
    expect(pragma(db, 'journal_mode')).toBe('wal');
    db.exec(`INSERT INTO meta VALUES ('a', 'b')`);
    expect(pragma(db, 'synchronous')).toBe(2);
    db.exec(`BEGIN IMMEDIATE; UPDATE meta SET value = 'c'; COMMIT`);
    expect(pragma(db, 'synchronous')).toBe(2);
    db.close();
  });

  it('is synced to disk in full on a file that was there before, whatever wrote to it last', () => {
    openDatabase(path).close();
    const other = new Database(path);
    other.pragma('journal_mode = DELETE');
    other.exec(`INSERT INTO meta VALUES ('a', 'b')`);
    other.close();
    const db = openDatabase(path);
    expect(pragma(db, 'journal_mode')).toBe('wal');
    db.exec(`UPDATE meta SET value = 'c'`);
    expect(pragma(db, 'synchronous')).toBe(2);
    db.close();
  });
});

describe('the store', () => {
  it('is readable by its owner only, whatever the umask', () => {
    const umask = process.umask(0);
    try {
      const store = openStore(path);
      for (const file of [path, `${path}-wal`, `${path}.lock`]) expect(statSync(file).mode & 0o777, file).toBe(0o600);
      store.close();
    } finally {
      process.umask(umask);
    }
  });

  it('is refused to a second recorder in another process, and goes on serving the first', () => {
    const store = openStore(path);
    const told = execFileSync(process.execPath, [...OPENER_ARGS, path], { encoding: 'utf8' });
    expect(told).toBe(`storage_failed: ${path} is in use by another recorder\n`);
    store.meta.setSynced({ seq: 7, offset: 42, first: 3 });
    expect(store.meta.synced()).toEqual({ seq: 7, offset: 42, first: 3 });
    store.close();
  });

  it('is refused to a second recorder in the same process, and free again when the first has closed it', () => {
    const first = openStore(path);
    expect(() => openStore(path)).toThrow(expect.objectContaining({ code: 'storage_failed' }));
    first.close();
    openStore(path).close();
  });

  it('is free again when its holder was killed', async () => {
    const holder = spawn(process.execPath, [...OPENER_ARGS, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [told] = (await once(holder.stdout, 'data')) as [Buffer];
      expect(told.toString()).toBe('opened\n');
      expect(() => lockStore(path)).toThrow('in use by another recorder');
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    openStore(path).close();
  });

  it('can be read by another program while it is open', () => {
    const store = openStore(path);
    store.meta.setSynced({ seq: 7, offset: 42, first: 3 });
    const reader = new Database(path, { readonly: true });
    expect(reader.prepare(`SELECT value FROM meta WHERE key = 'synced'`).pluck().get()).toBe('7:42:3');
    reader.close();
    store.close();
  });

  it('of a newer version is refused and left as it is, and not left locked', () => {
    openStore(path).close();
    const newer = new Database(path);
    newer.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    const message = `the store is of a newer version (${MIGRATIONS.length + 1}) than this program knows (${MIGRATIONS.length})`;
    expect(() => openStore(path)).toThrow(expect.objectContaining({ code: 'invalid_configuration', message }));
    const after = new Database(path);
    expect(pragma(after, 'user_version')).toBe(MIGRATIONS.length + 1);
    after.pragma(`user_version = ${MIGRATIONS.length}`);
    after.close();
    openStore(path).close();
  });

  it('is not made out of a file that is something else', () => {
    writeFileSync(path, 'dear diary, '.repeat(1000));
    expect(() => openStore(path)).toThrow('file is not a database');
    expect(readFileSync(path, 'utf8')).toBe('dear diary, '.repeat(1000));
  });
});

describe('a statement', () => {
  it('is not compiled anew each time that it is bound, as it would be where the planner asks for what is bound', () => {
    const [plain, ours] = [new Database(join(dir, 'plain.db')), openDatabase(path)];
    for (const migration of MIGRATIONS) plain.exec(migration);
    const sql = `SELECT h.* FROM incident_actions a JOIN holds h ON h.seq = a.hold
      WHERE a.incident = ? AND a.ended = 0 AND h.live = 1 ORDER BY a.n LIMIT ?`;
    const took = (db: Database.Database) => {
      const statement = db.prepare(sql);
      const from = process.cpuUsage();
      for (let i = 0; i < 3000; i += 1) statement.all(i, 10);
      return process.cpuUsage(from).user;
    };
    took(ours);
    expect(took(ours) * 3).toBeLessThan(took(plain));
    plain.close();
    ours.close();
  });

  it('takes what is bound as it is, whatever its type', () => {
    const db = openDatabase(path);
    const bytes = Buffer.from([0, 255]);
    expect(db.prepare('SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e').get('007', 7, 0.5, null, bytes)).toEqual({
      ...{ a: '007', b: 7, c: 0.5, d: null, e: bytes },
    });
    expect(db.prepare('SELECT typeof(:a) AS a, typeof(:b_c) AS b').get({ a: '7', b_c: 7 })).toEqual({ a: 'text', b: 'real' });
    db.close();
  });
});

describe('the tables', () => {
  it('are made once, and are the same after each later start', () => {
    const first = openDatabase(path);
    expect(pragma(first, 'user_version')).toBe(MIGRATIONS.length);
    const made = schemaOf(first);
    first.exec(`INSERT INTO policies VALUES ('sha', 'text')`);
    first.close();
    const again = openDatabase(path);
    expect(pragma(again, 'user_version')).toBe(MIGRATIONS.length);
    expect(schemaOf(again)).toEqual(made);
    expect(again.prepare('SELECT * FROM policies').all()).toEqual([{ sha256: 'sha', text: 'text' }]);
    again.close();
  });

  it.each(MIGRATIONS.map((_, done) => [done]))('of version %i become those of a new store', (done) => {
    const old = new Database(path);
    for (const migration of MIGRATIONS.slice(0, done)) old.exec(migration);
    old.pragma(`user_version = ${done}`);
    old.close();
    const upgraded = openDatabase(path);
    const fresh = openDatabase(join(dir, 'fresh.db'));
    expect(schemaOf(upgraded)).toEqual(schemaOf(fresh));
    upgraded.close();
    fresh.close();
  });
});
