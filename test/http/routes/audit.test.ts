// Reading the audit log: its lines byte for byte, the checkpoint over them, and proofs that hold by the book.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../../src/audit/checkpoint.ts';
import { newKeyPem, readKey } from '../../../src/audit/key.ts';
import { extendsTree, includes } from '../../../src/audit/merkle.ts';
import { cosignatureOf, isSignedBy, openNote, parseVerifierKey } from '../../../src/audit/note.ts';
import { checkpointOver, sizeOf } from '../../support/checkpoints.ts';
import { openFolder } from '../../support/folder.ts';
import { type TestHouse, aReport, openTestHouse, readRecords } from '../../support/house.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';
import { pathOf, proofOf, rootOf } from '../../support/tree.ts';
import { openTestWitness } from '../../support/witness.ts';

const API = '/api/v1/audit';
const REPORT = '/api/v1/incidents/report';

let house: TestHouse;
let log: string;
let leaves: string[];
beforeAll(async () => {
  house = await openTestHouse({ tokens: ROLE_TOKENS });
  for (let i = 0; i < 20; i += 1) await house.post(REPORT, aReport({ description: `é "quoted" \u2028 ${i}` })).expect(201);
  log = readFileSync(join(house.dir, 'audit.jsonl'), 'utf8');
  // As the format says it, and not by the hash that a line claims.
  leaves = log
    .split('\n')
    .slice(0, -1)
    .map((line) =>
      createHash('sha256')
        .update(`\0${line.slice(0, -75)}`)
        .digest('hex'),
    );
  await checkpointOver(house, leaves.length);
});
afterAll(async () => house[Symbol.asyncDispose]());

describe('the records', () => {
  /** All pages behind the first, as a follower of the links gets them. */
  async function follow(path: string): Promise<{ text: string; pages: number }> {
    let text = '';
    for (let [next, pages] = [path, 0]; ;) {
      const answer = await house.get(next).buffer().expect(200);
      expect(answer.headers['content-type']).toBe('application/x-ndjson');
      text += answer.text;
      pages += 1;
      const [, link] = /^<(.+)>; rel="next"$/.exec(answer.headers['link'] ?? '') ?? [];
      if (link === undefined) return { text, pages };
      next = link;
    }
  }

  it('are the file, byte for byte, in one page and in many', async () => {
    expect(await follow(`${API}/records?limit=1000`)).toEqual({ text: log, pages: 1 });
    expect(await follow(`${API}/records?limit=7`)).toEqual({ text: log, pages: Math.ceil(leaves.length / 7) });
    expect((await follow(`${API}/records`)).text).toBe(log);
  });

  it('go on behind the one that is named, and end without a next', async () => {
    const lines = log.split('\n').slice(0, -1);
    const { text, headers } = await house.get(`${API}/records?after=3&limit=2`).buffer().expect(200);
    expect(text).toBe(`${lines[3]}\n${lines[4]}\n`);
    expect(headers['link']).toBe(`<${API}/records?after=5&limit=2>; rel="next"`);
    const last = await house
      .get(`${API}/records?after=${leaves.length - 1}`)
      .buffer()
      .expect(200);
    expect([last.text, last.headers['link']]).toEqual([`${lines.at(-1)}\n`, undefined]);
    const none = await house.get(`${API}/records?after=${leaves.length}`).buffer().expect(200);
    expect([none.text, none.headers['link']]).toEqual(['', undefined]);
    expect((await house.get(`${API}/records?after=9007199254740991`).buffer().expect(200)).text).toBe('');
  });

  it('of a page are bounded by bytes too, and a page has at least one', async () => {
    await using own = await openTestHouse();
    const evidence = Object.fromEntries(Array.from({ length: 3 }, (_, i) => [`k${i}`, 'x'.repeat(16_000)]));
    for (let i = 0; i < 20; i += 1) await own.post(REPORT, aReport({ evidence })).expect(201);
    const { text, headers } = await own.get(`${API}/records?limit=1000`).buffer().expect(200);
    expect(text.length).toBeGreaterThan(512 * 1024);
    expect(text.length).toBeLessThan(600 * 1024);
    expect(headers['link']).toContain('rel="next"');
  });

  it.each([
    ['limit=0', 'limit must be a whole number from 1 to 1000'],
    ['limit=1001', 'limit must be a whole number from 1 to 1000'],
    ['limit=1e2', 'limit must be'],
    ['after=-1', 'after must be a whole number'],
    ['after=x', 'after must be'],
    ['after=9007199254740992', 'after must be'],
    ['after=1&after=2', 'after must be given once'],
    ['aftr=1', 'did you mean "after"?'],
  ])('are refused with ?%s', async (query, detail) => {
    const answer = await house.get(`${API}/records?${query}`).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_parameter', detail: expect.stringContaining(detail) });
    expect(faultOfProblem(answer)).toBeNull();
  });
});

describe('the checkpoint', () => {
  it('is 404 before the first, and then the signed note over all that was recorded, for anybody', async () => {
    using folder = openFolder();
    const path = join(folder.path, 'audit.jsonl');
    // While this is in the way, none can be published.
    mkdirSync(`${path}.checkpoint.new`);
    await using own = await openTestHouse({ env: { AUDIT_LOG_PATH: path } });
    const { body } = await own.post(REPORT, aReport()).expect(201);
    const before = await own.http.get(`${API}/checkpoint`).expect(404);
    expect(before.body.detail).toBe('no checkpoint is published yet');
    expect(faultOfProblem(before)).toBeNull();
    rmdirSync(`${path}.checkpoint.new`);
    await checkpointOver(own, body.audit.seq);
    const answer = await own.http.get(`${API}/checkpoint`).expect(200);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(readFileSync(`${path}.checkpoint`, 'utf8')).toBe(answer.text);
    const records = readRecords(path);
    const opened = records.find(({ type }) => type === 'log.opened');
    const key = parseVerifierKey(String(opened?.data['public_key']));
    expect(isSignedBy(answer.text, key)).toBe(true);
    expect(isSignedBy(answer.text.replace(/\n\d+\n/, '\n1\n'), key)).toBe(false);
    const { origin, size, root } = parseCheckpoint(openNote(answer.text).text);
    expect([origin, root]).toEqual(['test/incident-recorder', rootOf(records.slice(0, size).map(({ hash }) => hash))]);
  });

  it('with its cosignature is there once a witness has given one, and 404 where there is none', async () => {
    expect((await house.http.get(`${API}/checkpoint?cosigned`).expect(404)).body.detail).toBe('no checkpoint is cosigned yet');
    using folder = openFolder();
    const pem = newKeyPem();
    const key = readKey('test/incident-recorder', pem);
    await using witness = await openTestWitness({ logs: [key.verifierKey] });
    const env = { CHECKPOINT_KEY_PATH: folder.file('checkpoint.key', pem), WITNESS_URL: witness.url, WITNESS_KEY: witness.verifierKey };
    await using own = await openTestHouse({ env });
    const note = await checkpointOver(own, 1, '?cosigned');
    const cosigner = parseVerifierKey(witness.verifierKey);
    expect(isSignedBy(note, parseVerifierKey(key.verifierKey))).toBe(true);
    expect(cosignatureOf(note, cosigner)?.timestamp).toBeGreaterThan(1.7e9);
    expect(cosignatureOf(await checkpointOver(house, 1), cosigner)).toBeNull();
    expect(witness.seen.get('test/incident-recorder')?.size).toBeGreaterThanOrEqual(sizeOf(note));
  });

  it('takes no other parameter', async () => {
    await house.http.get(`${API}/checkpoint?signed`).expect(400);
    await house.http.get(`${API}/checkpoint?cosigned&cosigned`).expect(400);
  });
});

describe('a proof of inclusion', () => {
  it('is the one of the book for every record in trees of many sizes, and holds by our verifier', async () => {
    for (const size of [1, 2, 3, 7, 8, 20, 33, leaves.length]) {
      const root = rootOf(leaves.slice(0, size));
      for (let seq = 1; seq <= size; seq += size > 10 ? 5 : 1) {
        const { body } = await house.get(`${API}/proof/inclusion?seq=${seq}&size=${size}`).expect(200);
        expect(body).toEqual({ seq, size, root, leaf: leaves[seq - 1], proof: pathOf(seq - 1, leaves.slice(0, size)) });
        expect(includes(body.leaf, seq - 1, { size, root }, body.proof)).toBe(true);
        expect(includes(body.leaf, seq - 1, { size, root: body.leaf }, body.proof)).toBe(size === 1);
      }
    }
  });

  it('leads to the root that is signed when no size is asked for', async () => {
    const published = parseCheckpoint(openNote(await checkpointOver(house, 10)).text);
    const { body } = await house.get(`${API}/proof/inclusion?seq=10`).expect(200);
    expect(body).toMatchObject({ size: published.size, root: published.root });
    expect(includes(String(leaves[9]), 9, published, body.proof)).toBe(true);
    expect(includes(String(leaves[8]), 9, published, body.proof)).toBe(false);
  });

  it.each([
    ['', 'seq is required'],
    ['seq=0', 'seq must be a whole number from 1'],
    ['seq=4&size=3', 'seq must be a whole number from 1 to 3'],
    ['seq=1&size=0', 'size must be'],
    ['seq=1&size=1000000', 'size must be'],
    ['seq=1.5', 'seq must be'],
    ['seq=1&seq=2', 'seq must be given once'],
    ['seq=1&sise=3', 'did you mean "size"?'],
  ])('is refused with ?%s', async (query, detail) => {
    const answer = await house.get(`${API}/proof/inclusion?${query}`).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_parameter', detail: expect.stringContaining(detail) });
    expect(faultOfProblem(answer)).toBeNull();
  });
});

describe('a proof of consistency', () => {
  it('is the one of the book between many sizes, and holds by our verifier', async () => {
    for (const to of [1, 2, 5, 8, 13, 32, leaves.length]) {
      for (let from = 1; from <= to; from += to > 10 ? 4 : 1) {
        const { body } = await house.get(`${API}/proof/consistency?from=${from}&to=${to}`).expect(200);
        const [from_root, to_root] = [rootOf(leaves.slice(0, from)), rootOf(leaves.slice(0, to))];
        expect(body).toEqual({ from, from_root, to, to_root, proof: proofOf(from, leaves.slice(0, to)) });
        const newer = { size: to, root: to_root };
        expect(extendsTree({ size: from, root: from_root }, newer, body.proof)).toBe(true);
        expect(extendsTree({ size: from, root: '0'.repeat(64) }, newer, body.proof)).toBe(false);
      }
    }
  });

  it.each([
    ['', 'from is required'],
    ['from=5&to=4', 'from must be a whole number from 1 to 4'],
    ['from=0&to=4', 'from must be'],
    ['from=1&to=1000000', 'to must be'],
    ['to=4', 'from is required'],
  ])('is refused with ?%s', async (query, detail) => {
    const answer = await house.get(`${API}/proof/consistency?${query}`).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_parameter', detail: expect.stringContaining(detail) });
  });
});

describe('who may', () => {
  const { reporter, reader, operator, admin } = ROLE_TOKENS;

  it('read the log: reader, operator and admin, with a token even on loopback; a reporter may not', async () => {
    for (const path of ['records', 'proof/inclusion?seq=1', 'proof/consistency?from=1']) {
      await house.http.get(`${API}/${path}`).expect(401);
      expect((await house.get(`${API}/${path}`, reporter.token).expect(403)).body.code).toBe('forbidden');
      for (const { token } of [reader, operator, admin]) await house.get(`${API}/${path}`, token).expect(200);
    }
  });

  it('fetch the checkpoint: anybody, also where every other read needs a token', async () => {
    await using own = await openTestHouse({ env: { REQUIRE_READ_TOKEN: '1' } });
    expect(await checkpointOver(own, 1)).toContain('— test/incident-recorder ');
    await own.http.get('/api/v1/stats').expect(401);
  });
});
