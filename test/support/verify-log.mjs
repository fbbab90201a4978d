// Verifies an audit log and shares no code with src: node test/support/verify-log.mjs FILE… [--checkpoint NOTE --pubkey KEY]
// The format it knows is the one in src/audit/README.md: raw bytes, a fixed tail, and nothing re-serialised. Files oldest first.

import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';

const TAIL = /^,"hash":"([0-9a-f]{64})"\}$/;
const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const read = (path) => (path.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path));
const PRUNED = /^\{"v":1,"seq":([2-9]|[1-9]\d+),"ts":.*,"prev":"([0-9a-f]{64})","hash":"[0-9a-f]{64}"\}$/;

/** What verify-log.d.mts says. Where the records before the first are gone, a `log.pruned` must tell so, with the tree of them. */
export function verifyLog(paths) {
  const bytes = Buffer.concat([paths].flat().map(read));
  const [, begin = '1', before = '0'.repeat(64)] = PRUNED.exec(bytes.toString('latin1', 0, Math.max(0, bytes.indexOf(10)))) ?? [];
  const leaves = [];
  let [seq, prev, at] = [Number(begin) - 1, before, 0];
  /** @type {{ to: number, hashes: string[], by: number } | null} */
  let pruned = null;
  const bad = (fault) => ({ records: seq, fault, offset: at, torn: false, last: prev, leaves, pruned });
  for (let end = bytes.indexOf(10, at); end >= 0; end = bytes.indexOf(10, at)) {
    const line = bytes.subarray(at, end);
    const tail = TAIL.exec(line.subarray(-75).toString('latin1'));
    const body = line.subarray(0, -75);
    if (!tail) return bad('no hash at its end');
    if (!body.toString('latin1').startsWith(`{"v":1,"seq":${seq + 1},"ts":"`)) return bad(`not record ${seq + 1}`);
    if (!body.subarray(-74).toString('latin1').endsWith(`,"prev":"${prev}"`)) return bad('prev is not the hash before it');
    if (sha256(Buffer.of(0), body).toString('hex') !== tail[1]) return bad('hash does not fit');
    [seq, prev, at] = [seq + 1, tail[1], end + 1];
    leaves.push(prev);
    if (/^[^,]*,[^,]*,"ts":"[^"]*","type":"log\.pruned"/.test(line.toString('latin1'))) {
      const { to, hashes } = JSON.parse(line.toString()).data;
      if (to === Number(begin) - 1) pruned = { to, hashes, by: seq };
    }
  }
  if (begin !== '1' && !pruned) {
    [seq, at] = [0, 0];
    return bad(`it begins with record ${begin}, and does not tell why`);
  }
  return { records: seq, fault: null, offset: at, torn: at < bytes.length, last: prev, leaves, pruned };
}

/** The root of RFC 6962 over leaves `begin` to `end`, as its definition says it; `gone` has the roots of what was pruned. */
function rootOf(leaves, begin, end, gone) {
  const known = gone.get(`${begin}-${end}`);
  if (known) return Buffer.from(known, 'hex');
  if (begin === end) return sha256();
  if (end - begin === 1) return Buffer.from(leaves[begin] ?? '', 'hex');
  let split = 1;
  while (split * 2 < end - begin) split *= 2;
  return sha256(Buffer.of(1), rootOf(leaves, begin, begin + split, gone), rootOf(leaves, begin + split, end, gone));
}

/** The largest subtrees that cover what was pruned, left to right, by the leaves that each spans. */
function subtreesOf({ to, hashes }) {
  let at = 0;
  const next = () => ((at += 2 ** Math.floor(Math.log2(to - at))), at);
  return new Map(hashes.map((hash) => [`${at}-${next()}`, hash]));
}

/** What is wrong with a log by a signed checkpoint that somebody held, or null. `key` is a verifier key, of which only the bytes are used. */
export function faultByCheckpoint({ records, leaves, pruned }, note, key) {
  const [text, signature] = note.split('\n\n— ');
  const [origin, size, root] = text.split('\n');
  const raw = Buffer.from(key.replace(/^[^+]*\+[0-9a-f]{8}\+/, ''), 'base64').subarray(1);
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const signed = Buffer.from(signature.trim().split(' ')[1], 'base64').subarray(4);
  if (!signature.startsWith(`${origin} `) || !verify(null, Buffer.from(`${text}\n`), publicKey, signed)) return 'the signature is not good';
  if (records < Number(size)) return `the log has ${records} records; the checkpoint covers ${size}`;
  if (pruned && pruned.by > Number(size)) return `record ${pruned.by}, which tells of what is gone, is not covered by the checkpoint`;
  const all = pruned ? [...Array.from({ length: pruned.to }, () => ''), ...leaves] : leaves;
  return rootOf(all, 0, Number(size), pruned ? subtreesOf(pruned) : new Map()).toString('base64') === root ? null : 'the root is another';
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const named = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
  const [note, key] = [named('--checkpoint'), named('--pubkey')];
  const files = process.argv.slice(2).filter((each) => !each.startsWith('--') && each !== note && each !== key);
  const log = verifyLog(files);
  const held = note && key ? faultByCheckpoint(log, readFileSync(note, 'utf8'), key) : null;
  if (log.fault) console.log(`bad: ${log.fault} (byte ${log.offset}); the ${log.records} records before it are sound`);
  else console.log(`sound: ${log.records} records${log.torn ? ', and a torn last line' : ''}; last hash ${log.last}`);
  if (note && key) console.log(held ? `bad: ${held}` : 'the checkpoint holds');
  process.exitCode = log.fault || held ? 3 : log.torn ? 4 : 0;
}
