// The table of promises in test/README.md names files and tests that are there.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './support/program.ts';

const README = readFileSync(join(ROOT, 'test/README.md'), 'utf8');

it('names only test files that are there', () => {
  const named = new Set(README.match(/test\/[\w/.-]+\.test\.ts/g));
  expect(named.size).toBeGreaterThan(30);
  expect([...named].filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});

it('names a group of tests as the file itself does', () => {
  const rows = [...README.matchAll(/(test\/[\w/.-]+\.test\.ts) > ([^>|·;(]+?) (?:>|\||·|;|\()/g)];
  const missing = rows.filter(([, file = '', group = '']) => !textOf(file).includes(constantPart(group)));
  expect(rows.length).toBeGreaterThan(80);
  expect(missing.map(([, file, group]) => `${file}: ${group}`)).toEqual([]);
});

function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8').replaceAll("\\'", "'");
}

/** A title is shortened in the table by `…`, and made of values in the file: what stands before either must agree. */
function constantPart(title: string): string {
  return title.replace(/(…|%s|%j|\$\w+).*$/, '').trim();
}
