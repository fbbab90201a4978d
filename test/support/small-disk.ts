// A disk of a few hundred KiB that can be filled for real. It takes root and the right to mount.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk extends Disposable {
  readonly dir: string;
  /** Takes all that is free but `spare` bytes (whole pages of 4 KiB). */
  fill(spare?: number): void;
  /** Gives back what `fill` took. */
  free(): void;
  /** Makes it larger, as an operator would who gives it more room. */
  grow(kib: number): void;
}

/** Null where this process may not mount: then say so with `skip`, so that the run tells what nobody knows. */
export function openSmallDisk(kib: number): SmallDisk | null {
  const dir = mkdtempSync(join(tmpdir(), 'recorder-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k,mode=0755`, 'none', dir], { stdio: 'ignore' });
  } catch {
    rmSync(dir, { recursive: true, force: true });
    return null;
  }
  const ballast = join(dir, 'ballast');
  const free = () => rmSync(ballast, { force: true });
  return {
    dir,
    free,
    grow: (size) => void execFileSync('mount', ['-o', `remount,size=${size}k`, dir], { stdio: 'ignore' }),
    fill(spare = 0) {
      free();
      const { bavail, bsize } = statfsSync(dir);
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - spare)));
    },
    [Symbol.dispose]() {
      execFileSync('umount', ['-l', dir]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export const NO_SMALL_DISK = 'a small disk cannot be mounted here (it takes root)';
