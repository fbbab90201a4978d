// One YAML document read as data: everything that means more than it shows is refused, with its line and column.

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readYaml } from '../../src/input/yaml.ts';
import { refusalOf } from '../support/refusal.ts';

const Schema = z.strictObject({
  name: z.string(),
  level: z.enum(['low', 'high']).default('low'),
  items: z.record(z.string(), z.int()).default({}),
});
const KEYS = ['name', 'level', 'items'];

const read = (text: string) => readYaml({ name: 'f.yaml', text, schema: Schema, keys: KEYS });
const refusal = (text: string) => {
  const { code, message, details } = refusalOf(() => read(text));
  expect(code).toBe('invalid_configuration');
  expect(details.errors?.length).toBeGreaterThan(0);
  return message;
};

describe('one YAML document', () => {
  it('is read as data, and knows on which line each key stands', () => {
    const file = read('# comment\nname: x\n\nitems:\n  a: 1\n  b: 2\n');
    expect(file.value).toEqual({ name: 'x', level: 'low', items: { a: 1, b: 2 } });
    expect([['name'], ['items'], ['items', 'b']].map((path) => file.lineOf(path))).toEqual([2, 4, 6]);
    expect(file.lineOf(['items', 'nowhere'])).toBe(4);
    expect(file.refusal(['items', 'b'], 'is odd').message).toBe('f.yaml:6:3: items/b is odd');
  });

  it.each([
    ['in flow style', '{name: x, items: {a: 1}}'],
    ['as JSON', '{"name": "x", "items": {"a": 1}}'],
    ['with CRLF line ends', 'name: x\r\nitems:\r\n  a: 1\r\n'],
    ['with a byte order mark', '\ufeffname: x\nitems: {a: 1}\n'],
    ['between document marks', '---\nname: x\nitems: {a: 1}\n...\n'],
  ])('may be written %s', (_, text) => {
    expect(read(text).value).toEqual({ name: 'x', level: 'low', items: { a: 1 } });
  });

  it('means by its words what YAML 1.2 means', () => {
    expect(read('name: yes').value.name).toBe('yes');
    expect(read('name: 012x\nitems: {a: 012}').value.items).toEqual({ a: 12 });
    expect(refusal('name: 2026-03-13\nlevel: on')).toContain('f.yaml:2:1: level must be one of low, high');
  });
});

describe('what means more than it shows', () => {
  it.each([
    ['an anchor', 'name: &n x\n', '1:10: the file uses an anchor or alias; write the value out'],
    ['an anchor on a mapping', 'name: x\nitems: &i {a: 1}\n', '2:11: the file uses an anchor or alias'],
    ['an anchor on a key', 'name: x\n&k items: {}\n', '2:4: the file uses an anchor or alias'],
    ['an alias', 'name: x\nlevel: *n\n', '2:8: the file'],
    ['a merge key', 'name: x\n<<: {level: high}\n', '2:1: << is not a known key'],
    ['a tag of our own', 'name: !x y\n', '1:7: the file Unresolved tag'],
    ['a tag that makes a string', 'name: !!str 7\n', '1:13: the file uses a tag; write plain data'],
    ['a tag that makes a number', 'name: x\nitems: {a: !!int "1"}\n', '2:18: the file uses a tag'],
    ['a tag on a mapping', 'name: x\nitems: !!map {}\n', '2:14: the file uses a tag'],
    ['bytes', 'name: !!binary eA==\n', '1:16: the file uses a tag'],
    ['code', 'name: !!js/function "process.exit()"\n', '1:7: the file Unresolved tag'],
    ['a non-specific tag', 'name: ! x\n', '1:9: the file uses a tag'],
    ['a tag by a directive', '%TAG !e! tag:example.org,2026:\n---\nname: !e!x y\n', '3:7: the file Unresolved tag'],
    ['a second document', 'name: x\n---\nname: y\n', '2:1: the file Source contains multiple documents'],
    ['a second document that is empty', 'name: x\n---\n', '2:1: the file Source contains multiple documents'],
    ['text after the end', 'name: x\n...\nname: y\n', '3:1: the file Source contains multiple documents'],
    ['a key twice', 'name: x\nlevel: low\nname: y\n', '3:1: the file has a key that stands a second time'],
    ['a key twice, once quoted', 'name: x\n"name": y\n', '2:1: the file has a key that stands a second time'],
    ['a key twice, once escaped', 'name: x\n"n\\x61me": y\n', '2:1: the file has a key that stands a second time'],
    ['a key twice, deeper', 'name: x\nitems:\n  a: 1\n  a: 2\n', '4:3: the file has a key that stands a second time'],
    ['a key twice in flow style', 'name: x\nitems: {a: 1, b: 2, a: 3}\n', '2:21: the file has a key that stands a second time'],
    ['__proto__', 'name: x\nitems:\n  __proto__: 1\n', '3:3: the file has a key "__proto__", which is never taken'],
    ['__proto__ on top', 'name: x\n"__proto__": {level: high}\n', '2:1: the file has a key "__proto__"'],
    ['a mapping as a key', '? {a: 1}\n: x\n', '1:3: the file'],
    ['a tab that indents', 'name: x\nitems:\n\ta: 1\n', '3:1: the file Tabs are not allowed as indentation'],
    ['an unknown directive', '%EXPLODE yes\n---\nname: x\n', '1:1: the file Unknown directive'],
    ['an open bracket', 'name: [x\n', '2:1: the file'],
    ['an open quote', 'name: "x\n', '2:1: the file'],
    ['a wrong escape', 'name: "\\q"\n', '1:8: the file'],
  ])('is refused: %s', (_, text, expected) => {
    expect(refusal(text)).toContain(`f.yaml:${expected}`);
  });

  it.each(['', '\n\n', '# only a comment\n'])('is nothing at all: %j', (text) => {
    expect(refusal(text)).toBe('f.yaml:1:1: the file is empty');
  });

  it.each(['---\n', '---\n...\n', '---\n# nothing\n'])('is a document with nothing in it: %j', (text) => {
    expect(refusal(text)).toMatch(/^f\.yaml:1:\d: the file must be an object$/);
  });

  it.each(['null', '~', 'text', '7', '- a', '[1]', '"{}"'])('is not a mapping: %j', (text) => {
    expect(refusal(text)).toMatch(/^f\.yaml:1:\d: the file must be an object$/);
  });
});

describe('a wrong word', () => {
  it('is told with its place, what was expected, and the nearest known one', () => {
    expect(refusal('nmae: x\nlevel: hihg\nitems:\n  a: one\n').split('\n')).toEqual([
      'f.yaml:1:1: name is required',
      'f.yaml:2:1: level must be one of low, high; did you mean "high"?',
      'f.yaml:4:3: items/a must be a number',
      'f.yaml:1:1: nmae is not a known key; did you mean "name"?',
    ]);
  });

  it('is told with pointer, line and column for a program to read', () => {
    const { details } = refusalOf(() => read('name: x\nitems:\n  "a/b~c": one\n'));
    expect(details.errors).toEqual([{ pointer: '/items/a~1b~0c', detail: 'must be a number', line: 3, column: 3 }]);
  });

  it('is one of at most twenty that are told', () => {
    const { details } = refusalOf(() => read(`name: x\n${Array.from({ length: 100 }, (_, i) => `k${i}: 1\n`).join('')}`));
    expect(details.errors).toHaveLength(20);
    const many = refusalOf(() => read(`name: x\nitems:\n${Array.from({ length: 100 }, (_, i) => `  k${i}: x\n`).join('')}`));
    expect(many.details.errors).toHaveLength(20);
  });

  it('brings no control character of the file into the message', () => {
    const message = refusal('name: !\u0007\u202e x\n');
    expect(message).toMatch(/^[\x20-\x7e]*$/);
  });
});

describe('a file that is made to explode', () => {
  it('by aliases of aliases is refused at its first anchor', () => {
    const laughs = Array.from(
      { length: 30 },
      (_, i) =>
        `a${i}: &a${i} [${Array<string>(9)
          .fill(i === 0 ? 'lol' : `*a${i - 1}`)
          .join(', ')}]`,
    );
    expect(refusal(`${laughs.join('\n')}\n`)).toContain('uses an anchor or alias');
  });

  it.each([
    ['brackets', (n: number) => `name: ${'['.repeat(n)}${']'.repeat(n)}`],
    ['brackets that stay open', (n: number) => `name: ${'['.repeat(n)}`],
    ['braces', (n: number) => `name: ${'{a: '.repeat(n)}1${'}'.repeat(n)}`],
    ['dashes', (n: number) => `name:\n ${'- '.repeat(n)}1`],
    ['question marks', (n: number) => `${'? '.repeat(n)}1`],
  ])('by nesting is refused at every depth: %s', (_, make) => {
    for (const depth of [10, 100, 1000, 1500, 2000, 3000, 10_000, 100_000]) expect(refusal(make(depth))).toMatch(/^f\.yaml:\d+:\d+: /);
  });

  it.each([
    ['items', `name: x\nitems: [${'a,'.repeat(120_000)}]`],
    ['commas', `name: x\nitems: [${','.repeat(240_000)}]`],
    ['lines', `name: x\n${'#\n'.repeat(120_000)}`],
    ['keys', `name: x\nitems:\n${Array.from({ length: 25_000 }, (_, i) => `  k${i}: 1\n`).join('')}`],
    ['keys without values', `name: x\nitems: {${Array.from({ length: 30_000 }, (_, i) => `k${i}`).join(',')}}`],
  ])('by the number of its %s is refused before it is parsed', (_, text) => {
    expect(text.length).toBeLessThan(384 * 1024);
    expect(refusal(text)).toBe('f.yaml:1:1: the file holds more than 30000 words and marks');
  });

  it('but is read when it is long and simple', () => {
    const items = Array.from({ length: 3000 }, (_, i) => `  k${i}: ${i}\n`).join('');
    expect(Object.keys(read(`name: x\nitems:\n${items}`).value.items)).toHaveLength(3000);
    expect(read(`name: "${'x'.repeat(200_000)}"`).value.name).toHaveLength(200_000);
  });
});
