// The rules of the house, held: on the real tree they find nothing, and on a made-up one what is planted there.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SOFTWARE, VERSION } from '../src/version.ts';
import { FLOORS, RULES } from './support/house-rules.ts';
import { type Import, readTree, treeOf } from './support/source-tree.ts';

const ROOT = join(import.meta.dirname, '..');
const tree = readTree(join(ROOT, 'src'));

describe('the house', () => {
  it('is read whole: every file is there, with what it imports', () => {
    expect(tree.length).toBeGreaterThan(70);
    const main = tree.find(({ path }) => path === 'main.ts');
    expect(main?.imports.map(({ of }) => of)).toEqual(expect.arrayContaining(['config.ts', 'errors.ts', 'house.ts', 'log.ts']));
    const words = tree.reduce((sum, { bare }) => sum + (bare.match(/^\s*import\b|\bimport\(/gm)?.length ?? 0), 0);
    const found = tree.reduce((sum, { code, imports }) => sum + imports.length - (code.match(/^export\b[^;]*?\bfrom '/gm)?.length ?? 0), 0);
    expect(found).toBe(words);
  });

  it.each<[string, keyof typeof RULES]>([
    ['imports only what is there', 'importsLeadSomewhere'],
    ['has stairs that only lead down, and no door between rooms of one floor', 'stairsGoDown'],
    ['has no circles', 'noCircles'],
    ['has pure files that touch no file, socket, clock, chance or process', 'pureFilesTouchNothing'],
    ['has every file that is promised to be pure', 'pureFilesAreThere'],
    ['says at the head of every file what the file is', 'everyFileSaysWhatItIs'],
    ['gives files names that mean something, in kebab-case', 'namesAreGood'],
    ['exports nothing by default', 'noDefaultExports'],
    ['has no barrels', 'noBarrels'],
    ['keeps SQL in the cellar', 'sqlStaysInTheCellar'],
    ['has one place for each package', 'packagesHaveTheirPlace'],
    ['has files of at most 200 lines', 'filesAreShort'],
  ])('%s', (_, rule) => {
    expect(RULES[rule](tree)).toEqual([]);
  });

  it('has the floors that its plan draws', () => {
    const plan = readFileSync(join(ROOT, 'src/README.md'), 'utf8');
    const [, picture = ''] = /## The floors\n```\n([\s\S]*?)```/.exec(plan) ?? [];
    const drawn = picture
      .trim()
      .split('\n')
      .map((line) => line.match(/[a-z]+(?:\/|\.ts)/g)?.toSorted());
    expect(drawn.toReversed()).toEqual(FLOORS.map((floor) => floor.toSorted()));
  });

  it('has the version of its package', () => {
    const { name, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { name: string; version: string };
    expect(VERSION).toBe(version);
    expect(SOFTWARE).toBe(`${name} ${version}`);
  });
});

describe('a planted fault is found', () => {
  const HEAD = '// Something that is made up for a test.\n';
  const find = (rule: keyof typeof RULES, files: Record<string, string>) =>
    RULES[rule](treeOf(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, `${HEAD}${text}`]))));

  it.each([
    ['up the stairs', 'policy/a.ts', "import { b } from '../recorder/b.ts';", 'policy/a.ts (floor 3) imports recorder/b.ts (floor 4)'],
    ['beside', 'policy/a.ts', "import { b } from '../store/b.ts';", 'policy/a.ts (floor 3) imports store/b.ts (floor 3)'],
    [
      'between doors',
      'http/routes/a.ts',
      "import { b } from '../../cli/verify.ts';",
      'http/routes/a.ts (floor 7) imports cli/verify.ts (floor 7)',
    ],
    ['by type only', 'incident/a.ts', "import type { B } from '../policy/b.ts';", 'incident/a.ts (floor 2) imports policy/b.ts (floor 3)'],
    ['by handing on', 'input/a.ts', "export { b } from '../incident/b.ts';", 'input/a.ts (floor 1) imports incident/b.ts (floor 2)'],
    [
      'when it is needed',
      'input/a.ts',
      "const b = await import('../incident/b.ts');",
      'input/a.ts (floor 1) imports incident/b.ts (floor 2)',
    ],
    ['for its effect', 'input/a.ts', "import '../incident/b.ts';", 'input/a.ts (floor 1) imports incident/b.ts (floor 2)'],
    [
      'in several lines',
      'input/a.ts',
      "import {\n  a,\n  type B,\n} from '../incident/b.ts';",
      'input/a.ts (floor 1) imports incident/b.ts (floor 2)',
    ],
    ['in a type', 'input/a.ts', "type B = import('../incident/b.ts').B;", 'input/a.ts (floor 1) imports incident/b.ts (floor 2)'],
    [
      'of a room that is new',
      'input/a.ts',
      "import { b } from '../cellar/b.ts';",
      'input/a.ts imports cellar/b.ts, which stands on no floor',
    ],
  ])('an import %s', (_, path, text, fault) => {
    expect(find('stairsGoDown', { [path]: text })).toEqual([fault]);
  });

  it('a file that stands on no floor', () => {
    expect(find('stairsGoDown', { 'cellar/a.ts': '', 'other.ts': '' })).toEqual([
      'cellar/a.ts stands on no floor',
      'other.ts stands on no floor',
    ]);
  });

  it('nothing where stairs lead down, within a room, to a package, or only in words', () => {
    const text = [
      "import { b } from '../incident/b.ts';",
      "import type { C } from './c.ts';",
      "import { z } from 'zod';",
      "// import { r } from '../recorder/r.ts';",
      "/* import { r } from '../recorder/r.ts'; */",
      'const said = "import { r } from \'../recorder/r.ts\'";',
      "const shown = `import { r } from '../recorder/r.ts'`;",
    ];
    expect(find('stairsGoDown', { 'policy/a.ts': text.join('\n') })).toEqual([]);
  });

  it('a circle of two and of three, by type too', () => {
    const a = "import { b } from './b.ts';";
    expect(find('noCircles', { 'store/a.ts': a, 'store/b.ts': "import type { A } from './a.ts';" })).toEqual([
      'store/a.ts → store/b.ts → store/a.ts',
    ]);
    expect(find('noCircles', { 'store/a.ts': a, 'store/b.ts': "import './c.ts';", 'store/c.ts': "import './a.ts';" })).toHaveLength(1);
    expect(
      find('noCircles', { 'store/a.ts': a, 'store/b.ts': "import './c.ts';", 'store/c.ts': '', 'store/d.ts': "import './a.ts';" }),
    ).toEqual([]);
  });

  it('an import that leads nowhere', () => {
    expect(find('importsLeadSomewhere', { 'store/a.ts': "import { b } from './b.ts';" })).toEqual([
      'store/a.ts imports store/b.ts, which is not there',
    ]);
    expect(find('importsLeadSomewhere', { 'store/a.ts': "import { b } from './b';", 'store/b.ts': '' })).toHaveLength(1);
  });

  it.each([
    ['const at = Date.now();', 'uses Date.now'],
    ['const at = new Date();', 'uses new Date()'],
    ['const at = new Date( );', 'uses new Date( )'],
    ['const at = Date();', 'uses Date('],
    ['const n = Math.random();', 'uses Math.random'],
    ["const home = process.env['HOME'];", 'uses process'],
    ['const t = performance.now();', 'uses performance'],
    ['const t = `${Date.now()}`;', 'uses Date.now'],
    ['const t = `${`a${process.pid}`}b`;', 'uses process'],
    ['setTimeout(() => {}, 1);', 'uses setTimeout'],
    ["console.log('x');", 'uses console'],
    ["const fs = require('node:fs');", 'uses require'],
    ['const id = crypto.randomUUID();', 'uses crypto'],
    ['const quote = /[\'"]/; const at = Date.now();', 'uses Date.now'],
    ["import { readFileSync } from 'node:fs';", 'imports node:fs, which is not pure'],
    ["import { createHash, randomBytes } from 'node:crypto';", 'imports node:crypto, which is not pure'],
    ["import * as crypt from 'node:crypto';", 'imports node:crypto, which is not pure'],
    ["import { hostname } from 'node:os';", 'imports node:os, which is not pure'],
    ["import { load } from './load.ts';", 'imports policy/load.ts, which is not pure'],
    ["import { type A, load } from './load.ts';", 'imports policy/load.ts, which is not pure'],
    ["export { load } from './load.ts';", 'imports policy/load.ts, which is not pure'],
    ["import { a } from 'left-pad';", 'imports left-pad, which is not pure'],
  ])('a pure file with %j', (text, fault) => {
    expect(find('pureFilesTouchNothing', { 'policy/decide.ts': text })).toEqual([`policy/decide.ts ${fault}`]);
  });

  it('nothing in a pure file that hashes, takes a clock as an argument, or only speaks of one', () => {
    const text = [
      "import { createHash, hash } from 'node:crypto';",
      "import { z } from 'zod';",
      "import type { Load } from './load.ts';",
      "import { type Load as L } from './load.ts';",
      "import { dedupe } from './dedupe.ts';",
      '/** @param monotonic such as performance.now() */',
      'const iso = (instant: string) => new Date(instant).toISOString();',
      "const at = Date.parse('2026-03-13'); // not Date.now()",
      "const words = 'Date.now() and process.env';",
      'const shown = `process ${at} performance`;',
      'const pattern = /process|Math.random/; const unquoted = /["\'`]/;',
      "const row = { process: 'a', crypto: 'b' };",
    ];
    expect(find('pureFilesTouchNothing', { 'policy/decide.ts': text.join('\n') })).toEqual([]);
    expect(find('pureFilesTouchNothing', { 'policy/load.ts': 'const at = Date.now();' }), 'what need not be pure').toEqual([]);
  });

  it('a pure file that was renamed', () => {
    expect(find('pureFilesAreThere', {})).toContain('access/rate.ts is not there');
  });

  it.each([
    ['no comment', "import { a } from './a.ts';\n"],
    ['a block', '/* A sentence about what this file is. */\n'],
    ['no sentence', '// decide\n'],
    ['no end', '// What is done about a report, and why it is done\n'],
    ['an empty line before it', '\n// What is done about a report, and why it is done.\n'],
  ])('a file that opens with %s', (_, text) => {
    expect(RULES.everyFileSaysWhatItIs(treeOf({ 'policy/a.ts': text }))).toEqual(['policy/a.ts does not open with a sentence']);
  });

  it.each([
    'utils.ts',
    'store/helpers.ts',
    'common/a.ts',
    'policy/types.ts',
    'recorder/queue-manager.ts',
    'http/report-service.ts',
    'store/impl.ts',
  ])('the name %s', (path) => {
    expect(find('namesAreGood', { [path]: '' })[0]).toContain(`${path} is called`);
  });

  it.each(['builtIn.ts', 'policy/built_in.ts', 'Policy/load.ts', 'policy/load.test.ts'])('the name %s, which is no kebab-case', (path) => {
    expect(find('namesAreGood', { [path]: '' })).toEqual([`${path} is not in kebab-case`]);
  });

  it.each(['export default 1;', 'export default function f() {}', 'const a = 1; export { a as default };'])(
    'the default export %j',
    (text) => {
      expect(find('noDefaultExports', { 'a.ts': text })).toEqual(['a.ts has a default export']);
      expect(find('noDefaultExports', { 'a.ts': `// ${text}` })).toEqual([]);
    },
  );

  it('a barrel, whatever it is called', () => {
    expect(find('noBarrels', { 'store/index.ts': "export { a } from './a.ts';\nexport type { B } from './b.ts';" })).toEqual([
      'store/index.ts is a barrel',
    ]);
    expect(find('noBarrels', { 'store/all.ts': "export { a } from './a.ts';" })).toEqual(['store/all.ts is a barrel']);
    expect(find('noBarrels', { 'store/all.ts': "export * from './a.ts';" })).toEqual(['store/all.ts exports all of another file']);
    expect(find('noBarrels', { 'sensors/index.ts': "import { a } from './a.ts';\nexport const SENSORS = [a];" })).toEqual([]);
  });

  it.each([
    "db.prepare('SELECT id FROM incidents WHERE n = ?');",
    'db.exec(`\n  INSERT INTO meta VALUES (1)`);',
    "const sql = 'UPDATE holds SET live = 0';",
    'const sql = "DELETE FROM holds";',
    "run('BEGIN IMMEDIATE');",
  ])('SQL outside of the cellar: %j', (text) => {
    expect(find('sqlStaysInTheCellar', { 'recorder/a.ts': text })).toEqual(['recorder/a.ts holds SQL']);
    expect(find('sqlStaysInTheCellar', { 'store/a.ts': text })).toEqual([]);
  });

  it('a package that is out of its place', () => {
    expect(find('packagesHaveTheirPlace', { 'recorder/a.ts': "import Database from 'better-sqlite3';" })).toEqual([
      'recorder/a.ts imports better-sqlite3',
    ]);
    expect(find('packagesHaveTheirPlace', { 'policy/a.ts': "import { x } from '@hono/node-server/utils';" })).toHaveLength(1);
    expect(find('packagesHaveTheirPlace', { 'input/a.ts': "import { parseDocument } from 'yaml';" })).toEqual([]);
  });

  it('a file of 201 lines', () => {
    expect(find('filesAreShort', { 'a.ts': 'a\n'.repeat(199) })).toEqual([]);
    expect(find('filesAreShort', { 'a.ts': 'a\n'.repeat(200) })).toEqual(['a.ts has 201 lines; past 200 a file is usually two']);
  });
});

describe('a file', () => {
  const importsOf = (text: string): readonly Import[] => treeOf({ 'http/a.ts': text })[0]?.imports ?? [];

  it('tells which of its imports are types, and what is imported', () => {
    expect(
      importsOf("import { type A, b as c } from './b.ts';\nimport type D from 'd';\nimport * as e from 'node:e';\nimport 'f';"),
    ).toEqual([
      { of: 'http/b.ts', own: true, type: false, names: ['A', 'b'] },
      { of: 'd', own: false, type: true, names: [] },
      { of: 'node:e', own: false, type: false, names: [] },
      { of: 'f', own: false, type: false, names: [] },
    ]);
    expect(importsOf("import { type A, type B } from '../b.ts';")).toEqual([{ of: 'b.ts', own: true, type: true, names: ['A', 'B'] }]);
    expect(importsOf("export const from = 'x';\nexport type T = 'y';\nimport.meta.dirname;")).toEqual([]);
  });

  it('is told from its comments and quotes, every character in its place', () => {
    for (const { path, text, code, bare } of tree) {
      expect([code.length, bare.length], path).toEqual([text.length, text.length]);
      expect(bare.split('\n').length, path).toBe(text.split('\n').length);
      expect(
        [bare.match(/[{}]/g)?.length ?? 0].map((n) => n % 2),
        path,
      ).toEqual([0]);
    }
  });
});
