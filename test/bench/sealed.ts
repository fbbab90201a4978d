// A long log made quickly: records of the usual size, sealed one to the next by the code of the service, signed at its end.

import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { checkpointText } from '../../src/audit/checkpoint.ts';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import { append, emptyRange, rootOf } from '../../src/audit/merkle.ts';
import { signNote } from '../../src/audit/note.ts';
import { type Entry, GENESIS, type Head, seal } from '../../src/audit/record.ts';
import { checkpointPath } from '../../src/audit/segments.ts';
import { REPORTS } from './requests.ts';

export interface SealedLog {
  readonly bytes: number;
  /** The key that its checkpoint is signed under. */
  readonly verifierKey: string;
}

const CHUNK = 1000;

/** Writes `records` records to a file, and beside it the checkpoint over them. */
export function writeSealedLog(path: string, records: number): SealedLog {
  const key = readKey('bench/incident-recorder', newKeyPem());
  const fd = openSync(path, 'w');
  let head: Head = GENESIS;
  let tree = emptyRange();
  let bytes = 0;
  let lines: string[] = [];
  for (let n = 0; n < records; n += 1) {
    const sealed = seal(head, n === 0 ? opened(key.verifierKey) : reported(n));
    tree = append(tree, sealed.hash);
    head = sealed;
    lines.push(`${sealed.line}\n`);
    if (lines.length < CHUNK && n < records - 1) continue;
    bytes += writeSync(fd, lines.join(''));
    lines = [];
  }
  closeSync(fd);
  writeFileSync(checkpointPath(path), signNote(checkpointText({ origin: key.name, size: records, root: rootOf(tree) }), key));
  return { bytes, verifierKey: key.verifierKey };
}

const AT = Date.parse('2026-03-13T08:15:30.123Z');

function opened(public_key: string): Entry {
  const data = { origin: 'bench/incident-recorder', instance: '0'.repeat(32), public_key, software: 'bench' };
  return { ts: new Date(AT).toISOString(), type: 'log.opened', id: null, actor: 'recorder', data };
}

/** As an `incident.reported` looks on the outside; to a verifier what is within is text. */
function reported(n: number): Entry {
  const id = `INC-20260313-${n.toString(16).padStart(12, '0')}`;
  const data = { report: REPORTS[n % REPORTS.length], reported_by: 'service', decided_by: PADDING };
  return { ts: new Date(AT + n).toISOString(), type: 'incident.reported', id, actor: 'service:service', data };
}

/** What the decision adds. */
const PADDING = 'x'.repeat(175);
