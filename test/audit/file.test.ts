// The audit log as a file: whole lines or none, on a disk that is full as on one that is not.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LogFile, openLogFile } from '../../src/audit/file.ts';
import { NO_SMALL_DISK, openSmallDisk } from '../support/small-disk.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  path = join(dir, 'audit.jsonl');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function using<T>(at: string, work: (file: LogFile) => T): T {
  const file = openLogFile(at);
  try {
    return work(file);
  } finally {
    file.close();
  }
}

describe('the log file', () => {
  it('is made where there is none, readable by owner and group only, whatever the umask', () => {
    const umask = process.umask(0);
    try {
      using(path, (file) => expect(file.size).toBe(0));
    } finally {
      process.umask(umask);
    }
    expect(statSync(path).mode & 0o7777).toBe(0o640);
  });

  it('closes what an earlier installation left open to everyone', () => {
    writeFileSync(path, 'a\n', { mode: 0o666 });
    using(path, (file) => expect(file.size).toBe(2));
    expect(statSync(path).mode & 0o7777).toBe(0o640);
  });

  it('appends behind what is there, and knows its size', () => {
    writeFileSync(path, 'one\n');
    using(path, (file) => {
      file.append('two\nthrée\n');
      expect(file.size).toBe(Buffer.byteLength('one\ntwo\nthrée\n'));
      file.syncNow();
    });
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\nthrée\n');
  });

  it('drops what stands behind a size that it is cut to, and goes on from there', () => {
    using(path, (file) => {
      file.append('one\ntwo\nthr');
      file.cut(4);
      expect(file.size).toBe(4);
      file.append('three\n');
    });
    expect(readFileSync(path, 'utf8')).toBe('one\nthree\n');
  });

  it('is not opened through a symbolic link', () => {
    writeFileSync(join(dir, 'elsewhere'), 'mine\n');
    symlinkSync(join(dir, 'elsewhere'), path);
    expect(() => openLogFile(path)).toThrow('ELOOP');
    expect(readFileSync(join(dir, 'elsewhere'), 'utf8')).toBe('mine\n');
  });

  it('is refused, untouched, where something stands that is no file', () => {
    execFileSync('mkfifo', ['-m', '0644', path]);
    expect(() => openLogFile(path)).toThrow('not a regular file');
    expect(statSync(path).mode & 0o7777).toBe(0o644);
    mkdirSync(join(dir, 'folder'));
    expect(() => openLogFile(join(dir, 'folder'))).toThrow(/EISDIR|not a regular file/);
  });
});

describe('lines of the log file', () => {
  it('are found by the offset at which they end, and only there', () => {
    writeFileSync(path, 'one\n\ntwö\ntorn');
    using(path, (file) => {
      expect(file.lineEndingAt(4)).toBe('one');
      expect(file.lineEndingAt(5)).toBe('');
      expect(file.lineEndingAt(10)).toBe('twö');
      expect([0, 3, 6, 9, 14, 15].map((offset) => file.lineEndingAt(offset))).toEqual([null, null, null, null, null, null]);
    });
  });

  it('are read whole from an offset on, and a torn one not at all', () => {
    writeFileSync(path, 'one\ntwö\n\nfour\ntorn');
    using(path, (file) => {
      expect([...file.linesFrom(4)]).toEqual([
        { line: 'twö', end: 9 },
        { line: '', end: 10 },
        { line: 'four', end: 15 },
      ]);
      expect([...file.linesFrom(15)]).toEqual([]);
      expect([...file.linesFrom(99)]).toEqual([]);
    });
  });

  it('of any length up to the bound come back as they were appended, from both ends', () => {
    const line = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'é', '𝒳') }),
      fc.nat(200_000).map((n) => 'x'.repeat(n)),
      fc.constantFrom(65_534, 65_535, 65_536, 65_537, 131_072).map((n) => 'y'.repeat(n)),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        rmSync(path, { force: true });
        using(path, (file) => {
          for (const each of lines) file.append(`${each}\n`);
          const read = [...file.linesFrom(0)];
          expect(read.map((each) => each.line)).toEqual(lines);
          expect(read.map(({ end }) => file.lineEndingAt(end))).toEqual(lines);
          expect(read.at(-1)?.end ?? 0).toBe(file.size);
        });
      }),
      { numRuns: 40 },
    );
  });
});

describe('on a disk that is full', () => {
  it('what does not fit whole is cut back, so that the file always ends in a whole line, and goes in once there is room', ({ skip }) => {
    using disk = openSmallDisk(1024);
    if (!disk) return skip(NO_SMALL_DISK);
    const log = join(disk.dir, 'audit.jsonl');
    const line = `${'x'.repeat(9_999)}\n`;
    using(log, (file) => {
      file.append(line);
      disk.fill(8192);
      expect(() => file.append(line.repeat(10))).toThrow('ENOSPC');
      expect(file.size).toBe(line.length);
      expect(readFileSync(log, 'utf8')).toBe(line);
      disk.free();
      file.append('after\n');
    });
    expect(readFileSync(log, 'utf8')).toBe(`${line}after\n`);
  });
});
