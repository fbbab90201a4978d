// What is said to an actuator, to the letter.
import { describe, expect, it } from 'vitest';
import { type Order, letterOf } from '../../src/delivery/dialect.ts';
import { VERSION } from '../../src/version.ts';

const ORDER: Order = {
  ...{ id: 'CMD-0123456789ab', op: 'apply', action: 'freeze_agent', target: { type: 'agent', id: '*' }, params: { limit: 5 } },
  ...{ hold_id: 'HLD-0123456789ab', incident_id: 'INC-20260313-1f0c9a7be2d4', reason: 'ordered', attempt: 2 },
  incidents: { count: 250, ids: ['INC-20260313-1f0c9a7be2d4', 'INC-20260313-000000000002'] },
  ...{ created_at: '2026-03-13T08:15:30.123Z', expires_at: null, deadline: '2026-03-13T08:15:35.123Z', drill: false, seq: 42 },
};
const AT = new Date('2026-03-13T08:15:31.900Z');
const KEY = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
const BACKGROUND = () => ({ class: 'attestation_failure', model_name: 'llama' });

describe('the dialect of the recorder', () => {
  it('says what is wanted of which hold, for whom and until when', () => {
    const letter = letterOf('standard', ORDER, BACKGROUND, { keys: [KEY], token: 't0k' }, AT);
    expect(JSON.parse(letter?.body ?? '')).toEqual({
      type: 'containment.command',
      timestamp: '2026-03-13T08:15:30.123Z',
      data: {
        ...{
          command_id: 'CMD-0123456789ab',
          op: 'apply',
          action: 'freeze_agent',
          target: { type: 'agent', id: '*' },
          params: { limit: 5 },
        },
        ...{ hold_id: 'HLD-0123456789ab', incident_id: 'INC-20260313-1f0c9a7be2d4', incidents: ORDER.incidents.ids, incidents_count: 250 },
        ...{ reason: 'ordered', attempt: 2, expires_at: null, deadline: '2026-03-13T08:15:35.123Z', drill: false, seq: 42 },
      },
    });
    expect(letter?.headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': `incident-recorder/${VERSION}`,
      authorization: 'Bearer t0k',
      'webhook-id': 'CMD-0123456789ab',
      'webhook-timestamp': '1773389731',
      'webhook-signature': expect.stringMatching(/^v1,/),
    });
  });

  it('is not signed without a key, and shows no token without one', () => {
    const letter = letterOf('standard', ORDER, BACKGROUND, { keys: [], token: null }, AT);
    expect(Object.keys(letter?.headers ?? {})).toEqual(['content-type', 'accept', 'user-agent']);
  });
});

describe('the dialect of SecAI_OS', () => {
  const say = (order: Partial<Order>) => {
    const letter = letterOf('secai', { ...ORDER, ...order }, BACKGROUND, { keys: [KEY], token: 't0k' }, AT);
    return letter && (JSON.parse(letter.body) as unknown);
  };
  const incident_id = 'INC-20260313-1f0c9a7be2d4';
  const reason = `containment for incident ${incident_id} (attestation_failure)`;

  it('says what its services accept, and nothing else', () => {
    expect(say({})).toEqual({ action: 'freeze', incident_id, reason });
    expect(say({ action: 'disable_airlock' })).toEqual({ action: 'disable', incident_id, reason });
    expect(say({ action: 'force_vault_relock' })).toEqual({ action: 'relock', incident_id, reason });
    const model = { action: 'quarantine_model', target: { type: 'model', id: '/models/a.gguf' } } as const;
    expect(say(model)).toEqual({ action: 'quarantine', incident_id, reason, model_path: '/models/a.gguf', model_name: 'llama' });
    expect(say({ ...model, target: { type: 'model', id: 'unknown' } })).toMatchObject({ model_path: '' });
  });

  it('is not signed: its services know a bearer token', () => {
    const letter = letterOf('secai', ORDER, BACKGROUND, { keys: [KEY], token: 't0k' }, AT);
    expect(letter?.headers['authorization']).toBe('Bearer t0k');
    expect(letter?.headers).not.toHaveProperty('webhook-signature');
  });

  it('has no word for a release, a question, an exercise, or another action', () => {
    expect(say({ op: 'release' })).toBeNull();
    expect(say({ op: 'verify' })).toBeNull();
    expect(say({ drill: true })).toBeNull();
    expect(say({ action: 'block_ip' })).toBeNull();
    expect(say({ action: 'toString' })).toBeNull();
  });
});
