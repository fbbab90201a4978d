// The rules of the house, each a function from a tree of source files to what is wrong with it.

import { basename } from 'node:path';
import type { SourceFile } from './source-tree.ts';

/** From the ground up. A name with a slash is a room, without one a single file. */
export const FLOORS: readonly (readonly string[])[] = [
  ['errors.ts', 'log.ts', 'version.ts', 'notify.ts'],
  ['audit/', 'input/', 'sandbox/'],
  ['incident/'],
  ['store/', 'policy/', 'access/'],
  ['recorder/'],
  ['ledger/', 'delivery/'],
  ['observers/', 'config.ts'],
  ['http/', 'cli/'],
  ['house.ts'],
  ['main.ts', 'cli.ts', 'launch.ts'],
];

/** What may touch no file, socket, clock, chance or process, and import at run time only what may not either. */
const PURE = [
  ...['delivery/backoff.ts', 'delivery/breaker.ts', 'delivery/http-status.ts', 'delivery/outcome.ts', 'delivery/notice-event.ts'],
  ...[
    'sandbox/bounds.ts',
    'sandbox/calls.ts',
    'sandbox/in-force.ts',
    'sandbox/kernel-files.ts',
    'sandbox/profile.ts',
    'sandbox/seccomp.ts',
    'sandbox/settings.ts',
    'input/bounds.ts',
    'input/text.ts',
    'input/shape.ts',
    'audit/record.ts',
    'store/migrations.ts',
  ],
  ...['access/rate.ts', 'access/roles.ts', 'access/token.ts', 'errors.ts', 'version.ts'],
];
/** What reads the files of a policy. */
const READS_FILES = new Set(['policy/load.ts', 'policy/named-ports.ts', 'policy/secrets.ts']);
const isPure = (path: string) =>
  PURE.includes(path) || path.startsWith('incident/') || (path.startsWith('policy/') && !READS_FILES.has(path));

/** Packages that compute and do nothing else; of node:crypto only hashes. */
const PURE_PACKAGES: Record<string, readonly string[] | 'all'> = { zod: 'all', 'node:crypto': ['createHash', 'hash'] };

const IMPURE =
  /\b(?:Date\.now|Math\.random|process|performance|fetch|console|require|globalThis|queueMicrotask|setTimeout|setInterval|setImmediate|WebSocket|crypto)\b(?!\s*:)|\bnew Date\(\s*\)|(?<!new )\bDate\(|\bimport\s*\(|\beval\b/;

/** Each package has one place in the house. */
const PLACES: Record<string, RegExp> = {
  'better-sqlite3': /^store\//,
  hono: /^http\//,
  '@hono/node-server': /^http\//,
  yaml: /^input\//,
  commander: /^cli(\.ts$|\/)/,
};

const SQL =
  /\b(?:SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+(?:TABLE|INDEX|TRIGGER)|BEGIN\s+IMMEDIATE|PRAGMA\s+\w)/s;

const FORBIDDEN_NAMES = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'types', 'manager', 'service', 'impl', 'misc', 'shared']);
const MAX_LINES = 200;

function roomOf(path: string): string {
  return path.includes('/') ? `${path.split('/', 1)[0]}/` : path;
}

const floorOf = (path: string) => FLOORS.findIndex((floor) => floor.includes(roomOf(path)));

type Rule = (tree: readonly SourceFile[]) => string[];

/** A room imports only from floors below its own; `import type` counts. */
const stairsGoDown: Rule = (tree) =>
  tree.flatMap(({ path, imports }) => {
    if (floorOf(path) < 0) return [`${path} stands on no floor`];
    return imports.flatMap(({ of, own }) => {
      if (!own || roomOf(of) === roomOf(path)) return [];
      if (floorOf(of) < 0) return [`${path} imports ${of}, which stands on no floor`];
      return floorOf(of) < floorOf(path) ? [] : [`${path} (floor ${floorOf(path)}) imports ${of} (floor ${floorOf(of)})`];
    });
  });

/** Files import each other without circles, also inside a room; `import type` counts. */
const noCircles: Rule = (tree) => {
  const importsOf = new Map(tree.map(({ path, imports }) => [path, imports.filter(({ own }) => own).map(({ of }) => of)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (path: string, way: readonly string[]) => {
    if (way.includes(path)) return void circles.push([...way.slice(way.indexOf(path)), path].join(' → '));
    if (done.has(path)) return;
    for (const next of importsOf.get(path) ?? []) walk(next, [...way, path]);
    done.add(path);
  };
  for (const path of importsOf.keys()) walk(path, []);
  return circles;
};

const importsLeadSomewhere: Rule = (tree) => {
  const known = new Set(tree.map(({ path }) => path));
  return tree.flatMap(({ path, imports }) =>
    imports.filter(({ of, own }) => own && !known.has(of)).map(({ of }) => `${path} imports ${of}, which is not there`),
  );
};

const pureFilesTouchNothing: Rule = (tree) =>
  tree
    .filter(({ path }) => isPure(path))
    .flatMap(({ path, bare, imports }) => {
      const impure = IMPURE.exec(bare)?.[0];
      const wrong = imports.filter(({ of, own, type, names }) => {
        if (type) return false;
        if (own) return !isPure(of);
        const allowed = PURE_PACKAGES[of] ?? [];
        return allowed !== 'all' && (names.length === 0 || names.some((name) => !allowed.includes(name)));
      });
      return [...(impure ? [`${path} uses ${impure}`] : []), ...wrong.map(({ of }) => `${path} imports ${of}, which is not pure`)];
    });

/** Of the files that are held pure by name, each is there: a renamed one is not silently let go. */
const pureFilesAreThere: Rule = (tree) =>
  PURE.filter((pure) => !tree.some(({ path }) => path === pure)).map((path) => `${path} is not there`);

const everyFileSaysWhatItIs: Rule = (tree) =>
  tree.filter(({ text }) => !/^\/\/ (?=\S)[^\n]{20,}[.:]\n/.test(text)).map(({ path }) => `${path} does not open with a sentence`);

const namesAreGood: Rule = (tree) =>
  tree.flatMap(({ path }) => {
    const words = path.replace(/\.ts$/, '').split(/[/-]/);
    const bad = words.find((word) => FORBIDDEN_NAMES.has(word));
    if (bad) return [`${path} is called ${bad}, which says nothing`];
    return path.split('/').every((part) => /^[a-z0-9]+(-[a-z0-9]+)*(\.ts)?$/.test(part)) ? [] : [`${path} is not in kebab-case`];
  });

const noDefaultExports: Rule = (tree) =>
  tree.filter(({ bare }) => /\bexport\s+default\b|\bas\s+default\b/.test(bare)).map(({ path }) => `${path} has a default export`);

/** A file that only hands on what others export. The catalogue of a folder of plugs lists them in a table, which is more than that. */
const noBarrels: Rule = (tree) =>
  tree.flatMap(({ path, bare }) => {
    if (/\bexport\s*\*/.test(bare)) return [`${path} exports all of another file`];
    const rest = bare.replaceAll(/\bexport\s+(type\s+)?\{[^}]*\}\s+from\s+;?/g, '').replaceAll(/\bimport\s[^;]*;/g, '');
    return rest.trim() === '' || (basename(path) === 'index.ts' && !/\bexport\s+const\b/.test(bare)) ? [`${path} is a barrel`] : [];
  });

const sqlStaysInTheCellar: Rule = (tree) =>
  tree.filter(({ path, code }) => !path.startsWith('store/') && SQL.test(code)).map(({ path }) => `${path} holds SQL`);

const packagesHaveTheirPlace: Rule = (tree) =>
  tree.flatMap(({ path, imports }) =>
    imports.flatMap(({ of, own }) => {
      const name = of.split('/', of.startsWith('@') ? 2 : 1).join('/');
      const place = own ? undefined : PLACES[name];
      return place && !place.test(path) ? [`${path} imports ${of}`] : [];
    }),
  );

const filesAreShort: Rule = (tree) =>
  tree.flatMap(({ path, text }) => {
    const lines = text.replace(/\n$/, '').split('\n').length;
    return lines > MAX_LINES ? [`${path} has ${lines} lines; past ${MAX_LINES} a file is usually two`] : [];
  });

export const RULES = {
  stairsGoDown,
  noCircles,
  importsLeadSomewhere,
  pureFilesTouchNothing,
  pureFilesAreThere,
  everyFileSaysWhatItIs,
  namesAreGood,
  noDefaultExports,
  noBarrels,
  sqlStaysInTheCellar,
  packagesHaveTheirPlace,
  filesAreShort,
} as const;
