// The text of a checkpoint: as the specification shows it, there and back, and what is not one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkpointText, parseCheckpoint } from '../../src/audit/checkpoint.ts';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import { openNote, signNote } from '../../src/audit/note.ts';
import { refusalOf } from '../support/refusal.ts';

/** https://c2sp.org/tlog-checkpoint */
const SOFA = {
  text: 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n',
  line: '— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n',
  origin: 'example.com/behind-the-sofa',
  size: 20852163,
  root: '0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62',
};

describe('a checkpoint', () => {
  it('is read and written as the specification shows it', () => {
    const { origin, size, root } = SOFA;
    expect(parseCheckpoint(openNote(`${SOFA.text}\n${SOFA.line}`).text)).toEqual({ origin, size, root });
    expect(checkpointText({ origin, size, root })).toBe(SOFA.text);
  });

  it('of any log comes back as it was written, also when it is signed', () => {
    const key = readKey('log', newKeyPem());
    const origin = fc.string({ unit: 'grapheme', minLength: 1 }).filter((each) => !/[\0-\x1f]/.test(each));
    const root = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
    fc.assert(
      fc.property(fc.record({ origin, size: fc.maxSafeNat(), root }, { noNullPrototype: true }), (checkpoint) => {
        expect(parseCheckpoint(checkpointText(checkpoint))).toEqual(checkpoint);
        expect(parseCheckpoint(openNote(signNote(checkpointText(checkpoint), key)).text)).toEqual(checkpoint);
      }),
    );
  });

  it('of an empty log has the size 0', () => {
    expect(parseCheckpoint('log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n').size).toBe(0);
  });

  it('can have extension lines, which are passed over', () => {
    const { origin, size, root } = SOFA;
    expect(parseCheckpoint(`${SOFA.text}one\ntwo 3\n`)).toEqual({ origin, size, root });
  });

  const [origin, size, root] = SOFA.text.split('\n').map(String);
  it.each([
    ['empty', ''],
    ['an empty line', '\n'],
    ['without its last newline', SOFA.text.slice(0, -1)],
    ['without its root', `${origin}\n${size}\n`],
    ['without an origin', `\n${size}\n${root}\n`],
    ['with an empty line below', `${SOFA.text}\n`],
    ['with an empty line among its extensions', `${SOFA.text}one\n\ntwo\n`],
    ['a whole note', `${SOFA.text}\n${SOFA.line}`],
    ['with its lines swapped', `${size}\n${origin}\n${root}\n`],
    ['with a size that has a leading zero', `${origin}\n0${size}\n${root}\n`],
    ['with a size of two zeros', `${origin}\n00\n${root}\n`],
    ['with a negative size', `${origin}\n-1\n${root}\n`],
    ['with a size with a sign', `${origin}\n+1\n${root}\n`],
    ['with a broken size', `${origin}\n1.5\n${root}\n`],
    ['with a size in hex', `${origin}\n0x10\n${root}\n`],
    ['with a size with an exponent', `${origin}\n1e3\n${root}\n`],
    ['with no size', `${origin}\n\n${root}\n`],
    ['with a size with a space', `${origin}\n ${size}\n${root}\n`],
    ['with a size in other digits', `${origin}\n١\n${root}\n`],
    ['with a size that is not exact as a number', `${origin}\n9007199254740992\n${root}\n`],
    ['with a size of twenty digits', `${origin}\n18446744073709551615\n${root}\n`],
    ['with a root of 31 bytes', `${origin}\n${size}\n${Buffer.alloc(31).toString('base64')}\n`],
    ['with a root of 33 bytes', `${origin}\n${size}\n${Buffer.alloc(33).toString('base64')}\n`],
    ['with a root in hex', `${origin}\n${size}\n${SOFA.root}\n`],
    ['with a root without padding', `${origin}\n${size}\n${root?.replace('=', '')}\n`],
    ['with a root that has bits to spare', `${origin}\n${size}\n${root?.replace('q2I=', 'q2J=')}\n`],
    ['with a root of the other alphabet', `${origin}\n${size}\n${root?.replace('/', '_')}\n`],
    ['with a root and more', `${origin}\n${size}\n${root} \n`],
    ['with lines as on Windows', SOFA.text.replaceAll('\n', '\r\n')],
  ])('is none when it is %s', (_, text) => {
    expect(refusalOf(() => parseCheckpoint(text)).code).toBe('invalid_parameter');
  });

  it('can have the largest size that is exact as a number', () => {
    expect(parseCheckpoint(`${origin}\n9007199254740991\n${root}\n`).size).toBe(Number.MAX_SAFE_INTEGER);
  });
});
