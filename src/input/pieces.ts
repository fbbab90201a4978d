// One large JSON object read in pieces: its members one after the other, and what some of them hold one by one, never the whole of it.

import { isUtf8 } from 'node:buffer';
import { RecorderError } from '../errors.ts';

export interface Piece {
  /** Of the member. */
  readonly name: string;
  /** Where the member was opened and is an object: the name within it; else null. */
  readonly key: string | null;
  /** The member; of one that was opened, the next thing in it. */
  readonly value: unknown;
}

export interface Pieces {
  /** Those that end within these bytes. @throws RecorderError "malformed_body" for what is no JSON object, or over the bounds */
  take(block: Buffer): Generator<Piece>;
  /** @throws RecorderError "malformed_body" when the object is not whole */
  end(): void;
}

const MAX_PIECE_BYTES = 8 * 1024 * 1024;
const MAX_DEPTH = 32;
const CODES = { quote: 0x22, backslash: 0x5c, comma: 0x2c, colon: 0x3a, object: 0x7b, objectEnd: 0x7d, list: 0x5b, listEnd: 0x5d } as const;

/** What may stand next, between two values. */
type Next = 'object' | 'first' | 'entry' | 'colon' | 'value' | 'comma' | 'nothing';

/** @param opened members whose entries come one by one: objects or lists */
export function createPieces(opened: readonly string[]): Pieces {
  const seen = new Set<string>();
  const end = createEnd();
  /** The bytes that close what is open. */
  const open: number[] = [];
  let next: Next = 'object';
  let [name, key] = ['', ''];
  let parts: Buffer[] | null = null;
  let length = 0;

  /** A byte between two values. True when a value begins with it. */
  function isBegin(byte: number): boolean {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return false;
    if ((next === 'comma' || next === 'first') && byte === open.at(-1)) {
      open.pop();
      next = open.length === 0 ? 'nothing' : 'comma';
    } else if (next === 'comma' && byte === CODES.comma) next = 'entry';
    else if (next === 'colon' && byte === CODES.colon) next = 'value';
    else if (next === 'object' && byte === CODES.object) enter(byte);
    else if (next === 'value' && open.length === 1 && opened.includes(name) && (byte === CODES.object || byte === CODES.list)) enter(byte);
    else if (next === 'first' || next === 'entry') return isEntry(byte);
    else if (next === 'value') return true;
    else throw refusal('is not JSON');
    return false;
  }

  function isEntry(byte: number): boolean {
    if (open.at(-1) === CODES.listEnd) next = 'value';
    else if (byte !== CODES.quote) throw refusal('is not JSON');
    return true;
  }

  function enter(byte: number): void {
    open.push(byte === CODES.object ? CODES.objectEnd : CODES.listEnd);
    next = 'first';
  }

  /** A value has ended: a name, or a piece. */
  function taken(value: unknown): Piece | null {
    if (next === 'value') {
      next = 'comma';
      return { name, key: open.length === 2 && open[1] === CODES.objectEnd ? key : null, value };
    }
    next = 'colon';
    if (open.length === 2) key = String(value);
    else name = String(value);
    if (open.length === 1 && seen.has(name)) throw refusal(`has ${JSON.stringify(name.slice(0, 64))} twice`);
    if (open.length === 1) seen.add(name);
    return null;
  }

  function keep(part: Buffer): void {
    length += part.length;
    if (length > MAX_PIECE_BYTES) throw refusal(`has a part of more than ${MAX_PIECE_BYTES} bytes`);
    parts?.push(part);
  }

  return {
    *take(block) {
      let from = 0;
      for (let i = 0; i < block.length; i += 1) {
        const byte = block[i] ?? 0;
        if (!parts) {
          if (!isBegin(byte)) continue;
          [parts, length, from] = [[], 0, i];
        }
        const place = end(byte);
        if (place === 'within') continue;
        keep(block.subarray(from, place === 'last' ? i + 1 : i));
        const piece = taken(parse(Buffer.concat(parts)));
        parts = null;
        if (piece) yield piece;
        // A number ends with what stands behind it.
        if (place === 'past') isBegin(byte);
      }
      if (parts) keep(Buffer.from(block.subarray(from)));
    },
    end() {
      if (next !== 'nothing') throw refusal('ends in the middle');
    },
  };
}

/** Tells byte by byte where a value ends; whether it is one is for JSON.parse to say. */
function createEnd(): (byte: number) => 'within' | 'last' | 'past' {
  let depth = 0;
  let [quoted, escaped] = [false, false];
  return (byte) => {
    if (quoted) {
      if (escaped) escaped = false;
      else if (byte === CODES.backslash) escaped = true;
      else if (byte === CODES.quote) quoted = false;
      return quoted || depth > 0 ? 'within' : 'last';
    }
    switch (byte) {
      case CODES.quote:
        quoted = true;
        return 'within';
      case CODES.object:
      case CODES.list:
        depth += 1;
        if (depth > MAX_DEPTH) throw refusal(`is nested deeper than ${MAX_DEPTH} levels`);
        return 'within';
      case CODES.objectEnd:
      case CODES.listEnd:
        if (depth === 0) return 'past';
        depth -= 1;
        return depth === 0 ? 'last' : 'within';
      default:
        return depth === 0 && (byte === CODES.comma || byte <= 0x20) ? 'past' : 'within';
    }
  };
}

function parse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw refusal('is not UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    throw refusal('is not JSON');
  }
}

function refusal(reason: string): RecorderError {
  return new RecorderError('malformed_body', reason);
}
