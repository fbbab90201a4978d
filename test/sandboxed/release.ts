// Before the tests: what they are given is made once, for all of them.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { GIVEN_IN } from './box.ts';
import { makeGiven } from './given.ts';

/** What is bundled may ask for modules of Node in the old way. */
const REQUIRE = "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);";

const ROOT = join(import.meta.dirname, '../..');

/** Beside the release, as an archive and in `release`, a later one in `next`, the probe, and the actuators of the tests. */
export function setup(): () => void {
  const given = makeGiven('test/sandboxed/inside');
  // As if it were the next one: other in its name alone.
  const next = [
    'cp -al release next && rm next/VERSION next/SHA256SUMS',
    "sed 's/ [0-9.]* / 9.9.9 /' release/VERSION > next/VERSION",
    "(grep -v '  VERSION$' release/SHA256SUMS; cd next; sha256sum VERSION) > next/SHA256SUMS",
  ];
  execFileSync('sh', ['-ec', next.join('\n')], { cwd: given.folder });
  const actuators = ['agent', 'airlock'].map((name) => join(ROOT, `test/support/actuators/${name}.mjs`));
  const shared = { bundle: true, platform: 'node', format: 'esm', banner: { js: REQUIRE } } as const;
  buildSync({ ...shared, entryPoints: actuators, outdir: given.folder, outExtension: { '.js': '.mjs' } });
  process.env[GIVEN_IN] = given.folder; // whoever runs the tests is started after this
  return () => given[Symbol.dispose]();
}
