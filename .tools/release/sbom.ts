// What the release is made of, as CycloneDX: npm's list of the packages, with Node and SQLite as what they are.

import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';

interface Component {
  'bom-ref': string;
  type: string;
  name: string;
  version: string;
  purl: string;
  cpe?: string;
  hashes?: { alg: string; content: string }[];
  licenses?: { license: { id?: string; name?: string } }[];
}
interface Bom {
  serialNumber: string;
  metadata: { timestamp: string; component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

/**
 * @param node the binary that is released
 * @param date in seconds since 1970
 */
export function describeParts(root: string, node: string, date: number): string {
  const bom = listPackages(root);
  const runtime = componentOfNode(node);
  const sqlite = componentOfSqlite();
  const bundled = (ref: string) => ref.startsWith('node-linux-');

  bom.metadata.timestamp = new Date(date * 1000).toISOString();
  bom.metadata.component.type = 'application';
  bom.metadata.component.name = 'incident-recorder';
  bom.components = [...bom.components.filter(({ name }) => !bundled(name)), runtime, sqlite];
  bom.dependencies = bom.dependencies
    .filter(({ ref }) => !bundled(ref))
    .map(({ ref, dependsOn }) => ({
      ref,
      dependsOn: dependsOn.some(bundled) ? [...dependsOn.filter((each) => !bundled(each)), runtime['bom-ref']] : dependsOn,
    }));
  for (const { ref, dependsOn } of bom.dependencies) if (ref.startsWith('better-sqlite3@')) dependsOn.push(sqlite['bom-ref']);
  bom.dependencies.push({ ref: runtime['bom-ref'], dependsOn: [] }, { ref: sqlite['bom-ref'], dependsOn: [] });

  // npm draws it by lot; of the content, the same release has the same.
  bom.serialNumber = '';
  const [a, b, c, d, e] = /^(.{8})(.{4}).(.{3}).(.{3})(.{12})/.exec(hash('sha256', JSON.stringify(bom)))?.slice(1) ?? [];
  bom.serialNumber = `urn:uuid:${a}-${b}-8${c}-8${d}-${e}`;
  return `${JSON.stringify(bom, null, 2)}\n`;
}

/** `npm sbom --omit=dev` leaves out direct dependencies: it is asked in a copy that never had others. The lock tells all, so it needs no network. */
function listPackages(root: string): Bom {
  const copy = mkdtempSync(join(tmpdir(), 'incident-recorder-sbom-'));
  try {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
    delete manifest['devDependencies'];
    writeFileSync(join(copy, 'package.json'), JSON.stringify(manifest));
    for (const file of ['package-lock.json', '.npmrc']) copyFileSync(join(root, file), join(copy, file));
    const npm = (...args: string[]) =>
      execFileSync('npm', [...args, '--package-lock-only', '--loglevel=error'], { cwd: copy, encoding: 'utf8', maxBuffer: 2 ** 26 });
    npm('install', '--ignore-scripts', '--omit=dev', '--prefer-offline');
    return JSON.parse(npm('sbom', '--sbom-format', 'cyclonedx')) as Bom;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function componentOfNode(node: string): Component {
  const version = execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim();
  return {
    'bom-ref': `node@${version}`,
    type: 'platform',
    name: 'node',
    version,
    purl: `pkg:generic/node@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    hashes: [{ alg: 'SHA-256', content: hash('sha256', readFileSync(node)) }],
    licenses: [{ license: { id: 'MIT' } }],
  };
}

function componentOfSqlite(): Component {
  const db = new Database(':memory:');
  const version = String(db.prepare('SELECT sqlite_version()').pluck().get());
  db.close();
  return {
    'bom-ref': `sqlite@${version}`,
    type: 'library',
    name: 'sqlite',
    version,
    purl: `pkg:generic/sqlite@${version}`,
    cpe: `cpe:2.3:a:sqlite:sqlite:${version}:*:*:*:*:*:*:*`,
    licenses: [{ license: { id: 'blessing' } }],
  };
}
