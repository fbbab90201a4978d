// TypeScript files as text, read far enough to know what they import and what of them is code; no compiler is asked.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface Import {
  /** Of our own files the path within the tree, else the package as it is written. */
  readonly of: string;
  readonly own: boolean;
  /** Gone when the types are: only the compiler sees it. */
  readonly type: boolean;
  /** The names that are imported; empty for `* as x` and for a bare import. */
  readonly names: readonly string[];
}

export interface SourceFile {
  /** Within the tree, such as `policy/decide.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
  /** The text without comments and without what stands in quotes; what a template computes is still there. */
  readonly bare: string;
  readonly imports: readonly Import[];
}

export function readTree(root: string): SourceFile[] {
  return treeOf(Object.fromEntries(globSync('**/*.ts', { cwd: root }).map((path) => [path, readFileSync(join(root, path), 'utf8')])));
}

/** A tree that is made up: text by path. */
export function treeOf(files: Record<string, string>): SourceFile[] {
  return Object.entries(files).map(([path, text]) => {
    const { code, bare } = strip(text);
    return { path, text, code, bare, imports: importsOf(path, code, bare) };
  });
}

const CLAUSE = /\b(?:import|export)\s+(type\s+)?([\w*\s{},$]+?)\s+from\s*(['"])([^'"]+)\3/g;
const BARE_IMPORT = /\bimport\s*(?:\(\s*)?(['"])([^'"]+)\1/g;

function importsOf(path: string, code: string, bare: string): Import[] {
  // What looks like an import within quotes is none: there the bare text is blank.
  const real = ({ index }: RegExpExecArray) => bare[index] === code[index];
  const resolve = (from: string) => {
    const own = from.startsWith('.');
    return { of: own ? normalize(join(dirname(path), from)) : from, own };
  };
  const clauses = [...code.matchAll(CLAUSE)].filter(real).map(([, type, clause = '', , from = '']) => {
    const words =
      /\{([^}]*)\}/
        .exec(clause)?.[1]
        ?.split(',')
        .map((word) => word.trim()) ?? [];
    const named = words.filter((word) => word !== '');
    const onlyTypes = named.length > 0 && clause.trim().startsWith('{') && named.every((word) => word.startsWith('type '));
    const names = named.map((word) => word.replace(/^type /, '').replace(/ as .*/, ''));
    return { ...resolve(from), type: type !== undefined || onlyTypes, names };
  });
  const others = [...code.matchAll(BARE_IMPORT)].filter(real).map(([, , from = '']) => ({ ...resolve(from), type: false, names: [] }));
  return [...clauses, ...others];
}

const WORD_BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|delete|void|throw|await|yield))\s*$/;

/** Blanks comments, and in `bare` also what stands in quotes; every other character keeps its place. */
function strip(text: string): { code: string; bare: string } {
  let [code, bare] = ['', ''];
  // Where a template is open: how many braces are open within what it computes right now.
  const templates: number[] = [];
  const blank = (part: string) => part.replaceAll(/[^\n]/g, ' ');
  const take = (part: string, kind: 'code' | 'quoted' | 'comment') => {
    code += kind === 'comment' ? blank(part) : part;
    bare += kind === 'code' ? part : blank(part);
  };
  for (let at = 0; at < text.length; at = code.length) {
    const rest = text.slice(at, at + 2);
    const depth = templates.at(-1);
    if (rest === '//') take(matchAt(/[^\n]*/y, text, at), 'comment');
    else if (rest === '/*') take(matchAt(/\/\*[\s\S]*?(?:\*\/|$)/y, text, at), 'comment');
    else if (rest[0] === '"') take(matchAt(/"(?:\\.|[^"\\\n])*"?/y, text, at), 'quoted');
    else if (rest[0] === "'") take(matchAt(/'(?:\\.|[^'\\\n])*'?/y, text, at), 'quoted');
    else if (rest[0] === '/' && WORD_BEFORE_REGEX.test(bare.slice(-40)))
      take(matchAt(/\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/?/y, text, at), 'quoted');
    else if (rest[0] === '`' || (rest[0] === '}' && depth === 0)) {
      if (rest[0] === '}') templates.pop();
      const quoted = matchAt(/[`}](?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y, text, at);
      take(quoted, 'quoted');
      const computes = text.startsWith('${', at + quoted.length);
      take(text.slice(at + quoted.length, at + quoted.length + (computes ? 2 : 1)), 'quoted');
      if (computes) templates.push(0);
    } else {
      if (depth !== undefined && rest[0] === '{') templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && rest[0] === '}') templates[templates.length - 1] = depth - 1;
      take(rest[0] ?? '', 'code');
    }
  }
  return { code, bare };
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? text.slice(at, at + 1);
}
