// Makes the release: one archive with all that a host needs to run the recorder, and beside it the archive's SHA-256.

import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sumFiles, writeArchive } from './release/archive.ts';
import { bundle } from './release/bundle.ts';
import { makeCache } from './release/cache.ts';
import { licencesOf } from './release/licences.ts';
import { describeParts } from './release/sbom.ts';

// What is not the same bytes each time: cache/ (V8 keeps what happened to be compiled when it was written), and so SHA256SUMS. All else is, on
// one machine with one npm: sorted, dated by the last commit or SOURCE_DATE_EPOCH, owned by 0:0, and the gzip header tells neither name nor time.

const ROOT = join(import.meta.dirname, '..');
const began = performance.now();
const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'release') } } });
const out = resolve(values.out);

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const platform = `linux-${process.arch}`;
const name = `incident-recorder-${version}-${platform}`;
const date = dateOfSource();

const workshop = mkdtempSync(join(tmpdir(), 'incident-recorder-release-'));
try {
  const top = join(workshop, name);
  await fill(top);
  chmodSync(top, 0o755);
  sumFiles(top);
  mkdirSync(out, { recursive: true });
  const archive = join(out, `${name}.tar.gz`);
  const sha256 = await writeArchive(top, archive, date);
  writeFileSync(`${archive}.sha256`, `${sha256}  ${basename(archive)}\n`);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${archive}\n${(statSync(archive).size / 1e6).toFixed(1)} MB, made in ${seconds} s\nSHA-256 ${sha256}`);
} finally {
  rmSync(workshop, { recursive: true, force: true });
}

async function fill(top: string): Promise<void> {
  const lib = join(top, 'lib');
  const node = join(top, 'bin/node');
  for (const folder of ['bin', 'lib', 'policy', 'systemd']) mkdirSync(join(top, folder), { recursive: true });
  // Not stripped: the very file that the package of Node brings, so that its hash can be looked up.
  copyFileSync(join(ROOT, `node_modules/node-${platform}/bin/node`), node);
  const packages = await bundle(ROOT, lib);
  // Without it Node would read each file twice to find out that it is a module.
  writeFileSync(join(lib, 'package.json'), `${JSON.stringify({ name: 'incident-recorder', version, type: 'module' })}\n`);
  writeFileSync(join(lib, 'LICENSES.txt'), licencesOf(ROOT, [...packages, `node-${platform}`]));
  cpSync(join(ROOT, 'policy'), join(top, 'policy'), { recursive: true });
  cpSync(join(ROOT, 'systemd'), join(top, 'systemd'), { recursive: true });
  copyFileSync(join(ROOT, 'README.md'), join(top, 'README.md'));
  copyFileSync(join(ROOT, 'systemd/install.sh'), join(top, 'install.sh'));
  writeFileSync(join(top, 'VERSION'), `incident-recorder ${version} ${platform}\n`);
  writeFileSync(join(top, 'sbom.cdx.json'), describeParts(ROOT, node, date));
  await makeCache(top, flagsOfService());
}

function flagsOfService(): string[] {
  return execFileSync('sh', [join(ROOT, '.tools/launch.sh'), 'flags'], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);
}

/** In seconds since 1970. */
function dateOfSource(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given) return Number(given);
  try {
    return Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return Math.floor(statSync(join(ROOT, 'package.json')).mtimeMs / 1000); // an unpacked archive has no commits
  }
}
