// The reserve holds real blocks, frees them at once, and knows after any restart whether it has given some up.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Reserve, openReserve } from '../../src/store/reserve.ts';
import { NO_DISK_IMAGE, openDiskImage } from '../support/disk-image.ts';
import { openFolder } from '../support/folder.ts';
import { NO_SMALL_DISK, openSmallDisk } from '../support/small-disk.ts';

const KIB = 1024;
const PIECE = 256 * KIB;

function build(reserve: Reserve): number {
  let pieces = 0;
  while (reserve.grow()) pieces += 1;
  return pieces;
}

describe('the reserve', () => {
  it('is built piece by piece, of blocks that hold what cannot be compressed, and readable by nobody else', () => {
    using folder = openFolder();
    const file = join(folder.path, 'reserve');
    const reserve = openReserve(file, 1000 * KIB);
    expect([existsSync(file), reserve.held, reserve.owed]).toEqual([false, 0, 0]);
    expect(build(reserve)).toBe(4);
    const { size, blocks, mode } = statSync(file);
    expect([size, mode & 0o777]).toEqual([1000 * KIB, 0o600]);
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
    expect(gzipSync(readFileSync(file)).length).toBeGreaterThan(size * 0.99);
    expect([reserve.held, reserve.owed]).toEqual([1000 * KIB, 0]);
  });

  it('is given up piece by piece from its end, to its first block', () => {
    using folder = openFolder();
    const file = join(folder.path, 'reserve');
    const reserve = openReserve(file, 600 * KIB);
    build(reserve);
    const sizes: number[] = [];
    while (reserve.giveUp()) sizes.push(statSync(file).size / KIB);
    expect(sizes).toEqual([344, 88, 4]);
    expect([reserve.held, reserve.owed]).toEqual([4 * KIB, 596 * KIB]);
    expect(build(reserve)).toBe(3);
    expect([reserve.held, reserve.owed]).toEqual([600 * KIB, 0]);
  });

  it('that gave some up knows it at the next start; one that was not yet built has nothing to get back', () => {
    using folder = openFolder();
    const file = join(folder.path, 'reserve');
    const first = openReserve(file, 1000 * KIB);
    for (let i = 0; i < 2; i += 1) first.grow();
    expect(openReserve(file, 1000 * KIB)).toMatchObject({ held: 2 * PIECE, owed: 0 });
    first.giveUp();
    expect(openReserve(file, 1000 * KIB)).toMatchObject({ held: PIECE, owed: PIECE });
    const again = openReserve(file, 1000 * KIB);
    again.grow();
    expect(again.owed).toBe(0);
    build(again);
    expect(openReserve(file, 1000 * KIB)).toMatchObject({ held: 1000 * KIB, owed: 0 });
  });

  it('follows its size when that is changed: a larger one is built, a smaller one cut, and of size 0 there is none', () => {
    using folder = openFolder();
    const file = join(folder.path, 'reserve');
    build(openReserve(file, 600 * KIB));
    const larger = openReserve(file, 900 * KIB);
    expect(larger.owed).toBe(0);
    build(larger);
    expect(statSync(file).size).toBe(900 * KIB);
    const smaller = openReserve(file, 300 * KIB);
    expect([build(smaller), smaller.held, smaller.owed]).toEqual([0, 300 * KIB, 0]);
    expect(openReserve(file, 300 * KIB)).toMatchObject({ held: 300 * KIB, owed: 0 });
    const none = openReserve(file, 0);
    expect([build(none), none.held, none.owed, none.giveUp()]).toEqual([0, 0, 0, false]);
    expect(existsSync(file)).toBe(false);
  });

  it('goes on when somebody has removed, cut or overwritten its file', () => {
    using folder = openFolder();
    const file = join(folder.path, 'reserve');
    const reserve = openReserve(file, 600 * KIB);
    build(reserve);
    truncateSync(file, 10);
    expect(build(reserve)).toBe(3);
    expect(statSync(file).size).toBe(600 * KIB);
    writeFileSync(file, 'mine');
    expect(openReserve(file, 600 * KIB)).toMatchObject({ held: 4, owed: 0 });
    expect(build(reserve)).toBe(3);
    expect(openReserve(file, 600 * KIB)).toMatchObject({ held: 600 * KIB, owed: 0 });
  });
});

describe('on a small disk the reserve', () => {
  it('is built only as far as it leaves as much to others, and frees a whole piece the moment it is given up', ({ skip }) => {
    using disk = openSmallDisk(8 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    const reserve = openReserve(join(disk.dir, 'reserve'), 64 * KIB * KIB);
    build(reserve);
    expect(reserve.held).toBe(4 * KIB * KIB);
    expect(reserve.owed).toBe(0);
    disk.fill();
    const file = openSync(join(disk.dir, 'else'), 'w');
    expect(() => writeSync(file, Buffer.alloc(4 * KIB))).toThrow('ENOSPC');
    expect(reserve.grow()).toBe(false);
    expect(reserve.giveUp()).toBe(true);
    expect(writeSync(file, Buffer.alloc(PIECE))).toBe(PIECE);
    expect(() => writeSync(file, Buffer.alloc(4 * KIB))).toThrow('ENOSPC');
    closeSync(file);
  });

  it('frees a whole piece at once also where the disk is ext4, which lends freed blocks out again only after a commit', ({ skip }) => {
    using disk = openDiskImage(16);
    if (!disk) return skip(NO_DISK_IMAGE);
    const reserve = openReserve(join(disk.dir, 'reserve'), 1000 * KIB);
    build(reserve);
    const file = openSync(join(disk.dir, 'else'), 'w');
    const fill = (bytes: number) => {
      for (let done = 0; done < bytes; done += 4 * KIB) writeSync(file, Buffer.alloc(4 * KIB));
      fsyncSync(file);
    };
    expect(() => fill(Infinity)).toThrow('ENOSPC');
    expect(reserve.giveUp()).toBe(true);
    fill(PIECE - 8 * KIB);
    expect(() => fill(4 * PIECE)).toThrow('ENOSPC');
    closeSync(file);
  });

  it('takes back what it gave up as soon as a little more than that is free, and no sooner', ({ skip }) => {
    using disk = openSmallDisk(8 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    const reserve = openReserve(join(disk.dir, 'reserve'), 2 * KIB * KIB);
    build(reserve);
    disk.fill();
    reserve.giveUp();
    disk.fill(1000 * KIB);
    expect([reserve.grow(), reserve.owed]).toEqual([false, PIECE]);
    disk.fill(1300 * KIB);
    expect([reserve.grow(), reserve.owed]).toEqual([true, 0]);
  });
});
