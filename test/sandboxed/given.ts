// What a box is given: the release, made once and unpacked once as whoever installs it would find it, and programs to probe it with.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

export interface Given extends Disposable {
  /** The archive of the release, what is in it in `release`, and the other folder under its own name. */
  readonly folder: string;
}

/** @param beside a folder of the checkout that is copied beside the release */
export function makeGiven(beside: string): Given {
  const folder = mkdtempSync(join(tmpdir(), 'recorder-given-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    chmodSync(folder, 0o755); // also a dynamic user is to find what lies in it
    execFileSync(process.execPath, [join(ROOT, '.tools/release.ts'), '--out', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    const archive = readdirSync(folder).find((name) => name.endsWith('.tar.gz'));
    execFileSync('sh', ['-ec', 'mkdir release && tar xzf "$1" -C release --strip-components=1', 'sh', `${archive}`], {
      cwd: folder,
    });
    execFileSync('cp', ['-r', join(ROOT, beside), folder]);
  } catch (error) {
    remove();
    throw error;
  }
  return { folder, [Symbol.dispose]: remove };
}
