// A profile of system calls, as OCI runtimes write it in JSON, read so strictly that whatever is not understood is refused.

import { RecorderError } from '../errors.ts';

/** The word at `index` of a call, masked, must be `wanted`. */
export interface Condition {
  readonly index: number;
  readonly mask: bigint;
  readonly wanted: bigint;
}

/** What is answered to these calls when all conditions hold: they are let through, or fail with an errno. */
export interface Rule {
  readonly names: readonly string[];
  readonly conditions: readonly Condition[];
  readonly answer: 'allow' | { readonly errno: number };
}

export interface Profile {
  /** What a call fails with that no rule is for. */
  readonly errno: number;
  readonly rules: readonly Rule[];
}

const ALL_BITS = 0xffff_ffff_ffff_ffffn;
const MAX_ERRNO = 4095;
const WORDS_OF_A_CALL = 6;

type Unknown = Readonly<Record<string, unknown>>;

/** @throws RecorderError "invalid_configuration" naming what is not understood */
export function readProfile(name: string, text: string): Profile {
  const refuse = (why: string) => new RecorderError('invalid_configuration', `${name}: ${why}`);
  const object = (value: unknown, what: string, keys: readonly string[]): Unknown => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse(`${what} is not an object`);
    const unknown = Object.keys(value).find((key) => key !== '_comment' && !keys.includes(key));
    if (unknown !== undefined) throw refuse(`${what} has ${unknown}, which is not understood`);
    return value as Unknown;
  };
  const list = (value: unknown, what: string): readonly unknown[] => {
    if (!Array.isArray(value) || value.length === 0) throw refuse(`${what} is not a list of at least one`);
    return value;
  };
  const whole = (value: unknown, what: string, max: number): number => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max)
      throw refuse(`${what} is not a whole number up to ${max}`);
    return value;
  };

  const conditionOf = (value: unknown, what: string): Condition => {
    const { index, value: first, valueTwo, op } = object(value, what, ['index', 'value', 'valueTwo', 'op']);
    const at = whole(index, `${what}.index`, WORDS_OF_A_CALL - 1);
    const one = BigInt(whole(first, `${what}.value`, Number.MAX_SAFE_INTEGER));
    if (op === 'SCMP_CMP_EQ') return { index: at, mask: ALL_BITS, wanted: one };
    if (op !== 'SCMP_CMP_MASKED_EQ') throw refuse(`${what}.op is ${String(op)}; SCMP_CMP_EQ and SCMP_CMP_MASKED_EQ are understood`);
    return { index: at, mask: one, wanted: BigInt(whole(valueTwo, `${what}.valueTwo`, Number.MAX_SAFE_INTEGER)) };
  };
  const ruleOf = (value: unknown, n: number): Rule => {
    const what = `syscalls[${n}]`;
    const { names, action, errnoRet, args } = object(value, what, ['names', 'action', 'errnoRet', 'args']);
    if (action !== 'SCMP_ACT_ALLOW' && action !== 'SCMP_ACT_ERRNO')
      throw refuse(`${what}.action is ${String(action)}; SCMP_ACT_ALLOW and SCMP_ACT_ERRNO are understood`);
    return {
      names: list(names, `${what}.names`).map(String),
      conditions: args === undefined ? [] : list(args, `${what}.args`).map((each, i) => conditionOf(each, `${what}.args[${i}]`)),
      answer: action === 'SCMP_ACT_ALLOW' ? 'allow' : { errno: whole(errnoRet, `${what}.errnoRet`, MAX_ERRNO) },
    };
  };

  const profile = object(parse(text, refuse), 'the profile', ['defaultAction', 'defaultErrnoRet', 'archMap', 'syscalls']);
  if (profile['defaultAction'] !== 'SCMP_ACT_ERRNO') throw refuse('defaultAction must be SCMP_ACT_ERRNO: what is not named is refused');
  return {
    errno: whole(profile['defaultErrnoRet'], 'defaultErrnoRet', MAX_ERRNO),
    rules: list(profile['syscalls'], 'syscalls').map(ruleOf),
  };
}

function parse(text: string, refuse: (why: string) => RecorderError): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(`is not JSON: ${(error as Error).message}`);
  }
}
