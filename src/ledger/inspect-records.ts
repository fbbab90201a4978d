// Whether the records of the store are the ones that were written: each sealed to the one before it, and the tree kept over them theirs.

import { append, emptyRange, rootOf } from '../audit/merkle.ts';
import { GENESIS, type Head, faultAfter, headOf, prevOf } from '../audit/record.ts';
import type { Inspected, Rest } from './inspected.ts';

const CHUNK_RECORDS = 500;
const CHUNK_BYTES = 256 * 1024;

export async function inspectRecords(
  { store, until, onForgery }: Pick<Inspected, 'store' | 'until' | 'onForgery'>,
  rest: Rest,
): Promise<void> {
  const first = store.records.first();
  let head: Pick<Head, 'seq' | 'hash'> = first === 1 ? GENESIS : { seq: first - 1, hash: prevOf(store.records.line(first) ?? '') };
  let tree = first === 1 ? emptyRange() : store.tree.at(first - 1);
  while (head.seq < until) {
    const page = store.records.after(head.seq, CHUNK_RECORDS, CHUNK_BYTES);
    if (page.length === 0) return onForgery(head.seq + 1, 'it is missing');
    for (const { line } of page) {
      const reason = faultAfter(head, line);
      if (reason !== null) return onForgery(head.seq + 1, reason);
      head = headOf(line) ?? head;
      tree = append(tree, head.hash);
    }
    await rest();
  }
  if (rootOf(tree) !== rootOf(store.tree.at(head.seq))) await onForgery(head.seq, 'the tree over the records is not theirs');
}
