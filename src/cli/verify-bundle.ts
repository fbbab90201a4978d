// `audit verify-bundle`: one incident's evidence checked from its file alone, against a key that somebody trusts.

import { createReadStream } from 'node:fs';
import { RecorderError } from '../errors.ts';
import { createPieces } from '../input/pieces.ts';
import { type BundleVerdict, OPENED, createBundleTrial } from './bundle.ts';
import { keyGiven } from './given.ts';
import { EXIT, print } from './output.ts';

export interface VerifyBundleOptions {
  /** Verifier keys, or files that hold one; one of them must have signed. */
  readonly pubkey: readonly string[];
  readonly json: boolean;
}

/** @returns 0 sound · 3 tampered with */
export async function verifyBundle(file: string, { pubkey, json }: VerifyBundleOptions): Promise<number> {
  const trial = createBundleTrial(pubkey.map(keyGiven));
  const pieces = createPieces(OPENED);
  let verdict: BundleVerdict;
  try {
    for await (const block of createReadStream(file) as AsyncIterable<Buffer>) for (const piece of pieces.take(block)) trial.take(piece);
    pieces.end();
    verdict = trial.verdict();
  } catch (error) {
    if (!(error instanceof RecorderError)) throw error;
    throw new RecorderError('invalid_parameter', `${file} is no bundle of evidence: it ${error.message}`);
  }
  const sound = verdict.faults.length === 0;
  if (json) print(JSON.stringify({ verdict: sound ? 'sound' : 'tampered', ...verdict }));
  else (sound ? tell(verdict) : accuse(verdict)).forEach(print);
  return sound ? EXIT.ok : EXIT.found;
}

function accuse({ faults }: BundleVerdict): string[] {
  return faults.map(({ seq, reason }) => `TAMPERED: ${seq === null ? '' : `record ${seq}: `}${reason}`);
}

function tell({ checkpoint, told, records, first, last, policies }: BundleVerdict): string[] {
  const { origin, size } = checkpoint;
  return [
    `${records} records, ${first} to ${last}, are in the log ${origin} as it was signed with ${size} records`,
    `${String(told?.['id'])} is what they tell: ${String(told?.['state'])}, ${String(told?.['severity'])}, reported ${String(told?.['occurrences'])} times`,
    ...policies.map(({ sha256, text }) =>
      text ? `the policy ${sha256} decided, and its text is here` : `the policy ${sha256} decided; the log no longer kept its text`,
    ),
  ];
}
