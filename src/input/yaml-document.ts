// The text of one YAML document as a tree, bounded, and with nothing in it that would not be read as it is written.

import { type Document, Lexer, LineCounter, type YAMLMap, isAlias, isMap, isScalar, parseDocument, visit } from 'yaml';
import { RecorderError } from '../errors.ts';

/** Words, marks, spaces and line ends: more than a policy needs, and few enough that reading them neither fills a small heap nor blocks for long. */
const MAX_TOKENS = 30_000;

type Refusal = (offset: number, detail: string) => RecorderError;

/**
 * The one document in `text`. Anchors, aliases, tags, merge keys, duplicate keys and a second document are refused.
 * @param refusal what is thrown for a fault, which begins at this offset
 */
export function parseYaml(text: string, lines: LineCounter, refusal: Refusal): Document.Parsed {
  if (countTokens(text) > MAX_TOKENS) throw refusal(0, `holds more than ${MAX_TOKENS} words and marks`);
  let doc: Document.Parsed;
  try {
    // Keys that stand twice are looked for below: the parser compares each with each.
    doc = parseDocument(text, { lineCounter: lines, strict: true, uniqueKeys: false, merge: false, prettyErrors: false, stringKeys: true });
  } catch (error) {
    if (error instanceof RangeError) throw refusal(0, 'is nested too deeply');
    throw error;
  }
  const [fault] = [...doc.errors, ...doc.warnings];
  if (fault) throw refusal(fault.pos[0], fault.message.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200));
  visit(doc, {
    Node(_, node) {
      const offset = node.range?.[0] ?? 0;
      if (isAlias(node) || node.anchor !== undefined) throw refusal(offset, 'uses an anchor or alias; write the value out');
      if (node.tag !== undefined) throw refusal(offset, 'uses a tag; write plain data');
      if (isMap(node)) checkKeys(node, refusal);
    },
  });
  if (doc.contents === null) throw refusal(0, 'is empty');
  return doc;
}

/** The data of one document that nobody asks anything of. @throws RecorderError "invalid_configuration" */
export function plainYaml(text: string): unknown {
  return parseYaml(text, new LineCounter(), (_, detail) => new RecorderError('invalid_configuration', detail)).toJS();
}

/** Counts up to the first token too many, without keeping any. */
function countTokens(text: string): number {
  return new Lexer()
    .lex(text)
    .take(MAX_TOKENS + 1)
    .reduce((count) => count + 1, 0);
}

function checkKeys(map: YAMLMap, refusal: Refusal): void {
  const seen = new Set<unknown>();
  for (const { key } of map.items) {
    if (!isScalar(key)) continue;
    const offset = key.range?.[0] ?? 0;
    if (seen.has(key.value)) throw refusal(offset, 'has a key that stands a second time');
    if (key.value === '__proto__') throw refusal(offset, 'has a key "__proto__", which is never taken');
    seen.add(key.value);
  }
}
