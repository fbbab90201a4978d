// `audit verify-bundle` as an auditor calls it: what it holds for sound, each forgery that it sees, and the omission that it cannot see.

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpointText } from '../../src/audit/checkpoint.ts';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import { signNote } from '../../src/audit/note.ts';
import { type Ran, runCommand } from '../support/command.ts';
import { checkpointOver } from '../support/checkpoints.ts';
import { aReport, openTestHouse } from '../support/house.ts';
import { rootOf } from '../support/tree.ts';

const API = '/api/v1/incidents';
const ORIGIN = 'test/incident-recorder';
const POLICY = `version: 1
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent, log_alert], dedupe: {by: [source], window: 1h}}
  tool_call_burst: {auto_contain: true, actions: [quarantine_model]}
`;

interface Bundle {
  v: number;
  log: { origin: string; verifier_key: string };
  checkpoint: string;
  records: { line: string; proof: string[] }[];
  policies: Record<string, string | null>;
  incident: Record<string, unknown>;
}

const dir = mkdtempSync(join(tmpdir(), 'bundle-'));
let bundle: Bundle;
/** Of another incident of the same log, proven in the same checkpoint. */
let other: Bundle;
/** Before the last report and the resolution. */
let earlier: Bundle;
let key: string;
let leaves: string[];

beforeAll(async () => {
  await using house = await openTestHouse({ policy: POLICY });
  const { body: made } = await house.post(`${API}/report`, aReport({ description: 'broken \ufffd character' })).expect(201);
  await house.post(`${API}/report`, aReport()).expect(200);
  await house.post(`${API}/report`, aReport()).expect(200);
  await house.post(`${API}/acknowledge`, { id: made.id }).expect(200);
  await house.post(`${API}/${made.id}/notes`, { note: 'seen' }).expect(200);
  earlier = (await house.get(`${API}/${made.id}/evidence`).expect(200)).body;
  const { body: second } = await house.post(`${API}/report`, aReport({ class: 'tool_call_burst' })).expect(201);
  const { body: done } = await house.post(`${API}/resolve`, { id: made.id }).expect(200);
  await checkpointOver(house, done.audit.seq + 1);
  bundle = (await house.get(`${API}/${made.id}/evidence`).expect(200)).body;
  other = (await house.get(`${API}/${second.id}/evidence`).expect(200)).body;
  expect(other.checkpoint).toBe(bundle.checkpoint);
  key = bundle.log.verifier_key;
  leaves = house.records().map(({ hash }) => hash);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function verify(text: string | object, ...args: string[]): Promise<Ran> {
  writeFileSync(join(dir, 'bundle.json'), typeof text === 'string' ? text : JSON.stringify(text));
  return runCommand(dir, ['audit', 'verify-bundle', 'bundle.json', '--pubkey', key, ...args]);
}

/** The bundle as somebody changed it. */
function forged(change: (copy: Bundle) => void): Bundle {
  const copy = structuredClone(bundle);
  change(copy);
  return copy;
}

const indexOf = ({ records }: Bundle, type: string, n = 0) =>
  records.flatMap(({ line }, i) => (line.includes(`"type":"${type}"`) ? [i] : []))[n] ?? -1;
const seqIn = (line = '') => Number(/"seq":(\d+)/.exec(line)?.[1]);

describe('a bundle as it was given', () => {
  it('is sound, in words that say what was proven', async () => {
    const [first, last] = [seqIn(bundle.records[0]?.line), seqIn(bundle.records.at(-1)?.line)];
    const size = Number(bundle.checkpoint.split('\n')[1]);
    expect(await verify(bundle)).toEqual({
      code: 0,
      stdout: [
        `${bundle.records.length} records, ${first} to ${last}, are in the log ${ORIGIN} as it was signed with ${size} records`,
        `${String(bundle.incident['id'])} is what they tell: resolved, medium, reported 3 times`,
        `the policy ${createHash('sha256').update(POLICY).digest('hex')} decided, and its text is here`,
        '',
      ].join('\n'),
      stderr: '',
    });
    for (const each of [other, earlier]) expect(await verify(each)).toMatchObject({ code: 0 });
  });

  it('is sound however it is laid out: with spaces, and with its keys in another order', async () => {
    expect(await verify(JSON.stringify(bundle, null, 2))).toMatchObject({ code: 0 });
    const { checkpoint, incident, log, policies, records, v } = bundle;
    expect(await verify({ checkpoint, incident, log, policies, records, v })).toMatchObject({ code: 0 });
  });

  it('is told of in JSON to scripts', async () => {
    const { stdout } = await verify(bundle, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'sound',
      checkpoint: { origin: ORIGIN, size: Number(bundle.checkpoint.split('\n')[1]) },
      told: bundle.incident,
      records: bundle.records.length,
      policies: [{ text: true }],
      faults: [],
    });
    const tampered = JSON.parse(
      (
        await verify(
          forged(({ incident }) => (incident['severity'] = 'low')),
          '--json',
        )
      ).stdout,
    );
    expect(tampered).toMatchObject({
      verdict: 'tampered',
      faults: [{ seq: null, reason: '/incident/severity is not what the records tell' }],
    });
  });

  it('says of a policy that the log no longer kept that its text is not here', async () => {
    const { code, stdout } = await verify(forged(({ policies }) => Object.keys(policies).forEach((sha256) => (policies[sha256] = null))));
    expect(stdout).toContain('decided; the log no longer kept its text');
    expect(code).toBe(0);
  });
});

type Forgery = [name: string, change: (copy: Bundle) => void, reason: RegExp];

describe('a bundle that was tampered with is seen for it:', () => {
  it.each<Forgery>([
    [
      'a letter of a line',
      ({ records }) => (records[0]!.line = records[0]!.line.replace('broken', 'Broken')),
      /record \d+: its hash does not fit its bytes/,
    ],
    [
      'half a character that hashes as another does',
      ({ records }) => (records[0]!.line = records[0]!.line.replace('\ufffd', '\ud800')),
      /record \d+: its hash does not fit its bytes/,
    ],
    [
      'a line sealed anew',
      ({ records }) => {
        const body = records[0]!.line.slice(0, -75).replace('broken', 'Broken');
        records[0]!.line = `${body},"hash":"${createHash('sha256').update(`\0${body}`).digest('hex')}"}`;
      },
      /record \d+: its proof does not lead to the root/,
    ],
    ['a line that is none', ({ records }) => (records[0]!.line = '{}'), /entry 1 does not look like a record/],
    [
      'a hash of a proof',
      ({ records }) => (records[2]!.proof[0] = '0'.repeat(64)),
      /record \d+: its proof does not lead to the root of the checkpoint/,
    ],
    ['a proof that is none', ({ records }) => (records[2]!.proof = []), /record \d+: its proof does not lead/],
    [
      'the proofs of two records swapped',
      ({ records }) => {
        [records[0]!.proof, records[1]!.proof] = [records[1]!.proof, records[0]!.proof];
      },
      /its proof does not lead/,
    ],
    [
      'two records swapped',
      ({ records }) => void records.splice(1, 2, records[2]!, records[1]!),
      /record \d+: it stands behind record \d+/,
    ],
    ['a record given twice', ({ records }) => void records.splice(1, 0, records[0]!), /record \d+: it stands behind record \d+/],
    ['no record at all', (copy) => (copy.records = []), /the records do not tell of an incident/],
    ['the report left out', ({ records }) => void records.shift(), /the records do not tell of an incident/],
    [
      'a report left out, and the incident told without it',
      (copy) => {
        copy.records.splice(indexOf(copy, 'incident.joined'), 1);
        copy.incident['occurrences'] = 2;
      },
      /record \d+: a record before it is left out: it is occurrence 3 of the incident; those before it tell of 1/,
    ],
    [
      'a step left out, and the incident told without it',
      (copy) => void copy.records.splice(indexOf(copy, 'incident.acknowledged'), 1),
      /a record before it is left out: it found the incident acknowledged; those before it leave it contained/,
    ],
    [
      'the last records left out, and the incident told with them',
      ({ records }) => void records.splice(-2),
      /\/incident\/updated_at is not what/,
    ],
    [
      'a record of another incident, with its proof',
      (copy) => {
        copy.records = [...copy.records, other.records[0]!].toSorted((a, b) => seqIn(a.line) - seqIn(b.line));
      },
      /it is not about INC-/,
    ],
    [
      'a record of the hold of another incident, with its proof',
      (copy) => {
        copy.records = [...copy.records, other.records[1]!].toSorted((a, b) => seqIn(a.line) - seqIn(b.line));
      },
      /record \d+: it is not about INC-\S+ or a hold of it/,
    ],
    [
      'a step of another incident put into its life',
      (copy) => {
        const foreign = other.records.find(({ line }) => line.includes('"incident.contained"'))!;
        copy.records = [...copy.records, foreign].toSorted((a, b) => seqIn(a.line) - seqIn(b.line));
      },
      /it is not about INC-/,
    ],
    [
      'an older checkpoint, which does not cover it',
      (copy) => (copy.checkpoint = earlier.checkpoint),
      /the checkpoint covers \d+ records only/,
    ],
    [
      'a checkpoint that another key signed under the same name',
      (copy) => {
        const size = Number(copy.checkpoint.split('\n')[1]);
        copy.checkpoint = signNote(
          checkpointText({ origin: ORIGIN, size, root: rootOf(leaves.slice(0, size)) }),
          readKey(ORIGIN, newKeyPem()),
        );
      },
      /the checkpoint is not signed by the key given/,
    ],
    [
      'the size in the checkpoint',
      (copy) => (copy.checkpoint = copy.checkpoint.replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) - 1}\n`)),
      /the checkpoint is not signed/,
    ],
    ['the text of a policy', ({ policies }) => Object.keys(policies).forEach((sha256) => (policies[sha256] += ' ')), /the text of policy/],
    ['a policy left out', (copy) => (copy.policies = {}), /record \d+: the policy [0-9a-f]{64}, which decided it, is not there/],
    ['the name of the log', ({ log }) => (log.origin = 'other/log'), /log does not name the origin of the checkpoint and a key given/],
    ['the key that is named', ({ log }) => (log.verifier_key = readKey(ORIGIN, newKeyPem()).verifierKey), /log does not name/],
    ['a field of the incident', ({ incident }) => (incident['state'] = 'open'), /\/incident\/state is not what the records tell/],
    ['a field added', ({ incident }) => (incident['approved'] = true), /\/incident\/approved is not/],
    ['a field left out', ({ incident }) => void delete incident['resolution'], /\/incident\/resolution is not/],
    ['a field within', ({ incident }) => ((incident['decided_by'] as { rule: string }).rule = 'x'), /\/incident\/decided_by\/rule is not/],
    ['an array for an object', ({ incident }) => (incident['containment'] = []), /\/incident\/containment is not/],
    [
      'a prototype',
      ({ incident }) => Object.defineProperty(incident, '__proto__', { value: {}, enumerable: true }),
      /\/incident\/__proto__ is not/,
    ],
  ])('%s', async (_, change, reason) => {
    const { code, stdout, stderr } = await verify(forged(change));
    expect(stdout).toMatch(new RegExp(`^TAMPERED: .*${reason.source}`, 'm'));
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
  });

  it('all of it, signed by a key that is not the one trusted', async () => {
    const stranger = readKey(ORIGIN, newKeyPem()).verifierKey;
    writeFileSync(join(dir, 'bundle.json'), JSON.stringify(bundle));
    const ran = await runCommand(dir, ['audit', 'verify-bundle', 'bundle.json', '--pubkey', stranger]);
    expect(ran).toEqual({ code: 3, stdout: 'TAMPERED: the checkpoint is not signed by the key given\n', stderr: '' });
    expect(await verify(bundle, '--pubkey', stranger)).toMatchObject({ code: 0 });
  });
});

describe('what a bundle cannot show, as its help says', () => {
  it('that whatever came last was left out, with what it made of the incident', async () => {
    const until = forged((copy) => {
      copy.records.splice(indexOf(copy, 'incident.noted'));
      copy.incident = { ...earlier.incident };
    });
    // The note had changed nothing but when it was changed last.
    until.incident['updated_at'] = JSON.parse(until.records.at(-1)!.line).ts;
    expect(await verify(until)).toMatchObject({ code: 0 });
  });

  it('that a note or an alert was left out', async () => {
    for (const type of ['incident.noted', 'alert.raised'])
      expect(await verify(forged((copy) => void copy.records.splice(indexOf(copy, type), 1)))).toMatchObject({ code: 0 });
    const { stdout } = await runCommand(dir, ['audit', 'verify-bundle', '--help']);
    expect(stdout).toContain('What it does not: that they are all.');
    expect(stdout).toContain('Example:');
  });
});

describe('what is no bundle', () => {
  const without = (name: keyof Bundle) => () => ({ ...bundle, [name]: undefined });
  const deep = '['.repeat(100_000);

  it.each<[string, () => string | object, RegExp]>([
    ['nothing', () => '', /ends in the middle/],
    ['half of one', () => JSON.stringify(bundle).slice(0, -20), /ends in the middle/],
    ['one and a half', () => `${JSON.stringify(bundle)}{`, /is not JSON/],
    ['a list', () => '[]', /is not JSON/],
    ['text', () => '"x"', /is not JSON/],
    ['another object', () => '{"a":1}', /has a member "a"/],
    ['an empty object', () => '{}', /is not of version 1/],
    ['another version', () => ({ ...bundle, v: 2 }), /is not of version 1/],
    ['one without its checkpoint', without('checkpoint'), /has records before its checkpoint/],
    ['one without its log', without('log'), /lacks its checkpoint, log or incident/],
    ['one without its incident', without('incident'), /lacks its checkpoint, log or incident/],
    ['one with a member twice', () => JSON.stringify(bundle).replace('"incident":', '"incident":{},"incident":'), /has "incident" twice/],
    ['one with records twice', () => JSON.stringify(bundle).replace('"policies":', '"records":[],"policies":'), /has "records" twice/],
    ['one with more members', () => ({ ...bundle, note: 'x' }), /has a member "note"/],
    ['a checkpoint that is none', () => ({ ...bundle, checkpoint: 'x\n' }), /has a checkpoint that/],
    ['a checkpoint that is a number', () => ({ ...bundle, checkpoint: 7 }), /has a checkpoint that is no text/],
    ['records that are text', () => ({ ...bundle, records: 'x' }), /has an entry of records that is not/],
    ['records that are an object', () => ({ ...bundle, records: { a: 1 } }), /has a member "records"/],
    ['a record that is null', () => ({ ...bundle, records: [null] }), /has an entry of records that is not/],
    ['a record with more', () => ({ ...bundle, records: [{ ...bundle.records[0], x: 1 }] }), /has an entry of records that is not/],
    ['a proof of numbers', () => ({ ...bundle, records: [{ ...bundle.records[0], proof: [1] }] }), /has an entry of records that is not/],
    ['a policy that is a number', () => ({ ...bundle, policies: { a: 1 } }), /has a policy that is no text/],
    ['brackets without end', () => `{"v":${deep}`, /is nested deeper than 32 levels/],
    ['brackets in a record', () => JSON.stringify(bundle).replace('"records":[', `"records":[${deep}`), /is nested deeper/],
    ['a value without end', () => `{"v":"${'x'.repeat(9 * 1024 * 1024)}"}`, /has a part of more than 8388608 bytes/],
  ])('is refused with 2 and a sentence: %s', async (_, make, reason) => {
    const { code, stdout, stderr } = await verify(make());
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^incident-recorder: bundle\.json is no bundle of evidence: it .+\n$/);
    expect(stderr).toMatch(reason);
  });

  it('is refused where it is not UTF-8, is not there, or no key is given', async () => {
    writeFileSync(join(dir, 'latin1.json'), Buffer.from('{"v":"\xe9"}', 'latin1'));
    expect((await runCommand(dir, ['audit', 'verify-bundle', 'latin1.json', '--pubkey', key])).stderr).toContain('is not UTF-8');
    expect(await runCommand(dir, ['audit', 'verify-bundle', 'nowhere.json', '--pubkey', key])).toMatchObject({ code: 1, stdout: '' });
    expect(await runCommand(dir, ['audit', 'verify-bundle', 'latin1.json'])).toMatchObject({ code: 2 });
    expect(await runCommand(dir, ['audit', 'verify-bundle', 'latin1.json', '--pubkey', 'x'])).toMatchObject({ code: 2 });
  });
});
