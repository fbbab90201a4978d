// A release that is small: laid out as a real one is, with the real installer, and programs that do next to nothing.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

export interface ReleaseOptions {
  version?: string;
  platform?: string;
  /** What the release is of besides, or instead: text by path. */
  files?: Record<string, string>;
}

/** @returns the folder, which is `at` */
export function writeRelease(
  at: string,
  { version = '1.0.0', platform = `linux-${process.arch}`, files = {} }: ReleaseOptions = {},
): string {
  const texts = {
    VERSION: `incident-recorder ${version} ${platform}\n`,
    'bin/node': `#!/bin/sh\nexec '${process.execPath}' "$@"\n`,
    'lib/main.js': `// ${version}\n`,
    'lib/cli.js': 'console.log(process.argv.slice(2).join(), process.env.NODE_COMPILE_CACHE);\n',
    'lib/cli/verify.js': '//\n',
    'lib/package.json': '{"type":"module"}\n',
    'cache/v0/abc': 'compiled\n',
    'policy/incident-containment.yaml': `# ${version}\nversion: 1\n`,
    'systemd/incident-recorder.service': '[Service]\nExecStart=/usr/lib/incident-recorder/bin/node\n',
    'systemd/incident-recorder.socket': '[Socket]\nListenStream=127.0.0.1:8515\n',
    'systemd/socket-activated.conf': '[Unit]\nRequires=incident-recorder.socket\n',
    'systemd/seccomp.json': '{}\n',
    'README.md': '# It\n',
    'sbom.cdx.json': '{}\n',
    ...files,
  };
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(at, path)), { recursive: true });
    writeFileSync(join(at, path), text);
  }
  copyFileSync(join(ROOT, 'systemd/incident-recorder.tmpfiles'), join(at, 'systemd/incident-recorder.tmpfiles'));
  copyFileSync(join(ROOT, 'systemd/install.sh'), join(at, 'install.sh'));
  copyFileSync(join(ROOT, `node_modules/better-sqlite3/prebuilds/linux-${process.arch}.node`), join(at, 'lib/better_sqlite3.node'));
  chmodSync(join(at, 'bin/node'), 0o755);
  writeSums(at);
  return at;
}

export function writeSums(release: string): void {
  const lines = Object.entries(treeBelow(release))
    .filter(([path, { sha256 }]) => sha256 !== '' && path !== 'SHA256SUMS')
    .map(([path, { sha256 }]) => `${sha256}  ${path}\n`);
  writeFileSync(join(release, 'SHA256SUMS'), lines.join(''));
}

export interface Ended {
  code: number | null;
  output: string;
  errors: string;
}

export function install(release: string, ...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync('sh', [join(release, 'install.sh'), ...args], { encoding: 'utf8' });
  return { code: status, output: stdout, errors: stderr };
}

export interface Entry {
  mode: string;
  owner: string;
  /** Empty of a folder. */
  sha256: string;
}

/** All below a folder, by path. */
export function treeBelow(folder: string): Record<string, Entry> {
  const paths = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted() : [];
  return Object.fromEntries(
    paths.map((path) => {
      const full = join(folder, path);
      const status = lstatSync(full);
      const sha256 = status.isFile() ? createHash('sha256').update(readFileSync(full)).digest('hex') : '';
      return [path, { mode: (status.mode & 0o7777).toString(8).padStart(4, '0'), owner: `${status.uid}:${status.gid}`, sha256 }];
    }),
  );
}
