// Signed notes and the keys that they are checked with: the vectors of others, what a note can hold, and everything that is not one.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import {
  COSIGNATURE_V1,
  ED25519,
  type KeyType,
  cosignatureOf,
  isSignedBy,
  openNote,
  parseVerifierKey,
  signNote,
  verifierKeyOf,
} from '../../src/audit/note.ts';
import { refusalOf } from '../support/refusal.ts';

/** golang.org/x/mod/sumdb/note, note_test.go */
const GO = {
  peter: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  secret: 'AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz',
  enoch: 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop',
  text: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
  peterLine: '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
  enochLine: '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n',
};

/** A checkpoint that a public log made and public witnesses cosigned, in 2026. */
const PUBLIC = {
  log: 'arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f',
  witness: 'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2',
  text: 'arche2025h1.staging.ct.transparency.dev\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n',
  lines: [
    '— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n',
    '— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n',
    '— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n',
    '— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n',
  ],
};
const PUBLIC_NOTE = `${PUBLIC.text}\n${PUBLIC.lines.join('')}`;

/** The private key of a Go signer key: its last part is a type byte and the 32 bytes of seed. */
function fromSeed(base64: string) {
  const seed = Buffer.from(base64, 'base64').subarray(1);
  return createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  });
}

const ANY_TEXT = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
  fc.constantFrom('— log AAAA', 'é😀', '\u2028', '\x7f', '\u202e'),
);

function newPair(name: string, type: KeyType = ED25519) {
  const privateKey = createPrivateKey(newKeyPem());
  const raw = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(-32);
  return { privateKey, raw, key: verifierKeyOf(name, raw, type) };
}

/** A signature line of cosignature/v1, put together by hand. */
function cosignatureLine({ privateKey, key }: ReturnType<typeof newPair>, text: string, timestamp: bigint, told = timestamp): string {
  const stamp = Buffer.alloc(8);
  stamp.writeBigUInt64BE(told);
  const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${timestamp}\n${text}`), privateKey);
  return `— ${key.name} ${Buffer.concat([Buffer.from(key.id, 'hex'), stamp, signature]).toString('base64')}\n`;
}

describe('a verifier key', () => {
  it.each([
    [GO.peter, 'PeterNeumann', 'c74f20a3', ED25519],
    [GO.enoch, 'EnochRoot', 'af0cfe78', ED25519],
    ['sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8', 'sum.golang.org', '033de0ae', ED25519],
    [PUBLIC.witness, 'remora.n621.de', 'da77ade7', COSIGNATURE_V1],
  ] as [string, string, string, KeyType][])('is read as others write it: %s', (text, name, id, type) => {
    expect(parseVerifierKey(text)).toMatchObject({ name, id, type, text });
    const { x } = parseVerifierKey(text).publicKey.export({ format: 'jwk' });
    const bytes = Buffer.from(text.split('+').slice(2).join('+'), 'base64').subarray(1);
    expect(x).toBe(bytes.toString('base64url'));
    expect(verifierKeyOf(name, bytes, type).text).toBe(text);
  });

  it('is refused in every part of itself, and with every character changed, as in Go', () => {
    for (let begin = 0; begin <= GO.peter.length; begin += 1) {
      for (let end = begin + 1; end <= GO.peter.length; end += 1) {
        if (end - begin < GO.peter.length) {
          expect(refusalOf(() => parseVerifierKey(GO.peter.slice(begin, end))).code).toBe('invalid_parameter');
        }
      }
      const next = String.fromCharCode(GO.peter.charCodeAt(begin) + 1);
      const changed = GO.peter.slice(0, begin) + (begin < GO.peter.length ? next : '!') + GO.peter.slice(begin + 1);
      expect(refusalOf(() => parseVerifierKey(changed)).code).toBe('invalid_parameter');
    }
  });

  const id = (name: string, typed: Buffer) => createHash('sha256').update(`${name}\n`).update(typed).digest('hex').slice(0, 8);
  const made = (name: string, typed: Buffer) => `${name}+${id(name, typed)}+${typed.toString('base64')}`;
  const typed = (type: number, length = 32) => Buffer.concat([Buffer.of(type), Buffer.alloc(length, 7)]);
  it.each([
    ['nothing', '', 'is not of the form'],
    ['a name alone', 'log', 'is not of the form'],
    ['no key behind its id', 'log+00000000+', 'is not of the form'],
    [
      'a longer key with bits to spare, as Go tests',
      'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==',
      'is not of the form',
    ],
    ['a longer key, with its right id', made('log', typed(1, 35)), 'has a key of 35 bytes'],
    ['a shorter key, with its right id', made('log', typed(1, 31)), 'has a key of 31 bytes'],
    ['only a type', made('log', typed(1, 0)), 'has a key of 0 bytes'],
    ['an unknown type, with its right id', 'PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'of type 101'],
    ['a type that we do not take', made('log', typed(2)), 'of type 2'],
    ['another id', made('log', typed(1)).replace(/\+[0-9a-f]{8}\+/, '+00000000+'), 'has the key id 00000000'],
    ['an id in capitals', GO.peter.replace('c74f20a3', 'C74F20A3'), 'is not of the form'],
    ['the id of another type', made('log', typed(4)).replace(/[^+]+$/, typed(1).toString('base64')), 'has the key id'],
    ['no name', made('', typed(1)), 'is not of the form'],
    ['a name with a space', made('a b', typed(1)), 'is not of the form'],
    ['a name with a wide space', made('a\u3000b', typed(1)), 'is not of the form'],
    ['a name with a next-line', made('a\u0085b', typed(1)), 'is not of the form'],
    ['a name with a newline', made('a\nb', typed(1)), 'is not of the form'],
    ['a name with a control character', made('a\u0007b', typed(1)), 'is not of the form'],
    ['base64 without its padding', made('log', typed(1, 33)).replace(/=+$/, ''), 'is not of the form'],
    ['base64 of the other alphabet', made('log', Buffer.alloc(33, 0xfb)).replaceAll('/', '_'), 'is not of the form'],
    ['a newline at its end', `${GO.peter}\n`, 'is not of the form'],
  ])('is refused when it has %s', (_, text, why) => {
    const { code, message } = refusalOf(() => parseVerifierKey(text));
    expect(code).toBe('invalid_parameter');
    expect(message).toContain(why);
  });

  it('is not made with another length, nor of a name that a note cannot hold', () => {
    expect(verifierKeyOf('log', Buffer.alloc(32), ED25519).text).toBe(made('log', Buffer.concat([Buffer.of(1), Buffer.alloc(32)])));
    expect(refusalOf(() => verifierKeyOf('log', Buffer.alloc(31), ED25519)).code).toBe('invalid_parameter');
    for (const name of ['', 'a+b', 'a b', 'a\tb', '\ud800']) {
      expect(refusalOf(() => verifierKeyOf(name, Buffer.alloc(32), ED25519)).code).toBe('invalid_parameter');
    }
  });
});

describe('signing', () => {
  it('gives the very note that Go gives', () => {
    const signer = { name: 'PeterNeumann', id: 'c74f20a3', privateKey: fromSeed(GO.secret) };
    expect(signNote(GO.text, signer)).toBe(`${GO.text}\n${GO.peterLine}`);
  });

  it('gives a note that opens and is signed by its key alone, whatever the text', () => {
    const key = readKey('host.example/incident-recorder', newKeyPem());
    const verifier = parseVerifierKey(key.verifierKey);
    const others = [parseVerifierKey(readKey('host.example/incident-recorder', newKeyPem()).verifierKey), parseVerifierKey(GO.peter)];
    const line = ANY_TEXT.map((text) => text.replaceAll(/[\0-\x1f]/g, ' '));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (lines) => {
        const text = lines.map((each) => `${each}\n`).join('');
        const note = signNote(text, key);
        expect(openNote(note)).toMatchObject({ text, signatures: [{ name: key.name, id: key.id }] });
        expect(isSignedBy(note, verifier)).toBe(true);
        for (const other of others) expect(isSignedBy(note, other)).toBe(false);
        expect(isSignedBy(`\n${note}`, verifier)).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['is empty', ''],
    ['does not end in a newline', 'abc'],
    ['does not end in a newline, and has an empty line', 'abc\n\nabc'],
    ['holds a control character', 'a\tb\n'],
    ['holds a carriage return', 'a\r\n'],
    ['holds a lone surrogate', 'a\ud800\n'],
    ['is too long', `${'a'.repeat(1024 * 1024)}\n`],
  ])('is refused for a text that %s', (_, text) => {
    expect(refusalOf(() => signNote(text, readKey('log', newKeyPem()))).code).toBe('invalid_parameter');
  });
});

describe('a note', () => {
  const [peter, enoch] = [parseVerifierKey(GO.peter), parseVerifierKey(GO.enoch)];
  const both = `${GO.text}\n${GO.peterLine}${GO.enochLine}`;

  it('of Go is opened, and each of its signatures is good', () => {
    const { text, signatures } = openNote(both);
    expect(text).toBe(GO.text);
    expect(signatures.map(({ name, id, signature }) => [name, id, signature.length])).toEqual([
      ['PeterNeumann', 'c74f20a3', 64],
      ['EnochRoot', 'af0cfe78', 64],
    ]);
    expect([isSignedBy(both, peter), isSignedBy(both, enoch)]).toEqual([true, true]);
    expect([isSignedBy(`${GO.text}\n${GO.peterLine}`, peter), isSignedBy(`${GO.text}\n${GO.peterLine}`, enoch)]).toEqual([true, false]);
  });

  it('is signed by nobody once a byte of its text is another', () => {
    expect(isSignedBy(both.replace('answer', 'Answer'), peter)).toBe(false);
    expect(isSignedBy(both.replace('problem is.\n', 'problem is.\n\n'), peter)).toBe(false);
  });

  it('is not signed by a key of the same name or the same id', () => {
    const bytes = Buffer.from(GO.peter.split('+')[2] ?? '', 'base64').subarray(1);
    expect(isSignedBy(both, { ...peter, id: '00000000' })).toBe(false);
    expect(isSignedBy(both, { ...peter, name: 'PeterNeuman' })).toBe(false);
    expect(isSignedBy(both, verifierKeyOf('PeterNeumann', bytes, COSIGNATURE_V1))).toBe(false);
    expect(isSignedBy(both, verifierKeyOf('PeterNeumann', bytes, ED25519))).toBe(true);
  });

  it('is not signed by a key of which it holds a bad signature too', () => {
    const bad = GO.peterLine.replace('ZJkuBS', 'ZJkuBT');
    expect(isSignedBy(`${GO.text}\n${GO.peterLine}${GO.peterLine}`, peter)).toBe(true);
    expect(isSignedBy(`${GO.text}\n${GO.peterLine}${bad}`, peter)).toBe(false);
    expect(isSignedBy(`${GO.text}\n${bad}${GO.peterLine}`, peter)).toBe(false);
    expect(isSignedBy(`${GO.text}\n${bad}${GO.enochLine}`, enoch)).toBe(true);
    const longer = `${GO.peterLine.slice(0, 60)}ABCD${GO.peterLine.slice(60)}`;
    expect(openNote(`${GO.text}\n${longer}`).signatures).toHaveLength(1);
    expect(isSignedBy(`${GO.text}\n${longer}`, peter)).toBe(false);
  });

  it('has its signatures below its last empty line: a text can hold empty lines, and lines that look like signatures', () => {
    const key = readKey('log', newKeyPem());
    for (const text of ['\n', 'a\n\nb\n', '\n\n\n', `${GO.text}\n${GO.peterLine}`]) {
      const note = signNote(text, key);
      expect(openNote(note).text).toBe(text);
      expect(isSignedBy(note, peter)).toBe(false);
      expect(isSignedBy(note, parseVerifierKey(key.verifierKey))).toBe(true);
    }
  });

  it('can have a hundred signatures, and no more', () => {
    expect(openNote(`${GO.text}\n${GO.peterLine.repeat(100)}`).signatures).toHaveLength(100);
    expect(refusalOf(() => openNote(`${GO.text}\n${GO.peterLine.repeat(101)}`)).message).toBe('has 101 signatures; at most 100 are taken');
    expect(isSignedBy(`${GO.text}\n${GO.peterLine.repeat(101)}`, peter)).toBe(false);
  });

  it('can have a mebibyte, and no more, counted in bytes', () => {
    const note = (filler: string) => `${filler}\n\n${GO.peterLine}`;
    const room = 1024 * 1024 - Buffer.byteLength(note(''));
    expect(openNote(note('a'.repeat(room))).text).toHaveLength(room + 1);
    expect(refusalOf(() => openNote(note('a'.repeat(room + 1)))).message).toContain('longer than');
    expect(refusalOf(() => openNote(note('é'.repeat(room / 2 + 1)))).message).toContain('longer than');
  });

  const base64 = GO.peterLine.slice('— PeterNeumann '.length, -1);
  it.each([
    ['empty', '', 'has no empty line'],
    ['a text alone', GO.text, 'has no empty line'],
    ['a text and an empty line', `${GO.text}\n`, 'signature line 1'],
    ['without its last newline', `${GO.text}\n${GO.peterLine.slice(0, -1)}`, 'does not end in a newline'],
    ['with a control character in front', `\u0001${both}`, 'holds a control character'],
    ['with a tab', both.replace('crypto', '\t'), 'holds a control character'],
    ['with lines as on Windows', both.replaceAll('\n', '\r\n'), 'holds a control character'],
    ['with a lone surrogate', `\udfff${both}`, 'a lone surrogate'],
    ['with another line below', `${both}Unexpected line.\n`, 'signature line 3'],
    ['with an empty line below', `${both}\n`, 'signature line 1'],
    ['with a name of two words', `${GO.text}\n— Bad Name ${base64}\n`, 'signature line 1'],
    ['with a name that holds a plus', `${GO.text}\n— Bad+Name ${base64}\n`, 'signature line 1'],
    ['with a name that holds a wide space', `${GO.text}\n— Bad\u2003Name ${base64}\n`, 'signature line 1'],
    ['with no name', `${GO.text}\n—  ${base64}\n`, 'signature line 1'],
    ['with a hyphen for its dash', `${GO.text}\n- PeterNeumann ${base64}\n`, 'signature line 1'],
    ['with two spaces', `${GO.text}\n— PeterNeumann  ${base64}\n`, 'signature line 1'],
    ['with a space at the end of a line', `${GO.text}\n— PeterNeumann ${base64} \n`, 'signature line 1'],
    ['with no base64', `${GO.text}\n— PeterNeumann \n`, 'signature line 1'],
    ['with base64 without padding', `${GO.text}\n— PeterNeumann ${base64.replace('=', '')}\n`, 'signature line 1'],
    ['with base64 that has bits to spare', `${GO.text}\n— PeterNeumann ${base64.replace('AM=', 'AN=')}\n`, 'signature line 1'],
    ['with a signature of no more than a key id', `${GO.text}\n— PeterNeumann x08gow==\n`, 'signature line 1'],
  ])('is none when it is %s', (_, note, why) => {
    const { code, message } = refusalOf(() => openNote(note));
    expect(code).toBe('invalid_parameter');
    expect(message).toContain(why);
    expect(isSignedBy(note, peter)).toBe(false);
    expect(cosignatureOf(note, peter)).toBeNull();
  });

  it('that is anything at all is opened or refused, and in time', () => {
    const piece = fc.oneof(fc.constantFrom('\n', '\n\n', '— ', GO.text, GO.peterLine, GO.enochLine, base64, ' '), ANY_TEXT);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const note = pieces.join('');
        let text: string | null = null;
        try {
          ({ text } = openNote(note));
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_parameter' });
        }
        if (text === null) expect(isSignedBy(note, peter)).toBe(false);
        else expect(note.startsWith(`${text}\n— `)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a cosignature', () => {
  const text = 'log.example\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n';

  it('of a public witness on a checkpoint of a public log is good, and so is the signature of the log', () => {
    expect(isSignedBy(PUBLIC_NOTE, parseVerifierKey(PUBLIC.log))).toBe(true);
    expect(isSignedBy(PUBLIC_NOTE, parseVerifierKey(PUBLIC.witness))).toBe(true);
    expect(cosignatureOf(PUBLIC_NOTE, parseVerifierKey(PUBLIC.witness))).toEqual({ timestamp: 0x6a122120 });
    const later = PUBLIC_NOTE.replace('\n1432088532\n', '\n1432088533\n');
    expect(isSignedBy(later, parseVerifierKey(PUBLIC.log))).toBe(false);
    expect(cosignatureOf(later, parseVerifierKey(PUBLIC.witness))).toBeNull();
  });

  it('is that of the example in the specification, as far as that can be seen without its key', () => {
    const line =
      '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n';
    const [only] = openNote(`${text}\n${line}`).signatures;
    expect(only).toMatchObject({ name: 'witness.example.com/w1', id: '8d66cf3f' });
    expect(only?.signature.length).toBe(72);
    expect(only?.signature.readBigUInt64BE()).toBe(1679315147n);
  });

  it('is of one time and one text', () => {
    const witness = newPair('witness.example/w1', COSIGNATURE_V1);
    const note = `${text}\n${cosignatureLine(witness, text, 1679315147n)}`;
    expect(cosignatureOf(note, witness.key)).toEqual({ timestamp: 1679315147 });
    expect(cosignatureOf(note.replace('\n3\n', '\n4\n'), witness.key)).toBeNull();
    expect(cosignatureOf(`${text}\n${cosignatureLine(witness, text, 1679315147n, 1679315148n)}`, witness.key)).toBeNull();
    expect(cosignatureOf(note, newPair('witness.example/w1', COSIGNATURE_V1).key)).toBeNull();
  });

  it('covers the extension lines of a checkpoint', () => {
    const witness = newPair('w', COSIGNATURE_V1);
    const note = `${text}more\n\n${cosignatureLine(witness, `${text}more\n`, 5n)}`;
    expect(cosignatureOf(note, witness.key)).toEqual({ timestamp: 5 });
    expect(cosignatureOf(note.replace('more', 'less'), witness.key)).toBeNull();
  });

  it('is the first of several of one key, all of which must be good', () => {
    const witness = newPair('w', COSIGNATURE_V1);
    const [good, later, bad] = [5n, 6n, 7n].map((at) => cosignatureLine(witness, at === 7n ? 'other\n' : text, at));
    expect(cosignatureOf(`${text}\n${good}${later}`, witness.key)).toEqual({ timestamp: 5 });
    expect(cosignatureOf(`${text}\n${good}${bad}`, witness.key)).toBeNull();
  });

  it('is no plain signature, nor the other way round, also of one key pair', () => {
    const plain = newPair('w');
    const timed = { ...plain, key: verifierKeyOf('w', plain.raw, COSIGNATURE_V1) };
    const signed = signNote(text, { ...plain.key, privateKey: plain.privateKey });
    const cosigned = `${text}\n${cosignatureLine(timed, text, 5n)}`;
    expect([isSignedBy(signed, plain.key), isSignedBy(signed, timed.key), cosignatureOf(signed, plain.key)]).toEqual([true, false, null]);
    expect([isSignedBy(cosigned, plain.key), isSignedBy(cosigned, timed.key)]).toEqual([false, true]);
    // With the id of the other type, so that only what is signed tells them apart.
    expect(isSignedBy(signed, { ...timed.key, id: plain.key.id })).toBe(false);
    expect(isSignedBy(cosigned, { ...plain.key, id: timed.key.id })).toBe(false);
  });

  it('of a time that no number is exact for is none', () => {
    const witness = newPair('w', COSIGNATURE_V1);
    const at = (time: bigint) => cosignatureOf(`${text}\n${cosignatureLine(witness, text, time)}`, witness.key);
    expect(at(2n ** 53n - 1n)).toEqual({ timestamp: Number.MAX_SAFE_INTEGER });
    expect(at(2n ** 53n)).toBeNull();
    expect(at(2n ** 64n - 1n)).toBeNull();
  });

  it('with a byte more or less is none', () => {
    const witness = newPair('w', COSIGNATURE_V1);
    const [, , base64 = ''] = cosignatureLine(witness, text, 5n).trimEnd().split(' ');
    const bytes = Buffer.from(base64, 'base64');
    const note = (each: Buffer) => `${text}\n— w ${each.toString('base64')}\n`;
    expect(isSignedBy(note(bytes), witness.key)).toBe(true);
    for (const wrong of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.of(0)]), bytes.subarray(0, 5), bytes.subarray(0, 12)]) {
      expect(isSignedBy(note(wrong), witness.key)).toBe(false);
      expect(cosignatureOf(note(wrong), witness.key)).toBeNull();
    }
  });
});

it('a key of another kind than Ed25519 signs nothing that is taken', () => {
  const { privateKey } = generateKeyPairSync('ed448');
  const key = newPair('log').key;
  expect(isSignedBy(signNote('text\n', { name: 'log', id: key.id, privateKey }), key)).toBe(false);
});
