// What can be handed to somebody about an incident: its records, the proof of each, and the signed checkpoint that they are proven by.

import { setTimeout } from 'node:timers/promises';
import { checkpointIn } from '../audit/checkpoint.ts';
import type { SigningKey } from '../audit/key.ts';
import { rootOf } from '../audit/merkle.ts';
import { isSignedBy, parseVerifierKey } from '../audit/note.ts';
import { createProver } from '../audit/prover.ts';
import { typeOf } from '../audit/record.ts';
import { RecorderError } from '../errors.ts';
import type { Incident, Kept } from '../incident/incident.ts';
import { policyOf, readRecord } from '../incident/recorded.ts';
import { retell } from '../incident/retell.ts';
import { viewOf } from '../incident/view.ts';
import type { Checkpoints } from '../ledger/checkpoints.ts';
import type { SignedCheckpoint } from '../ledger/witness.ts';
import type { Store } from '../store/store.ts';

export interface EvidenceParts {
  store: Pick<Store, 'records' | 'tree' | 'meta'>;
  checkpoints: Pick<Checkpoints, 'latest' | 'cosigned'>;
  key: Pick<SigningKey, 'name' | 'verifierKey'>;
}

/**
 * The bundle of an incident as JSON, in pieces that are made when they are asked for. What comes after the checkpoint is not in it.
 * When a piece throws, what came before it is no bundle.
 * @throws RecorderError "state_conflict" when no checkpoint covers the incident within some seconds, "not_found" when it was pruned
 */
export type Evidence = (kept: Kept) => Promise<Iterable<string>>;

const WAIT_MS = 100;
const WAITS = 30;
const PAGE_RECORDS = 64;
/** UTF-16 units of lines. */
const PAGE_LENGTH = 64 * 1024;

export function createEvidence({ store, checkpoints, key }: EvidenceParts): Evidence {
  const { records, tree, meta } = store;
  const verifierKey = parseVerifierKey(key.verifierKey);

  /** By which records up to `seq` can be proven: the one that a witness has cosigned too, if that covers them. */
  function covering(seq: number): SignedCheckpoint | null {
    const found = [checkpoints.cosigned, checkpoints.latest].find((each) => each && each.size >= seq);
    return found && isSignedBy(found.note, verifierKey) ? found : null;
  }

  function* pages(of: Incident, to: number): Generator<{ seq: number; line: string }[]> {
    const first = records.first();
    for (let after = 0; ;) {
      const page = records.timeline(of.audit.seq, after, PAGE_RECORDS, PAGE_LENGTH);
      if (records.first() !== first) throw new Error('records were pruned meanwhile');
      const covered = page.filter(({ seq }) => seq <= to);
      if (covered.length > 0) yield covered;
      if (page.length === 0 || covered.length < page.length) return;
      after = page.at(-1)?.seq ?? 0;
    }
  }

  /** Seq of the first record that tells what it is: its report or, when that was pruned, what was told again then. */
  function beginOf(incident: Incident): number {
    if (incident.audit.seq >= records.first()) return incident.audit.seq;
    for (const page of pages(incident, Number.MAX_SAFE_INTEGER)) {
      const kept = page.find(({ line }) => typeOf(line) === 'incident.kept');
      if (kept) return kept.seq;
    }
    throw new RecorderError('not_found', 'the incident is no longer kept');
  }

  /** One that covers all that is known of it now; after a while, as for an incident that changes all the time, what there is of it. */
  async function awaitCheckpoint({ incident, version }: Kept): Promise<SignedCheckpoint> {
    for (let waited = 0; waited < WAITS; waited += 1) {
      const found = covering(Math.max(beginOf(incident), version));
      if (found) return found;
      await setTimeout(WAIT_MS);
    }
    const found = covering(beginOf(incident));
    if (found) return found;
    throw new RecorderError('state_conflict', 'no checkpoint covers the incident yet; try again', { retry_after: 5 });
  }

  function* piecesOf(incident: Incident, { note, size }: SignedCheckpoint): Generator<string> {
    const prove = createProver(size, tree.hashOf);
    const decidedBy = new Set<string>();
    let told: Kept | null = null;
    let before = '\n';
    const entryOf = ({ seq, line }: { seq: number; line: string }) => {
      const record = readRecord(line);
      told = retell(told, record);
      const policy = policyOf(record);
      if (policy !== null) decidedBy.add(policy);
      const entry = `${before}{"line":${JSON.stringify(line)},"proof":${JSON.stringify(prove(seq))}}`;
      before = ',\n';
      return entry;
    };
    const log = { origin: key.name, verifier_key: key.verifierKey };
    yield `{"v":1,"log":${JSON.stringify(log)},"checkpoint":${JSON.stringify(note)},"records":[`;
    for (const page of pages(incident, size)) yield page.map(entryOf).join('');
    before = '\n';
    yield '\n],"policies":{';
    for (const sha256 of decidedBy) {
      yield `${before}"${sha256}":${JSON.stringify(meta.policy(sha256))}`;
      before = ',\n';
    }
    yield `\n},"incident":${JSON.stringify(viewOf(mustBeTold(told)))}}\n`;
  }

  return async (kept) => {
    const checkpoint = await awaitCheckpoint(kept);
    const { root } = checkpointIn(checkpoint.note);
    if (rootOf(tree.at(checkpoint.size)) !== root) throw new Error('the newest checkpoint is not one of the records in the store');
    return piecesOf(kept.incident, checkpoint);
  };
}

function mustBeTold(told: Kept | null): Incident {
  if (!told) throw new Error('the records of the incident do not tell what it is');
  return told.incident;
}
