// A little machine that runs a filter of system calls as the kernel does, so that what it answers can be asked without being caged.

/** A call as the kernel shows it to a filter (struct seccomp_data). */
export interface Call {
  number: number;
  audit: number;
  words?: readonly bigint[];
}

/** The answer of an encoded program. @throws where the kernel would not take the program */
export function judge(program: Buffer, { number, audit, words = [] }: Call): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(audit, 4);
  for (let i = 0; i < 6; i += 1) data.writeBigUInt64LE(words[i] ?? 0n, 16 + i * 8);

  const length = program.length / 8;
  let accumulator = 0;
  for (let at = 0; at < length; at += 1) {
    const op = program.readUInt16LE(at * 8);
    const [skipIf, skipIfNot] = [program.readUInt8(at * 8 + 2), program.readUInt8(at * 8 + 3)];
    const k = program.readUInt32LE(at * 8 + 4);
    if (op === 0x20) {
      if (k % 4 !== 0 || k > 60) throw new Error(`reads at ${k}`);
      accumulator = data.readUInt32LE(k);
    } else if (op === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (op === 0x15) at += accumulator === k ? skipIf : skipIfNot;
    else if (op === 0x06) return k;
    else throw new Error(`instruction ${op.toString(16)} is not taken`);
  }
  throw new Error('the program runs off its end');
}
