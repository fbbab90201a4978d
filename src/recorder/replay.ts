// Tells the log again to the tables: record after record, what each of them says happened, happens once more.

import { type Range, append, rootOf, subtreesOf } from '../audit/merkle.ts';
import { type Head, hashOf, headOf, seal } from '../audit/record.ts';
import { RecorderError } from '../errors.ts';
import { type Recorded, readRecord } from '../incident/recorded.ts';
import { refusalOf } from '../store/failure.ts';
import type { Retelling } from '../store/retelling.ts';
import type { Tables } from '../store/store.ts';
import { createOwed } from './owed.ts';
import { createHoldReplay } from './replay-holds.ts';
import { createIncidentReplay } from './replay-incidents.ts';
import { createSight } from './replay-sightings.ts';

export interface Replay {
  /** The last record that was told. */
  readonly head: Head;
  /**
   * Tells the next record, within a transaction; when it throws, that MUST be rolled back.
   * @param line without its newline, and verified to follow the one before
   * @throws RecorderError "storage_failed" when it cannot be told again
   */
  take(line: string): void;
  /**
   * The log ends here. Where that is within a change, the rest of what the change promised becomes records of this store.
   * @returns how many
   * @throws RecorderError "storage_failed" when the log does not begin with record 1, and does not tell what came before
   */
  finish(): number;
}

const CHUNK_RECORDS = 1000;
const CHUNK_BYTES = 1024 * 1024;

/** Goes on behind the last record of the store; an empty one may also be told a log whose beginning was pruned. */
export function createReplay(store: Tables & { retelling(): Retelling }): Replay {
  const { records, meta, pruning } = store;
  const retelling = store.retelling();
  const sight = createSight(store);
  const told = createIncidentReplay(store, retelling);
  const toldHolds = createHoldReplay(store, retelling, told);
  const owed = createOwed(store, retelling, told);
  let head = records.head();
  /** Records 1 to `untold` were pruned, and what they made has not been told again yet. Until then there is no tree. */
  let untold = 0;
  let tree: Range = store.tree.at(head.seq);

  function take(line: string): void {
    const next = headOf(line);
    if (!next) throw refusal(head.seq + 1, 'it is no record of ours');
    if (head.seq === 0) untold = next.seq - 1;
    else if (next.seq !== head.seq + 1) throw refusal(head.seq + 1, `it is record ${next.seq}`);
    try {
      records.insert(next.seq, tell(readRecord(line)), line);
    } catch (error) {
      const refused = refusalOf(error);
      throw refused instanceof RecorderError ? refused : refusal(next.seq, error instanceof Error ? error.message : String(error));
    }
    head = next;
    if (untold === 0) tree = append(tree, next.hash, store.tree.keep);
  }

  /** @returns the seq of the record that opened what this one is about; null when that is nothing, or is not known yet */
  function tell(record: Recorded): number | null {
    const { seq, ts, id, hash, data } = record;
    if (untold === 0) owed.note(record);
    const about = tellTables(record);
    if ('request' in data && data.request) store.requests.keep(data.request, id, { seq, hash }, Date.parse(ts));
    return about;
  }

  function tellTables(record: Recorded): number | null {
    const partial = untold > 0;
    switch (record.type) {
      case 'incident.reported':
      case 'incident.joined':
        sight(record);
        return told.tellIncident(record, partial);
      case 'incident.escalated':
      case 'incident.contained':
      case 'incident.ordered':
      case 'incident.acknowledged':
      case 'incident.resolved':
      case 'incident.reopened':
      case 'incident.noted':
      case 'incident.kept':
      case 'actions.kept':
      case 'action.refused':
      case 'containment.moved':
      case 'incident.attested':
        return told.tellIncident(record, partial);
      case 'alert.raised':
        return record.id?.startsWith('HLD-') ? toldHolds.tellHold(record, partial) : told.tellIncident(record, partial);
      case 'hold.recorded':
      case 'hold.moved':
      case 'hold.extended':
      case 'hold.releasing':
      case 'hold.released':
      case 'hold.kept':
      case 'command.requested':
      case 'command.moved':
      case 'command.superseded':
      case 'command.kept':
        return toldHolds.tellHold(record, partial);
      case 'approval.requested':
      case 'approval.escalated':
      case 'approval.decided':
      case 'approval.kept':
        return toldHolds.tellApproval(record, partial);
      case 'log.opened':
      case 'service.started':
        meta.setVerifierKey(record.data.public_key);
        return null;
      case 'policy.loaded':
      case 'policy.kept':
        if (record.data.text !== undefined) meta.keepPolicy(record.data.sha256, record.data.text);
        return null;
      case 'sightings.kept':
        if (record.data.first) pruning.clearSightings();
        for (const sighted of record.data.sightings) store.sightings.keep(sighted.class, sighted.source, sighted.at);
        return null;
      case 'log.pruned':
        prune(record);
        return null;
      case 'log.recovered':
      case 'log.rotated':
      case 'service.stopped':
      case 'tokens.loaded':
      case 'key.changed':
      case 'auth.denied':
      case 'rate.limited':
        return null;
      default:
        record satisfies never;
        throw new TypeError('it is of a kind that this version does not know');
    }
  }

  function prune({ seq, ts, data }: Extract<Recorded, { type: 'log.pruned' }>): void {
    const { to, root, hashes, public_key, policy_sha256 } = data;
    // An earlier pruning: what it told again came before this log begins, and what it removed was never told here.
    if (to < untold) return;
    if (to >= seq) throw new TypeError('it tells of records that are still to come');
    if (untold > 0) beginBehind({ begin: 0, end: to, hashes });
    if (rootOf(store.tree.at(to)) !== root) throw new TypeError('its root is not the one of the records before it');
    if (public_key !== null) meta.setVerifierKey(public_key);
    store.tree.keepLeaves(to);
    pruning.sweep(to, policy_sha256, Date.parse(ts));
    retelling.giveUp(to);
    const waiting = retelling.waiting();
    if (waiting) throw new TypeError(`nothing before it tells of ${waiting.id}`);
  }

  /** What was pruned is told again now, down to its tree, on which the records behind it grow. */
  function beginBehind(pruned: Range): void {
    if (pruned.hashes.length !== subtreesOf(0, pruned.end).length) throw new TypeError('its hashes are not those of the records before it');
    store.tree.keepRange(pruned);
    tree = pruned;
    while (tree.end < head.seq) {
      for (const { line } of records.after(tree.end, CHUNK_RECORDS, CHUNK_BYTES)) tree = append(tree, hashOf(line), store.tree.keep);
    }
    untold = 0;
  }

  return {
    get head() {
      return head;
    },
    take,
    finish() {
      if (untold > 0) throw refusal(untold, 'it is missing, and no log.pruned tells of what came before');
      let added = 0;
      for (let next = owed.next(); next; next = owed.next()) {
        take(seal(head, { ts: head.ts, ...next }).line);
        added += 1;
      }
      return added;
    },
  };
}

function refusal(seq: number, reason: string): RecorderError {
  return new RecorderError('storage_failed', `record ${seq} of the log cannot be told again: ${reason}`);
}
