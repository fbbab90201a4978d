// Before the tests: the release is made once, and unpacked once, as whoever installs it would find it.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder in which the release lies unpacked, in `release`. */
    given: string;
  }
}

const ROOT = join(import.meta.dirname, '../..');

export function setup({ provide }: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'recorder-given-'));
  chmodSync(folder, 0o755); // also a dynamic user is to find what lies in it
  execFileSync(process.execPath, [join(ROOT, '.tools/release.ts'), '--out', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  const archive = readdirSync(folder).find((name) => name.endsWith('.tar.gz'));
  execFileSync('sh', ['-ec', 'mkdir release && tar xzf "$1" -C release --strip-components=1 && rm "$1"', 'sh', `${archive}`], {
    cwd: folder,
  });
  execFileSync('cp', [
    '-r',
    join(ROOT, 'test/sandboxed/inside'),
    join(ROOT, 'test/support/actuators'),
    join(ROOT, 'test/fixtures'),
    folder,
  ]);
  provide('given', folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
