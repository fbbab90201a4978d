// A profile of system calls as a program of BPF, which the kernel runs before every call that the process and its threads make.

import type { Processor } from './calls.ts';
import type { Kernel } from './kernel.ts';
import type { Condition, Profile, Rule } from './profile.ts';

/** What happens to a call that the profile does not name: it fails with the errno of the profile, or ends the process (for tests). */
export type Refusal = 'errno' | 'kill';

/** seccomp(2): what a filter may answer. */
const ANSWER = { kill: 0x8000_0000, errno: 0x0005_0000, allow: 0x7fff_0000 };
/** linux/bpf_common.h: load a word at an offset, mask it, jump if it equals, answer. */
const OP = { load: 0x20, and: 0x54, ifEqual: 0x15, answer: 0x06 };
/** struct seccomp_data: nr, arch, the address of the instruction, and six words of eight bytes, the low half first. */
const AT = { number: 0, processor: 4, words: 16 };

/** struct sock_filter: from a jump, how many instructions are skipped when it holds and when it does not. */
export interface Instruction {
  readonly op: number;
  readonly skipIf: number;
  readonly skipIfNot: number;
  readonly k: number;
}

const load = (offset: number): Instruction => ({ op: OP.load, skipIf: 0, skipIfNot: 0, k: offset });
const and = (k: number): Instruction => ({ op: OP.and, skipIf: 0, skipIfNot: 0, k });
const answer = (k: number): Instruction => ({ op: OP.answer, skipIf: 0, skipIfNot: 0, k });
const ifEqual = (k: number, skipIf: number, skipIfNot: number): Instruction => ({ op: OP.ifEqual, skipIf, skipIfNot, k });

/** @throws RecorderError "invalid_configuration" for a name that is not known */
export function filterOf(profile: Profile, processor: Processor, refusal: Refusal): Instruction[] {
  const refuse = answer(refusal === 'kill' ? ANSWER.kill : ANSWER.errno | profile.errno);
  const byNumber = new Map<number, Rule[]>();
  for (const rule of profile.rules) {
    for (const name of rule.names) {
      const number = processor.numberOf(name);
      if (number !== null) byNumber.set(number, [...(byNumber.get(number) ?? []), rule]);
    }
  }
  const blocks = [...byNumber].flatMap(([number, rules]) => {
    const block = [...rules.flatMap(ruleBlock), refuse];
    return [ifEqual(number, 0, block.length), ...block];
  });
  // Whose numbers these are is asked first: a call of another processor's table means something else by the same number.
  return [load(AT.processor), ifEqual(processor.audit, 1, 0), answer(ANSWER.kill), load(AT.number), ...blocks, refuse];
}

/** Answers when all conditions of the rule hold; else goes on behind it. */
function ruleBlock({ conditions, answer: given }: Rule): Instruction[] {
  return whenAll(conditions.flatMap(halves), answer(given === 'allow' ? ANSWER.allow : ANSWER.errno | given.errno));
}

function whenAll([half, ...others]: readonly Half[], end: Instruction): Instruction[] {
  if (!half) return [end];
  const behind = whenAll(others, end);
  const masked = half.mask === 0xffff_ffff ? [] : [and(half.mask)];
  return [load(half.offset), ...masked, ifEqual(half.wanted, 0, behind.length), ...behind];
}

interface Half {
  readonly offset: number;
  readonly mask: number;
  readonly wanted: number;
}

/** BPF knows words of 32 bits. A half that no bit is asked of is left out. */
function halves({ index, mask, wanted }: Condition): Half[] {
  const offset = AT.words + index * 8;
  const low = { offset, mask: Number(mask & 0xffff_ffffn), wanted: Number(wanted & 0xffff_ffffn) };
  const high = { offset: offset + 4, mask: Number(mask >> 32n), wanted: Number(wanted >> 32n) };
  return [low, high].filter((half) => half.mask !== 0 || half.wanted !== 0);
}

/** As the kernel takes it: 8 bytes an instruction. */
export function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ op, skipIf, skipIfNot, k }, i) => {
    bytes.writeUInt16LE(op, i * 8);
    bytes.writeUInt8(skipIf, i * 8 + 2);
    bytes.writeUInt8(skipIfNot, i * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, i * 8 + 4);
  });
  return bytes;
}

const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;

/** From here on, and for whatever is executed from here, every call is judged. It cannot be taken back. @throws KernelError */
export function filterCalls(kernel: Kernel, program: readonly Instruction[]): void {
  const bytes = encode(program);
  const described = Buffer.alloc(16); // struct sock_fprog
  described.writeUInt16LE(program.length, 0);
  described.writeBigUInt64LE(kernel.addressOf(bytes), 8);
  kernel.call('prctl', PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described);
}
