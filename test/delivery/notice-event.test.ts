// Which records webhooks are told of, as which event, about which incident, and in which words.

import { describe, expect, it } from 'vitest';
import { type Notice, EVENTS_OF, eventsOf, incidentIn, noticeOf } from '../../src/delivery/notice-event.ts';
import type { EventType } from '../../src/incident/events.ts';
import type { Recorded } from '../../src/incident/recorded.ts';
import { anIncident } from '../support/webhooks.ts';

const INCIDENT = anIncident();
const HOLD = { action: 'freeze_agent', incident_id: INCIDENT.id };

function aRecord(type: EventType, data: Record<string, unknown>): Recorded {
  return {
    seq: 7,
    ts: '2026-03-13T08:15:31.000Z',
    type,
    id: INCIDENT.id,
    actor: 'recorder',
    hash: 'a'.repeat(64),
    data,
  } as unknown as Recorded;
}

const progress = (status: string, error: string | null = null) => ({ status, actuator: 'agent', attempts: 1, error, completed_at: null });

describe('a notice is made of', () => {
  it.each<[EventType, Record<string, unknown>, Pick<Notice, 'event' | 'what' | 'why' | 'actions'>]>([
    [
      'incident.contained',
      { from: 'open', by: 'policy', status: 'enforced', note: null, request: null },
      { event: 'containment', what: 'is contained by the policy: enforced', why: null, actions: ['freeze_agent'] },
    ],
    [
      'command.moved',
      { command_id: 'CMD-1', op: 'apply', status: 'failed', result: 'overdue', late: false, hold: progress('failed', 'no answer') },
      { event: 'containment', what: 'could not be contained', why: 'no answer', actions: ['freeze_agent'] },
    ],
    [
      'hold.moved',
      { reason: 'checked', hold: progress('drifted', 'it says frozen: false') },
      {
        event: 'containment',
        what: 'is contained no more: what was in force is not',
        why: 'it says frozen: false',
        actions: ['freeze_agent'],
      },
    ],
    [
      'incident.escalated',
      { from: 'high', to: 'critical', count: 3, window_s: 300 },
      { event: 'escalation', what: 'has risen from high to critical', why: null, actions: [] },
    ],
    [
      'approval.escalated',
      { approval_id: 'APR-1' },
      { event: 'escalation', what: expect.stringContaining('in time'), why: null, actions: [] },
    ],
    [
      'approval.decided',
      { approval_id: 'APR-1', status: 'expired', note: null },
      { event: 'escalation', what: expect.stringContaining('in time'), why: null, actions: [] },
    ],
    [
      'hold.released',
      { reason: 'last owner ended', incident_id: INCIDENT.id, status: 'released', error: null, by_hand: false },
      { event: 'recovery', what: 'has a hold that was released', why: null, actions: ['freeze_agent'] },
    ],
    [
      'hold.released',
      { reason: 'last owner ended', incident_id: INCIDENT.id },
      { event: 'recovery', what: 'has a hold that was released', why: null, actions: ['freeze_agent'] },
    ],
    [
      'hold.released',
      { reason: 'expired', incident_id: null, status: 'expired', error: null, by_hand: true },
      {
        ...{ event: 'recovery', why: null, actions: ['freeze_agent'] },
        what: 'has a hold that has ended by its time; what it did is to be undone by hand',
      },
    ],
    [
      'hold.released',
      { reason: 'superseded', incident_id: null, status: 'released', error: null, by_hand: true },
      {
        event: 'recovery',
        what: 'has a hold that was released; what it did is to be undone by hand',
        why: null,
        actions: ['freeze_agent'],
      },
    ],
    [
      'command.moved',
      {
        op: 'release',
        status: 'failed',
        result: 'failed',
        late: false,
        error: 'it answered 500',
        hold: progress('releasing', 'it answered 500'),
      },
      { event: 'recovery', what: 'has a hold that could not be released', why: 'it answered 500', actions: ['freeze_agent'] },
    ],
    [
      'incident.resolved',
      { from: 'contained', resolution: 'true_positive', status: 'released', note: 'done', request: null },
      { event: 'recovery', what: 'is resolved: true_positive', why: null, actions: [] },
    ],
    [
      'incident.resolved',
      { from: 'contained', resolution: null, status: 'released', note: null, request: null },
      { event: 'recovery', what: 'is resolved', why: null, actions: [] },
    ],
  ])('%s %j', (type, data, notice) => {
    const hold = type.startsWith('incident.') || type.startsWith('approval.') ? null : HOLD;
    expect(noticeOf(aRecord(type, data), INCIDENT, hold)).toEqual({
      ...{ seq: 7, ts: '2026-03-13T08:15:31.000Z', incident: INCIDENT },
      ...notice,
    });
  });

  it.each<[string, EventType, Record<string, unknown>]>([
    ['what came true', 'command.moved', { op: 'apply', result: 'enforced', late: false, hold: progress('enforced') }],
    ['what was undone', 'command.moved', { op: 'release', result: 'released', late: false, hold: progress('releasing') }],
    ['what is under way', 'command.moved', { op: 'apply', result: 'accepted', late: false, hold: progress('failed') }],
    ['what was done and does not count yet', 'command.moved', { op: 'apply', result: 'enforced', late: false, hold: progress('drifted') }],
    [
      'a failure that comes late: it had failed before',
      'command.moved',
      { op: 'apply', result: 'failed', late: true, hold: progress('failed') },
    ],
    ['a hold that goes on', 'hold.moved', { hold: progress('requested') }],
    ['a hold that failed, which its command has told', 'hold.moved', { hold: progress('failed') }],
    ['an approval that somebody decided', 'approval.decided', { status: 'rejected', note: null }],
    ['an approval of which nothing waits any more', 'approval.decided', { status: 'expired', note: 'nothing waits for it any more' }],
    ['a hold that was not approved', 'hold.released', { reason: 'rejected', incident_id: null, status: 'failed' }],
    ['a hold that was not approved in time', 'hold.released', { reason: 'expired', incident_id: null, status: 'failed' }],
    ['a hold that another one goes on with', 'hold.released', { reason: 'superseded', incident_id: null, status: 'released' }],
    ['a report', 'incident.reported', {}],
    ['a note', 'incident.noted', { note: 'x' }],
    ['an alert, which has its own way out', 'alert.raised', { reason: 'log_alert' }],
    ['what is told again when the log is pruned', 'incident.kept', {}],
    ['the service itself', 'service.started', {}],
  ])('not of %s', (_, type, data) => {
    expect(noticeOf(aRecord(type, data), INCIDENT, HOLD)).toBeNull();
  });

  it('nothing whose incident is not known any more', () => {
    expect(noticeOf(aRecord('hold.released', { reason: 'expired', incident_id: null }), null, HOLD)).toBeNull();
  });
});

describe('a record', () => {
  it('is about its incident, that of its hold, or the one whose end it is a part of', () => {
    expect(incidentIn(aRecord('incident.contained', {}), null)).toBe(INCIDENT.id);
    expect(incidentIn(aRecord('command.moved', {}), { incident_id: 'INC-of-the-hold' })).toBe('INC-of-the-hold');
    expect(incidentIn(aRecord('hold.released', { incident_id: null }), { incident_id: 'INC-of-the-hold' })).toBe('INC-of-the-hold');
    expect(incidentIn(aRecord('hold.released', { incident_id: 'INC-the-last' }), { incident_id: 'INC-of-the-hold' })).toBe('INC-the-last');
  });

  it('is known by its type', () => {
    for (const [type, events] of Object.entries(EVENTS_OF)) expect(eventsOf(type)).toBe(events);
    expect(['incident.reported', 'toString', '__proto__', ''].map(eventsOf)).toEqual([[], [], [], []]);
  });
});
