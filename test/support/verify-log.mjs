// Verifies an audit log and shares no code with src: node test/support/verify-log.mjs FILE
// The format it knows is the one in src/audit/README.md: raw bytes, a fixed tail, and nothing re-serialised.

import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const TAIL = /^,"hash":"([0-9a-f]{64})"\}$/;

/** @returns {{ records: number, fault: string | null, offset: number, torn: boolean, last: string }} `offset` of the first bad line */
export function verifyLog(path) {
  const bytes = readFileSync(path);
  let [seq, prev, at] = [0, '0'.repeat(64), 0];
  const bad = (fault) => ({ records: seq, fault, offset: at, torn: false, last: prev });
  for (let end = bytes.indexOf(10, at); end >= 0; end = bytes.indexOf(10, at)) {
    const line = bytes.subarray(at, end);
    const tail = TAIL.exec(line.subarray(-75).toString('latin1'));
    const body = line.subarray(0, -75);
    if (!tail) return bad('no hash at its end');
    if (!body.toString('latin1').startsWith(`{"v":1,"seq":${seq + 1},"ts":"`)) return bad(`not record ${seq + 1}`);
    if (!body.subarray(-74).toString('latin1').endsWith(`,"prev":"${prev}"`)) return bad('prev is not the hash before it');
    if (createHash('sha256').update(Buffer.of(0)).update(body).digest('hex') !== tail[1]) return bad('hash does not fit');
    [seq, prev, at] = [seq + 1, tail[1], end + 1];
  }
  return { records: seq, fault: null, offset: at, torn: at < bytes.length, last: prev };
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const { records, fault, offset, torn, last } = verifyLog(process.argv[2] ?? '');
  if (fault) console.log(`bad: ${fault} (byte ${offset}); the ${records} records before it are sound`);
  else console.log(`sound: ${records} records${torn ? ', and a torn last line' : ''}; last hash ${last}`);
  process.exitCode = fault ? 3 : torn ? 4 : 0;
}
