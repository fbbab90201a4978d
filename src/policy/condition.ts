// Conditions of a policy: `field op literal`, read, asked, and found out when they can never hold. Pure.

import { SEVERITIES, type Severity, rankOf } from '../incident/vocabulary.ts';
import { didYouMean, isPrintable } from '../input/text.ts';
import { CONDITION_FIELDS, type Condition, OPERATORS } from './policy.ts';

/** What a condition asks of. */
export interface Facts {
  /** After floor and escalation. */
  readonly severity: Severity;
  /** 0 to 1. */
  readonly confidence: number;
  /** Of the incident, this report included. */
  readonly occurrences: number;
  readonly source: string;
  readonly mode: Mode;
}

const MODES = ['enforce', 'observe', 'approve'] as const;
type Mode = (typeof MODES)[number];
type Field = Condition['field'];

const SHAPE = 'must be `field op literal`, such as severity >= high';
const MAX_LENGTH = 256;
/** Where a word, or the sign between two, ends. */
const WORD = /^[A-Za-z0-9_]*/;
const SIGN = /^[=!<>~&|]*/;

/** What the text says, or what is wrong with it. */
export function parseCondition(text: string): Condition | { readonly fault: string } {
  if (text.length > MAX_LENGTH) return { fault: `must be at most ${MAX_LENGTH} characters` };
  const name = WORD.exec(text.trim())?.[0] ?? '';
  const behind = text.trim().slice(name.length).trimStart();
  const sign = SIGN.exec(behind)?.[0] ?? '';
  const literal = behind.slice(sign.length).trimStart();

  const field = CONDITION_FIELDS.find((each) => each === name);
  if (name === '') return { fault: SHAPE };
  if (!field) return { fault: `asks for ${name}, which is none of ${CONDITION_FIELDS.join(', ')}${didYouMean(name, CONDITION_FIELDS)}` };
  const op = OPERATORS.find((each) => each === sign);
  const [known, among] = isOrdered(field) ? [OPERATORS, ''] : [EQUALITY, ` for ${field}`];
  if (!op || !known.some((each) => each === op)) return { fault: `needs one of ${known.join(' ')}${among} behind ${field}` };
  const value = LITERALS[field](literal);
  return typeof value === 'object' ? value : { field, op, value, text: text.trim() };
}

const EQUALITY = ['==', '!='] as const;

function isOrdered(field: Field): boolean {
  return field !== 'source' && field !== 'mode';
}

type Literal = (text: string) => string | number | { readonly fault: string };

const oneOf =
  (words: readonly string[]): Literal =>
  (text) =>
    words.includes(text) ? text : { fault: `compares with what is none of ${words.join(', ')}${didYouMean(text, words)}` };

const LITERALS: Record<Field, Literal> = {
  severity: oneOf(SEVERITIES),
  mode: oneOf(MODES),
  confidence: (text) =>
    /^(?:0|1|0\.\d{1,9}|1\.0{1,9})$/.test(text)
      ? Number(text)
      : { fault: 'compares confidence with what is no number from 0 to 1, such as 0.85' },
  occurrences: (text) =>
    /^[1-9]\d{0,8}$/.test(text) ? Number(text) : { fault: 'compares occurrences with what is no whole number from 1 on' },
  source: sourceIn,
};

/** One word, or anything in double quotes: what follows a word is most likely meant to be a second condition. */
function sourceIn(text: string): ReturnType<Literal> {
  const quoted = text.length > 1 && text.startsWith('"') && text.endsWith('"');
  const source = quoted ? text.slice(1, -1) : text;
  const isOne = source !== '' && source.length <= 128 && isPrintable(source) && !source.includes('"') && source === source.trim();
  if (isOne && (quoted || !/[\s'&|]/.test(source))) return source;
  return { fault: 'compares source with what is not one source; one with spaces stands in double quotes' };
}

export function holds({ field, op, value }: Condition, facts: Facts): boolean {
  const [a, b] = field === 'severity' ? [rankOf(facts.severity), rankOf(value as Severity)] : [facts[field], value];
  switch (op) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}

/**
 * Whether there are facts by which all of `wanted` hold and none of `before`: what goes before it, and would be done instead.
 * @param floor no severity is under it
 */
export function canHold(wanted: readonly Condition[], before: readonly Condition[], floor: Severity | null): boolean {
  const asked = [...wanted, ...before];
  const points = CONDITION_FIELDS.reduce<Partial<Facts>[]>(
    (facts, field) => facts.flatMap((each) => pointsOf(field, asked, floor).map((value) => ({ ...each, [field]: value }))),
    [{}],
  ) as Facts[];
  return points.some((facts) => wanted.every((each) => holds(each, facts)) && !before.some((each) => holds(each, facts)));
}

/** Enough values of a field to tell apart whatever the conditions can: each that they name, and one on either side of it. */
function pointsOf(field: Field, asked: readonly Condition[], floor: Severity | null): readonly (string | number)[] {
  const named = asked.filter((each) => each.field === field).map(({ value }) => value);
  if (named.length === 0) return [ANY[field]];
  const numbers = named.map(Number);
  switch (field) {
    case 'severity':
      return SEVERITIES.slice(floor === null ? 0 : rankOf(floor) - 1);
    case 'mode':
      return MODES;
    case 'source':
      return [...named, ''];
    case 'confidence':
      return [0, ...numbers, ...numbers.map((value) => value + HAIR), ...numbers.map((value) => value - HAIR), 1].filter(
        (value) => value >= 0 && value <= 1,
      );
    case 'occurrences':
      return [1, ...numbers, ...numbers.map((value) => value + 1), ...numbers.map((value) => value - 1)].filter((value) => value >= 1);
  }
}

/** Less than between any two numbers that can be written. */
const HAIR = 1e-10;
const ANY: Facts = { severity: 'critical', confidence: 1, occurrences: 1, source: '', mode: 'enforce' };
