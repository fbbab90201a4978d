// What is signed is verified by the library of Standard Webhooks, which shares no code with ours.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { signatureHeaders } from '../../src/delivery/signature.ts';

const NOW_S = () => Date.now() / 1000;
const webhook = (key: Buffer) => new Webhook(`whsec_${key.toString('base64')}`);

describe('a signature', () => {
  it('is the one of the standard, for any body and key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), fc.json(), (bytes, body) => {
        const key = Buffer.from(bytes);
        const headers = signatureHeaders([key], 'CMD-0123456789ab', NOW_S(), body);
        expect(webhook(key).verify(body, headers)).toEqual(JSON.parse(body));
      }),
    );
  });

  it('of two keys is verified by either, as while a secret rotates', () => {
    const [old, fresh, other] = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const headers = signatureHeaders([fresh, old], 'CMD-1', NOW_S(), '{"é":1}');
    expect(headers['webhook-signature']).toMatch(/^v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=$/);
    expect(webhook(old).verify('{"é":1}', headers)).toEqual({ é: 1 });
    expect(webhook(fresh).verify('{"é":1}', headers)).toEqual({ é: 1 });
    expect(() => webhook(other).verify('{"é":1}', headers)).toThrow('signature');
  });

  it('holds for this body, this id and this time only', () => {
    const key = randomBytes(32);
    const headers = signatureHeaders([key], 'CMD-1', NOW_S(), '{}');
    expect(() => webhook(key).verify('{ }', headers)).toThrow('signature');
    expect(() => webhook(key).verify('{}', { ...headers, 'webhook-id': 'CMD-2' })).toThrow('signature');
    expect(() => webhook(key).verify('{}', signatureHeaders([key], 'CMD-1', NOW_S() - 400, '{}'))).toThrow('too old');
  });

  it('is that of the standard’s own example', () => {
    const key = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
    expect(signatureHeaders([key], 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}')).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });
});
