// `audit prove` and `audit consistency`: the proofs of RFC 6962, out of the files of a log alone.

import { checkpointIn } from '../audit/checkpoint.ts';
import { createGathering } from '../audit/gathering.ts';
import { type Span, consistencySpans, inclusionSpans } from '../audit/merkle.ts';
import { RecorderError } from '../errors.ts';
import { filesGiven, notesGiven, wholeNumberGiven } from './given.ts';
import { EXIT, print } from './output.ts';
import { type Surveyed, readThrough, survey } from './survey.ts';

export interface ProveOptions {
  readonly seq: string;
  /** Of the tree; without it the published checkpoint's, if that covers the record, else the whole log's. */
  readonly size?: string;
  readonly json: boolean;
}

export interface ConsistencyOptions {
  readonly from: string;
  readonly to: string;
  readonly json: boolean;
}

/** @returns 0 proven · 3 the log is not sound, and nothing is proven */
export async function prove(given: readonly string[], { seq: seqGiven, size: sizeGiven, json }: ProveOptions): Promise<number> {
  const files = filesGiven(given);
  const seq = wholeNumberGiven('--seq', seqGiven);
  const log = await survey(files);
  if (log.fault !== null) return unsound(log.fault, json);
  const published = sizeGiven === undefined ? publishedFor(files, seq, log) : null;
  const size = published?.size ?? (sizeGiven === undefined ? log.last : wholeNumberGiven('--size', sizeGiven));
  if (size > log.last) throw tooFar('--size', log);
  if (seq > size) throw new RecorderError('invalid_parameter', `--seq ${seq}: a tree over ${size} records does not hold it`);
  if (seq < log.first)
    throw new RecorderError('invalid_parameter', `--seq ${seq}: the log begins with record ${log.first}; what came before it was pruned`);
  let leaf = '';
  const { roots, proof } = await gather(files, log, inclusionSpans(seq - 1, size), [size], (each, hash) => {
    if (each === seq) leaf = hash;
  });
  const [root] = roots;
  if (published && published.root !== root) return unsound(`the checkpoint beside the log is not one of its first ${size} records`, json);
  return show({ seq, size, leaf, root, proof }, json);
}

/** @returns 0 proven · 3 the log is not sound, and nothing is proven */
export async function consistency(given: readonly string[], { from: fromGiven, to: toGiven, json }: ConsistencyOptions): Promise<number> {
  const files = filesGiven(given);
  const [from, to] = [wholeNumberGiven('--from', fromGiven), wholeNumberGiven('--to', toGiven)];
  if (from > to) throw new RecorderError('invalid_parameter', `--from ${from}: is more than --to ${to}`);
  const log = await survey(files);
  if (log.fault !== null) return unsound(log.fault, json);
  if (to > log.last) throw tooFar('--to', log);
  const { roots, proof } = await gather(files, log, consistencySpans(from, to), [from, to]);
  const [from_root, to_root] = roots;
  return show({ from, from_root, to, to_root, proof }, json);
}

/** The second reading, which keeps of the tree what the proof needs. */
async function gather(
  files: readonly string[],
  { pruned }: Surveyed,
  spans: readonly Span[],
  sizes: readonly number[],
  watch: (seq: number, hash: string) => void = () => {},
): Promise<{ roots: string[]; proof: string[] }> {
  const gathering = createGathering(pruned, spans, sizes);
  const { fault } = await readThrough(files, 'proving', {
    onRecord(seq, hash) {
      watch(seq, hash);
      gathering.onRecord(seq, hash);
    },
  });
  if (fault) throw new Error('the log was changed while it was read');
  const proof = gathering.proof();
  const roots = sizes.map((size) => gathering.rootAt(size)).filter((root) => root !== null);
  if (proof === null || roots.length < sizes.length)
    throw new RecorderError(
      'invalid_parameter',
      `records 1 to ${pruned.end} were pruned, and what is left of their tree is not enough for this proof`,
    );
  return { roots, proof };
}

/** The checkpoint beside the log, where it covers the record and no more than there is. Its signature is not looked at: a proof needs none. */
function publishedFor(files: readonly string[], seq: number, { last }: Surveyed): { size: number; root: string } | null {
  const [published] = notesGiven([], files, true);
  if (!published) return null;
  try {
    const { size, root } = checkpointIn(published.note);
    return size >= seq && size <= last ? { size, root } : null;
  } catch {
    return null;
  }
}

function tooFar(name: string, { last }: Surveyed): RecorderError {
  return new RecorderError('invalid_parameter', `${name}: the log ends with record ${last}`);
}

function unsound(reason: string, json: boolean): number {
  print(json ? JSON.stringify({ verdict: 'tampered', reason }) : `TAMPERED: ${reason}`);
  return EXIT.found;
}

/** As one JSON object, or a name and a value a line; each hash of a proof is a line. */
function show(proven: Record<string, unknown>, json: boolean): number {
  if (json) print(JSON.stringify(proven));
  else for (const [name, value] of Object.entries(proven)) for (const each of [value].flat()) print(`${name} ${String(each)}`);
  return EXIT.ok;
}
