// `audit verify`: a log checked from its bytes alone, without the service, its store or any key.

import { statSync } from 'node:fs';
import { blocksOf } from '../audit/blocks.ts';
import { type Verdict, verifyLog } from '../audit/verify.ts';
import { RecorderError } from '../errors.ts';
import { EXIT, createProgress, print } from './output.ts';

export interface VerifyOptions {
  readonly receipt: readonly string[];
  readonly json: boolean;
}

/** A receipt that was given to somebody: that record must be there, and have that hash. */
interface Receipt {
  readonly seq: number;
  readonly hash: string;
}

interface Answer extends Verdict {
  readonly receipts: { readonly seq: number; readonly found: boolean }[];
}

/**
 * @param files the files of one log, oldest first
 * @returns 0 sound · 3 tampered with · 4 sound but for a torn last line
 */
export async function verify(files: readonly string[], { receipt, json }: VerifyOptions): Promise<number> {
  const receipts = receipt.map(parseReceipt);
  const wanted = new Map(receipts.map(({ seq, hash }) => [seq, hash]));
  const matched = new Set<number>();
  const progress = createProgress(
    'verifying',
    files.reduce((sum, file) => sum + statSync(file).size, 0),
  );
  const verdict = await verifyLog(
    files.map((name) => ({ name, blocks: blocksOf(name) })),
    {
      onProgress: progress.at,
      ...(wanted.size > 0 && { onRecord: (seq, hash) => void (wanted.get(seq) === hash && matched.add(seq)) }),
    },
  );
  progress.end();
  const answer: Answer = { ...verdict, receipts: receipts.map(({ seq }) => ({ seq, found: matched.has(seq) })) };
  const code = codeOf(answer);
  if (json) print(JSON.stringify({ verdict: WORDS[code], ...answer }));
  else tell(answer).forEach(print);
  return code;
}

const WORDS: Record<number, string> = { [EXIT.ok]: 'sound', [EXIT.found]: 'tampered', [EXIT.torn]: 'torn' };

function codeOf({ first, fault, receipts, torn }: Answer): number {
  if (first > 1 || fault || receipts.some(({ found }) => !found)) return EXIT.found;
  return torn > 0 ? EXIT.torn : EXIT.ok;
}

function tell({ first, last, hash, fault, soundAfter, torn, receipts }: Answer): string[] {
  const sound = last < first ? 'no record is sound' : `records ${first} to ${last} are sound; the last has hash ${hash}`;
  return [
    ...(first > 1 ? [`TAMPERED: the log begins with record ${first}; what came before it is missing`] : []),
    ...(fault ? [`TAMPERED: record ${fault.seq}, at byte ${fault.offset} of ${fault.file}, ${fault.reason}`] : []),
    sound,
    ...(fault ? [`after it ${soundAfter} records are sound in themselves`] : []),
    ...receipts.map(({ seq, found }) =>
      found ? `record ${seq} is the one of the receipt` : `TAMPERED: record ${seq} is not the one of the receipt`,
    ),
    ...(torn > 0 ? [`the last line is torn: ${torn} bytes without an end, as a crash leaves them`] : []),
  ];
}

function parseReceipt(text: string): Receipt {
  const [, seq, hash] = /^([1-9]\d{0,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new RecorderError('invalid_parameter', `${text} is not a receipt; give <seq>:<64 hex digits>`);
  return { seq: Number(seq), hash };
}
