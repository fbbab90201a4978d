// Whether a bundle of evidence holds: signed, proven record by record, and of one incident, which is what its records tell.

import { hash } from 'node:crypto';
import { type Checkpoint, checkpointIn } from '../audit/checkpoint.ts';
import { includes } from '../audit/merkle.ts';
import { type VerifierKey, isSignedBy } from '../audit/note.ts';
import { hashOf, headOf, isIntact } from '../audit/record.ts';
import { RecorderError } from '../errors.ts';
import { gapBefore } from '../incident/gap.ts';
import type { Kept } from '../incident/incident.ts';
import { policyOf, readRecord } from '../incident/recorded.ts';
import { retell } from '../incident/retell.ts';
import { viewOf } from '../incident/view.ts';
import { differenceOf } from '../input/difference.ts';
import type { Piece } from '../input/pieces.ts';

/** What in a bundle does not hold. */
interface BundleFault {
  /** The record by its seq, as far as it is about one. */
  readonly seq: number | null;
  readonly reason: string;
}

export interface BundleVerdict {
  readonly checkpoint: Checkpoint;
  /** What the records tell, as the service shows it; null when they tell of none. */
  readonly told: Record<string, unknown> | null;
  readonly records: number;
  /** Seqs of the first and the last record. */
  readonly first: number;
  readonly last: number;
  /** The policies that decided, and whether their text is here: one that was pruned is not. */
  readonly policies: readonly { readonly sha256: string; readonly text: boolean }[];
  /** The first of them, in their order; empty when all holds. */
  readonly faults: readonly BundleFault[];
}

export interface BundleTrial {
  /** The next piece of the bundle. @throws RecorderError "malformed_body" when it is none of a bundle */
  take(piece: Piece): void;
  /** @throws RecorderError "malformed_body" when something was missing */
  verdict(): BundleVerdict;
}

/** Members of which each entry is a piece. */
export const OPENED = ['records', 'policies'];
const MAX_FAULTS = 20;
/** A policy for each reload of a lifetime; a bundle cannot fill the memory with more. */
const MAX_POLICIES = 100_000;

export function createBundleTrial(keys: readonly VerifierKey[]): BundleTrial {
  const faults: BundleFault[] = [];
  let version: unknown;
  let checkpoint: Checkpoint | null = null;
  /** All that follows hangs on the signature: without it nothing else is looked at. */
  let trusted = false;
  let log: unknown;
  let shown: unknown;
  let told: Kept | null = null;
  let [records, first, last] = [0, 0, 0];
  /** Incidents and holds that records are about, with the first seq of each. */
  const about = new Map<string | null, number>();
  /** By SHA-256: the first seq that was decided by it. */
  const decidedBy = new Map<string, number>();
  const texts = new Map<string, boolean>();

  function fault(seq: number | null, reason: string): void {
    if (faults.length < MAX_FAULTS) faults.push({ seq, reason });
  }

  function takeCheckpoint(note: unknown): void {
    if (typeof note !== 'string') throw refusal('has a checkpoint that is no text');
    try {
      checkpoint = checkpointIn(note);
    } catch (error) {
      throw refusal(`has a checkpoint that ${error instanceof Error ? error.message : String(error)}`);
    }
    const signer = keys.find((key) => isSignedBy(note, key));
    trusted = signer?.name === checkpoint.origin;
    if (!signer) fault(null, `the checkpoint is not signed by ${keys.length === 1 ? 'the key' : 'one of the keys'} given`);
    else if (!trusted) fault(null, `the checkpoint is of the log ${checkpoint.origin}; the key is of ${signer.name}`);
  }

  function takeRecord(value: unknown): void {
    if (!checkpoint) throw refusal('has records before its checkpoint, by which they are checked');
    const { line, proof } = readEntry(value);
    records += 1;
    if (!trusted) return;
    const seq = headOf(line)?.seq ?? null;
    const wrong = faultOfLine(line, proof, seq, checkpoint);
    if (wrong !== null || seq === null) return fault(seq, wrong ?? `entry ${records} is no record`);
    if (first === 0) first = seq;
    last = seq;
    try {
      tell(line, seq);
    } catch {
      fault(seq, 'it tells nothing that can be told again');
    }
  }

  function faultOfLine(line: string, proof: string[], seq: number | null, tree: Checkpoint): string | null {
    if (seq === null) return `entry ${records} does not look like a record`;
    // Half a character becomes another one when it is hashed.
    if (!line.isWellFormed() || !isIntact(line)) return 'its hash does not fit its bytes';
    if (seq <= last) return `it stands behind record ${last}`;
    if (seq > tree.size) return `the checkpoint covers ${tree.size} records only`;
    return includes(hashOf(line), seq - 1, tree, proof) ? null : 'its proof does not lead to the root of the checkpoint';
  }

  function tell(line: string, seq: number): void {
    const record = readRecord(line);
    if (!about.has(record.id)) about.set(record.id, seq);
    const policy = policyOf(record);
    if (policy !== null && !decidedBy.has(policy)) decidedBy.set(policy, seq);
    const gap = told && gapBefore(record, told.incident);
    if (gap !== null) fault(seq, `a record before it is left out: ${gap}`);
    told = retell(told, record);
  }

  function takePolicy(sha256: string, text: unknown): void {
    if (text !== null && typeof text !== 'string') throw refusal('has a policy that is no text');
    if (texts.has(sha256)) throw refusal(`has the policy ${sha256.slice(0, 64)} twice`);
    if (texts.size === MAX_POLICIES) throw refusal(`has more than ${MAX_POLICIES} policies`);
    texts.set(sha256, text !== null);
    if (text !== null && hash('sha256', text, 'hex') !== sha256)
      fault(null, `the text of policy ${sha256.slice(0, 64)} is not the one of that hash`);
  }

  /** What can be said only when all has been read. */
  function conclude({ origin }: Checkpoint): Record<string, unknown> | null {
    if (differenceOf(log, { origin, verifier_key: keyIn(log) }) !== null || !keys.some(({ text }) => text === keyIn(log)))
      fault(null, 'log does not name the origin of the checkpoint and a key given');
    for (const [sha256, seq] of decidedBy)
      if (!texts.has(sha256)) fault(seq, `the policy ${sha256.slice(0, 64)}, which decided it, is not there`);
    if (!told) fault(null, 'the records do not tell of an incident');
    if (!told) return null;
    const own = new Set([told.incident.id, ...told.incident.containment.actions.map(({ hold_id }) => hold_id)]);
    for (const [id, seq] of about) if (id === null || !own.has(id)) fault(seq, `it is not about ${told.incident.id} or a hold of it`);
    const view = JSON.parse(JSON.stringify(viewOf(told.incident))) as Record<string, unknown>;
    const difference = differenceOf(view, shown);
    if (difference !== null) fault(null, `/incident${difference} is not what the records tell`);
    return view;
  }

  return {
    take({ name, key, value }) {
      if (name === 'v') version = value;
      else if (name === 'checkpoint') takeCheckpoint(value);
      else if (name === 'records' && key === null) takeRecord(value);
      else if (name === 'policies' && key !== null) takePolicy(key, value);
      else if (name === 'log') log = value;
      else if (name === 'incident') shown = value;
      else throw refusal(`has a member ${JSON.stringify(name.slice(0, 64))} that none of version 1 has`);
    },
    verdict() {
      if (version !== 1) throw refusal('is not of version 1');
      if (!checkpoint || log === undefined || shown === undefined) throw refusal('lacks its checkpoint, log or incident');
      const view = trusted ? conclude(checkpoint) : null;
      const policies = [...decidedBy.keys()].map((sha256) => ({ sha256, text: texts.get(sha256) === true }));
      return { checkpoint, told: view, records, first, last, policies, faults };
    },
  };
}

function readEntry(value: unknown): { line: string; proof: string[] } {
  const { line, proof, ...more } = (value ?? {}) as Record<string, unknown>;
  if (typeof line !== 'string' || !Array.isArray(proof) || !proof.every((each) => typeof each === 'string') || Object.keys(more).length > 0)
    throw refusal('has an entry of records that is not a line and its proof');
  return { line, proof };
}

function keyIn(log: unknown): unknown {
  return typeof log === 'object' && log !== null && 'verifier_key' in log ? log.verifier_key : undefined;
}

function refusal(reason: string): RecorderError {
  return new RecorderError('malformed_body', reason);
}
