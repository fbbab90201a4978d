// The programs as bundles: one file for each that serves; the operator's command in pieces, of which each subcommand loads its own.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, type Plugin, build } from 'esbuild';

const REQUIRE = "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);";

/** @returns the names of the packages that are in the bundles */
export async function bundle(root: string, lib: string): Promise<string[]> {
  const entry = (program: string) => join(root, 'src', `${program}.ts`);
  const shared: BuildOptions = {
    absWorkingDir: root,
    outdir: lib,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    charset: 'utf8',
    // Names and lines stay as they are: minified it starts no sooner and takes no less memory, and a stack trace would tell nothing.
    banner: { js: REQUIRE },
    // The entry of better-sqlite3 that names its binary, so that the other platforms' and the sources stay out.
    alias: { 'better-sqlite3': `better-sqlite3/linux-${process.arch}` },
    loader: { '.node': 'copy' },
    assetNames: 'better_sqlite3',
    plugins: [leanZod, leanBuiltins],
    metafile: true,
    logLevel: 'warning',
  };
  const services = ['main', 'launch'].filter((program) => program === 'main' || existsSync(entry(program)));
  const built = [
    await build({ ...shared, entryPoints: services.map(entry) }),
    await build({ ...shared, entryPoints: [entry('cli')], splitting: true, chunkNames: 'cli/[name]-[hash]' }),
  ];
  const inputs = built.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
  const packages = inputs.map((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]);
  return [...new Set(packages.filter((name) => name !== undefined))].toSorted();
}

/** `import { z }` brings all of zod with its 50 languages, `import * as z` what is used of it: 0.5 MB of text and 3 MB of memory less. */
const leanZod: Plugin = {
  name: 'lean-zod',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return { loader: 'ts', contents: text.replace("import { z } from 'zod';", "import * as z from 'zod';") };
    }),
};

/**
 * `import … from 'node:http'` reads every export there is, and some are getters that load what nobody asked for: all of undici, under --jitless
 * a fifth of the CPU of a start. Taken as an object, the module gives what is asked of it.
 */
const leanBuiltins: Plugin = {
  name: 'lean-builtins',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^node:/ }, ({ path, kind }) => (kind === 'import-statement' ? { path, namespace: 'builtin' } : null));
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
      const properties = Object.entries(Object.getOwnPropertyDescriptors(process.getBuiltinModule(path) as object));
      const names = properties.flatMap(([name, { get }]) =>
        get === undefined && /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default' ? [name] : [],
      );
      return {
        contents: `const it = process.getBuiltinModule('${path}');\nexport default it;\nexport const { ${names.join(', ')} } = it;\n`,
      };
    });
  },
};
