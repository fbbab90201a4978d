// Before the tests: the release is made once, and unpacked once, as whoever installs it would find it.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder with the archive of the release, what is in it unpacked in `release`, a later one in `next`, and the actuators of the tests. */
    given: string;
  }
}

/** What is bundled may ask for modules of Node in the old way. */
const REQUIRE = "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);";

const ROOT = join(import.meta.dirname, '../..');

export function setup({ provide }: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'recorder-given-'));
  chmodSync(folder, 0o755); // also a dynamic user is to find what lies in it
  execFileSync(process.execPath, [join(ROOT, '.tools/release.ts'), '--out', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  const archive = readdirSync(folder).find((name) => name.endsWith('.tar.gz'));
  execFileSync('sh', ['-ec', 'mkdir release && tar xzf "$1" -C release --strip-components=1', 'sh', `${archive}`], {
    cwd: folder,
  });
  // As if it were the next one: other in its name alone.
  const next = [
    'cp -al release next && rm next/VERSION next/SHA256SUMS',
    "sed 's/ [0-9.]* / 9.9.9 /' release/VERSION > next/VERSION",
    "(grep -v '  VERSION$' release/SHA256SUMS; cd next; sha256sum VERSION) > next/SHA256SUMS",
  ];
  execFileSync('sh', ['-ec', next.join('\n')], { cwd: folder });
  execFileSync('cp', ['-r', join(ROOT, 'test/sandboxed/inside'), folder]);
  const actuators = ['agent', 'airlock'].map((name) => join(ROOT, `test/support/actuators/${name}.mjs`));
  const shared = { bundle: true, platform: 'node', format: 'esm', banner: { js: REQUIRE } } as const;
  buildSync({ ...shared, entryPoints: actuators, outdir: folder, outExtension: { '.js': '.mjs' } });
  provide('given', folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
