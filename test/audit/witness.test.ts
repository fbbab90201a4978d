// What is said to a witness and understood of its answers: as the specification shows it, and nothing that it does not.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkpointText } from '../../src/audit/checkpoint.ts';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import { COSIGNATURE_V1, cosignatureOf, isSignedBy, parseVerifierKey, signNote, verifierKeyOf } from '../../src/audit/note.ts';
import { cosignaturesIn, sizeIn, submissionText } from '../../src/audit/witness.ts';
import { refusalOf } from '../support/refusal.ts';

const LOG = readKey('log.example', newKeyPem());
const TEXT = checkpointText({ origin: 'log.example', size: 3, root: 'ab'.repeat(32) });
const NOTE = signNote(TEXT, LOG);

function newWitness(name: string) {
  const privateKey = createPrivateKey(newKeyPem());
  const raw = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(-32);
  const key = verifierKeyOf(name, raw, COSIGNATURE_V1);
  return {
    key,
    line(text = TEXT, time = 1_700_000_000n) {
      const stamp = Buffer.alloc(8);
      stamp.writeBigUInt64BE(time);
      const signed = sign(null, Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), privateKey);
      return `— ${name} ${Buffer.concat([Buffer.from(key.id, 'hex'), stamp, signed]).toString('base64')}\n`;
    },
  };
}

const WITNESS = newWitness('witness.example/w1');
const OTHER = newWitness('witness.example/w2');
const lineOf = (name: string, length: number, fill = 7) => `— ${name} ${Buffer.alloc(length, fill).toString('base64')}\n`;

describe('a submission', () => {
  it('is written as the specification shows it', () => {
    const proof = ['PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=', 'jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk='];
    const text = submissionText({ from: 20852014, proof: proof.map((each) => Buffer.from(each, 'base64').toString('hex')), note: NOTE });
    expect(text).toBe(`old 20852014\n${proof[0]}\n${proof[1]}\n\n${NOTE}`);
  });

  it('of a log that the witness does not know has size 0 and no proof', () => {
    expect(submissionText({ from: 0, proof: [], note: NOTE })).toBe(`old 0\n\n${NOTE}`);
  });
});

describe('an answer 200', () => {
  it('gives the line that makes the note cosigned', () => {
    expect(cosignaturesIn(WITNESS.line(), NOTE, WITNESS.key)).toBe(WITNESS.line());
    const cosigned = NOTE + cosignaturesIn(WITNESS.line(), NOTE, WITNESS.key);
    expect(cosignatureOf(cosigned, WITNESS.key)).toEqual({ timestamp: 1_700_000_000 });
    expect(isSignedBy(cosigned, parseVerifierKey(LOG.verifierKey))).toBe(true);
  });

  it('gives the lines of the key that is asked for, and passes over those of others', () => {
    const body = `${OTHER.line()}${lineOf('post.quantum', 2432)}${WITNESS.line()}${lineOf('log.example', 76)}${lineOf('short', 5)}`;
    expect(cosignaturesIn(body, NOTE, WITNESS.key)).toBe(WITNESS.line());
    expect(cosignaturesIn(body, NOTE, OTHER.key)).toBe(OTHER.line());
    expect(cosignaturesIn(`${WITNESS.line()}${WITNESS.line(TEXT, 5n)}`, NOTE, WITNESS.key)).toBe(
      `${WITNESS.line()}${WITNESS.line(TEXT, 5n)}`,
    );
  });

  it('gives every line that can be a cosignature when there is no key to ask for', () => {
    const body = `${OTHER.line()}${lineOf('post.quantum', 2432)}${WITNESS.line('of another text\n')}`;
    expect(cosignaturesIn(body, NOTE, null)).toBe(body);
    expect(refusalOf(() => cosignaturesIn(body, NOTE, WITNESS.key)).code).toBe('invalid_parameter');
  });

  it.each([
    ['is of another key alone', OTHER.line()],
    ['is of a key of the same name', newWitness('witness.example/w1').line()],
    ['is of another text', WITNESS.line(TEXT.replace('\n3\n', '\n4\n'))],
    ['is of the time 0', WITNESS.line(TEXT, 0n)],
    ['is of a time past all time', WITNESS.line(TEXT, 2n ** 63n)],
    ['has a good line and a bad one', `${WITNESS.line()}${WITNESS.line('other\n')}`],
  ])('is refused when it %s, and its key is known', (_, body) => {
    expect(refusalOf(() => cosignaturesIn(body, NOTE, WITNESS.key)).code).toBe('invalid_parameter');
  });

  it.each([
    ['has a line in the name of the log', `${WITNESS.line()}${lineOf('log.example', 76)}`],
    ['has a line that is too short', `${WITNESS.line()}${lineOf('short', 75)}`],
    ['is of the time 0', lineOf('zero', 76, 0)],
    ['is of a time past all time', lineOf('late', 76, 0xff)],
  ])('is refused when it %s, and no key is known', (_, body) => {
    expect(refusalOf(() => cosignaturesIn(body, NOTE, null)).code).toBe('invalid_parameter');
  });

  it('has 76 bytes in a line at the least, when no key is known', () => {
    expect(cosignaturesIn(lineOf('w', 76), NOTE, null)).toBe(lineOf('w', 76));
  });

  it.each([
    ['is empty', ''],
    ['is an empty line', '\n'],
    ['is a page', '<html>welcome</html>\n'],
    ['has no newline at its end', WITNESS.line().slice(0, -1)],
    ['has an empty line in front', `\n${WITNESS.line()}`],
    ['has an empty line below', `${WITNESS.line()}\n`],
    ['has an empty line between', `${WITNESS.line()}\n${WITNESS.line()}`],
    ['has another line below', `${WITNESS.line()}thanks\n`],
    ['has lines as on Windows', WITNESS.line().replace('\n', '\r\n')],
    ['brings a text of its own', `\nother.example\n9\n${Buffer.alloc(32).toString('base64')}\n\n${WITNESS.line()}`],
    ['brings a text of its own, and two lines', `\nother.example\n9\nroot\n\n${WITNESS.line()}${WITNESS.line()}`],
    ['has an empty line between three', `${WITNESS.line()}\n${WITNESS.line()}${WITNESS.line()}`],
    ['has 17 lines', WITNESS.line().repeat(17)],
    ['has a thousand lines', WITNESS.line().repeat(1000)],
    ['is too long', `— ${'w'.repeat(2 ** 20)} AAAAAAAA\n`],
  ])('is refused when it %s, with a key or without', (_, body) => {
    expect(refusalOf(() => cosignaturesIn(body, NOTE, WITNESS.key)).code).toBe('invalid_parameter');
    expect(refusalOf(() => cosignaturesIn(body, NOTE, null)).code).toBe('invalid_parameter');
  });

  it('can have 16 lines', () => {
    expect(cosignaturesIn(WITNESS.line().repeat(16), NOTE, WITNESS.key)).toBe(WITNESS.line().repeat(16));
  });
});

describe('an answer 409', () => {
  it.each([
    ['0\n', 0],
    ['50\n', 50],
    ['9007199254740991\n', Number.MAX_SAFE_INTEGER],
  ])('names the size %j', (body, size) => {
    expect(sizeIn('text/x.tlog.size', body)).toBe(size);
  });

  it.each([
    ['text/plain', '10\n'],
    [undefined, '10\n'],
    ['text/x.tlog.size; charset=utf8', '51\n'],
    ['text/x.tlog.size', ''],
    ['text/x.tlog.size', '50'],
    ['text/x.tlog.size', '050\n'],
    ['text/x.tlog.size', '50\n\n'],
    ['text/x.tlog.size', ' 50\n'],
    ['text/x.tlog.size', '-1\n'],
    ['text/x.tlog.size', '1e3\n'],
    ['text/x.tlog.size', '9007199254740992\n'],
    ['text/x.tlog.size', '18446744073709551615\n'],
  ])('of type %j names no size with %j', (type, body) => {
    expect(sizeIn(type, body)).toBeNull();
  });
});
