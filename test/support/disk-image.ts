// A disk of its own in a file, with a file system that can lose its power: what was not yet written to the disk is gone then.

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface DiskImage extends Disposable {
  /** Where it is mounted. */
  readonly dir: string;
  /** Keeps what the disk holds this moment: not what the kernel still has in memory for it. Nothing may be writing. */
  hold(): void;
  /** The power is lost and comes back: the disk has what was held, and its journal is recovered. Nothing may have it open. */
  lose(): void;
}

export const NO_DISK_IMAGE = 'a disk image cannot be mounted here (it takes root, mkfs.ext4 and loop devices)';

/** Null where this process may not make or mount one: then say so with `skip`. */
export function openDiskImage(mib: number): DiskImage | null {
  const folder = mkdtempSync(join(tmpdir(), 'recorder-image-'));
  const [image, held, dir] = ['disk', 'held', 'mounted'].map((name) => join(folder, name)) as [string, string, string];
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: 'ignore' });
  // Only what is asked for by fsync is written while a test looks: the file system's own commit comes every 10 minutes.
  const mount = () => run('mount', '-o', 'loop,commit=600', image, dir);
  try {
    mkdirSync(dir);
    const fd = openSync(image, 'w');
    ftruncateSync(fd, mib * 1024 * 1024);
    closeSync(fd);
    run('mkfs.ext4', '-q', '-F', '-m', '0', image);
    mount();
  } catch {
    rmSync(folder, { recursive: true, force: true });
    return null;
  }
  return {
    dir,
    hold: () => copyFileSync(image, held, constants.COPYFILE_FICLONE),
    lose() {
      run('umount', dir);
      renameSync(held, image);
      mount();
    },
    [Symbol.dispose]() {
      run('umount', '-l', dir);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Stops a process in the middle of whatever it does; resolves when no thread of it is in the kernel any more. */
export async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const isStopped = (thread: string) => /\) [Tt] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
  while (!readdirSync(`/proc/${pid}/task`).every(isStopped)) await new Promise((resolve) => setTimeout(resolve, 1));
}
