// Reading the audit log: its records, the newest checkpoint, and the proofs that tie the one to the other.

import { type Range, consistencySpans, hashesOf, inclusionSpans, rootOf } from '../../audit/merkle.ts';
import { RecorderError } from '../../errors.ts';
import type { Checkpoints } from '../../ledger/checkpoints.ts';
import type { Store } from '../../store/store.ts';
import type { Call, Route } from '../guard.ts';
import { limitOf, parametersOf, single, wholeNumber } from '../query.ts';
import { type Reply, NDJSON, json, raw } from '../reply.ts';

export interface AuditParts {
  store: Pick<Store, 'records' | 'tree'>;
  checkpoints: Pick<Checkpoints, 'latest' | 'cosigned'>;
  /** Over all that is committed. */
  tree: () => Range;
}

const MAX_RECORDS = 1000;
/** An answer is cut short, and goes on behind its `next`, when its lines outgrow this (UTF-16 units). */
const MAX_PAGE_LENGTH = 512 * 1024;

export function auditRoutes({ store, checkpoints, tree }: AuditParts): Route[] {
  /** Lines as they stand in the log, byte for byte. */
  function records({ url, path }: Call): Reply {
    const parameters = parametersOf(url, ['after', 'limit']);
    const after = wholeNumber(parameters, 'after', 0, Number.MAX_SAFE_INTEGER) ?? 0;
    const limit = limitOf(parameters, MAX_RECORDS);
    const page = store.records.after(after, limit, MAX_PAGE_LENGTH);
    const last = page.at(-1)?.seq ?? 0;
    const link = last > 0 && last < tree().end ? { link: `<${path}?after=${last}&limit=${limit}>; rel="next"` } : {};
    return raw(page.map(({ line }) => `${line}\n`).join(''), 200, { 'content-type': NDJSON, ...link });
  }

  /** The signed note as it is published; `cosigned`: the newest that the witness has put its name under. */
  function checkpoint({ url }: Call): Reply {
    const cosigned = single(parametersOf(url, ['cosigned']), 'cosigned') !== null;
    const published = cosigned ? checkpoints.cosigned : checkpoints.latest;
    if (!published) throw new RecorderError('not_found', cosigned ? 'no checkpoint is cosigned yet' : 'no checkpoint is published yet');
    return raw(published.note, 200, { 'content-type': 'text/plain; charset=utf-8' });
  }

  /** @throws RecorderError "not_found" where the tree is not kept so far down: this store was made again out of a log that had been pruned */
  function proven<T>(prove: () => T): T {
    try {
      return prove();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RecorderError('not_found', `what this would prove was pruned: the log begins with record ${store.records.first()}`);
    }
  }

  function inclusion({ url }: Call): Reply {
    const parameters = parametersOf(url, ['seq', 'size']);
    const size = wholeNumber(parameters, 'size', 1, tree().end) ?? checkpoints.latest?.size ?? tree().end;
    const seq = required(wholeNumber(parameters, 'seq', 1, size), 'seq');
    return proven(() =>
      json({
        ...{ seq, size, root: rootOf(store.tree.at(size)) },
        leaf: store.tree.hashOf({ level: 0, index: seq - 1 }),
        proof: hashesOf(inclusionSpans(seq - 1, size), store.tree.hashOf),
      }),
    );
  }

  function consistency({ url }: Call): Reply {
    const parameters = parametersOf(url, ['from', 'to']);
    const to = wholeNumber(parameters, 'to', 1, tree().end) ?? checkpoints.latest?.size ?? tree().end;
    const from = required(wholeNumber(parameters, 'from', 1, to), 'from');
    return proven(() =>
      json({
        ...{ from, from_root: rootOf(store.tree.at(from)), to, to_root: rootOf(store.tree.at(to)) },
        proof: hashesOf(consistencySpans(from, to), store.tree.hashOf),
      }),
    );
  }

  return [
    { method: 'GET', path: '/api/v1/audit/records', for: 'read', handle: records },
    { method: 'GET', path: '/api/v1/audit/checkpoint', for: 'anyone', handle: checkpoint },
    { method: 'GET', path: '/api/v1/audit/proof/inclusion', for: 'read', handle: inclusion },
    { method: 'GET', path: '/api/v1/audit/proof/consistency', for: 'read', handle: consistency },
  ];
}

function required(given: number | null, name: string): number {
  if (given === null) throw new RecorderError('invalid_parameter', `${name} is required`);
  return given;
}
