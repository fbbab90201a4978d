// One YAML document read as data, so strictly that every fault has its line and column.

import { type Document, LineCounter, type Node, isMap, isScalar } from 'yaml';
import type { z } from 'zod';
import { type Fault, RecorderError } from '../errors.ts';
import { escapePointer } from './bounds.ts';
import { explain } from './shape.ts';
import { didYouMean } from './text.ts';
import { parseYaml } from './yaml-document.ts';

type Path = readonly (string | number)[];

const MAX_FAULTS = 20;

export interface YamlFile<T> {
  readonly value: T;
  /** The line (from 1) on which the key at this path stands. */
  lineOf(path: Path): number;
  /** The refusal of the whole file for one fault at a path. */
  refusal(path: Path, detail: string): RecorderError;
}

export interface YamlParts<T> {
  /** What the file is called in errors. */
  name: string;
  text: string;
  schema: z.ZodType<T>;
  /** Every key that the file may have anywhere: what a mistyped one is compared with. */
  keys: readonly string[];
}

/**
 * Reads `text` by `schema`. Anchors, aliases, tags, merge keys, duplicate keys and a second document are refused:
 * the file is data, and what one reads is what is in force.
 * @throws RecorderError "invalid_configuration"; each fault with pointer, line, column, what was expected, the nearest word.
 */
export function readYaml<T>({ name, text, schema, keys }: YamlParts<T>): YamlFile<T> {
  const lines = new LineCounter();
  const refuse = (faults: Fault[]) => {
    const told = faults.map(
      ({ pointer, detail, line, column }) => `${name}:${line}:${column}: ${pointer.slice(1) || 'the file'} ${detail}`,
    );
    return new RecorderError('invalid_configuration', told.join('\n'), { errors: faults });
  };
  const at = (offset: number, pointer: string, detail: string): Fault => {
    const { line, col } = lines.linePos(offset);
    return { pointer, detail, line: Math.max(line, 1), column: Math.max(col, 1) };
  };

  const doc = parseYaml(text, lines, (offset, detail) => refuse([at(offset, '', detail)]));
  const place = (path: Path, detail: string) =>
    at(offsetOf(doc, path), path.map((step) => `/${escapePointer(String(step))}`).join(''), detail);

  const parsed = schema.safeParse(doc.toJS());
  if (!parsed.success) {
    const faults = parsed.error.issues.slice(0, MAX_FAULTS).flatMap((issue) => faultsOf(doc, issue, keys));
    throw refuse(faults.slice(0, MAX_FAULTS).map(({ path, detail }) => place(path, detail)));
  }
  return {
    value: parsed.data,
    lineOf: (path) => place(path, '').line ?? 1,
    refusal: (path, detail) => refuse([place(path, detail)]),
  };
}

/** Where the key at a path begins, or its nearest parent that is there. */
function offsetOf(doc: Document.Parsed, path: Path): number {
  let node: unknown = doc.contents;
  let offset = 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (!pair) return offset;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else {
      const item: unknown = (node as { items?: unknown[] } | null)?.items?.[Number(step)];
      if (item === undefined) return offset;
      offset = (item as Node).range?.[0] ?? offset;
      node = item;
    }
  }
  return offset;
}

function faultsOf(doc: Document.Parsed, issue: z.core.$ZodIssue, keys: readonly string[]): { path: Path; detail: string }[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.slice(0, MAX_FAULTS).map((key) => ({
        path: [...path, key],
        detail: `is not a known key${didYouMean(
          key,
          keys.filter((known) => known !== key),
        )}`,
      }));
    case 'invalid_value':
      return [{ path, detail: `${explain(issue)}${nearestOf(doc.getIn(path), issue.values)}` }];
    default:
      return [{ path, detail: explain(issue) }];
  }
}

/** Only a word can be near to a word. */
function nearestOf(given: unknown, values: readonly unknown[]): string {
  const words = values.filter((value) => typeof value === 'string');
  return typeof given === 'string' ? didYouMean(given, words) : '';
}
