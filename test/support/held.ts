// Holds, commands, approvals and actuators as tests like them: whole, and with some of it otherwise.

import { type Approval, digestOf } from '../../src/incident/approval.ts';
import type { Command } from '../../src/incident/command.ts';
import type { Hold } from '../../src/incident/hold.ts';
import type { Incident } from '../../src/incident/incident.ts';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import type { Actuator, Policy } from '../../src/policy/policy.ts';

const hex = (seq: number) => seq.toString(16).padStart(12, '0');
export const holdId = (seq: number) => `HLD-${hex(seq)}`;
export const commandId = (seq: number) => `CMD-${hex(seq)}`;
export const approvalId = (seq: number) => `APR-${hex(seq)}`;
export const INCIDENT = 'INC-20260313-1f0c9a7be2d4';
const AT = '2026-03-13T08:15:30.123Z';

export function aHold(seq: number, more: Partial<Hold> = {}): Hold {
  return {
    ...{ seq, id: holdId(seq), action: 'freeze_agent', target: { type: 'agent', id: '*' }, params: {} },
    ...{ status: 'requested', actuator: 'agent', attempts: 0, error: null, completed_at: null },
    ...{ rule: 'prompt_injection', source: 'tool-firewall', incident_id: INCIDENT, created_at: AT, expires_at: null },
    ...{ ending: null, released_at: null, version: seq + 1, ...more },
  };
}

export function aCommand(seq: number, more: Partial<Command> = {}): Command {
  return {
    ...{ seq, id: commandId(seq), op: 'apply', hold: 1, hold_id: holdId(1), action: 'freeze_agent', target: { type: 'agent', id: '*' } },
    ...{ params: {}, expires_at: null, incident_id: INCIDENT, actuator: 'agent', reason: 'ordered', status: 'pending' },
    ...{ overdue: false, open: true, created_at: AT, not_before: AT, deadline_at: '2026-03-13T08:15:35.123Z' },
    ...{ attempts: 0, error: null, evidence: null, late: null, completed_at: null, ...more },
  };
}

export function anApproval(seq: number, more: Partial<Approval> = {}): Approval {
  const proposals = [
    { hold_id: holdId(seq), action: 'freeze_agent', target: 'agent:*', params: {}, actuator: 'agent', ttl_ms: null },
  ] as const;
  return {
    ...{ seq, id: approvalId(seq), incident_id: INCIDENT, status: 'pending', reason: 'mode: approve', requested_by: 'firewall' },
    ...{ proposals, digest: digestOf(proposals), created_at: AT, expires_at: '2026-03-13T09:15:30.123Z', escalated: false },
    ...{ decided_at: null, decided_by: null, note: null },
    ...{ outcome: [{ hold_id: holdId(seq), status: 'awaiting_approval', error: null }], ...more },
  };
}

export function anActuator(name: string, more: Partial<Actuator> = {}): Actuator {
  return {
    ...{ name, actions: ['freeze_agent'], push: null, dialect: 'standard', secret: null, token: null, token_required: true },
    ...{ deadline_ms: 5000, verify: null, heartbeat_ms: null, ...more },
  };
}

/** The built-in table, with these actuators. */
export function policyWith(...actuators: readonly Actuator[]): Policy {
  return { ...builtInPolicy(), actuators: new Map(actuators.map((actuator) => [actuator.name, actuator])) };
}

/** Rows as a store lists them: newest first, those before a seq. */
export function newestFirst<T extends { readonly seq: number }>(rows: readonly T[], before: number, limit: number): T[] {
  return rows
    .filter(({ seq }) => seq < before)
    .toSorted((a, b) => b.seq - a.seq)
    .slice(0, limit);
}

/** Follows `next` to the end; each page as the ids on it. */
export async function pagesOf(
  get: (path: string) => PromiseLike<{ status: number; body: { id: string }[]; headers: Record<string, string> }>,
  path: string,
): Promise<string[][]> {
  const found: string[][] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    const answer: { status: number; body: { id: string }[]; headers: Record<string, string> } = await get(next);
    if (answer.status !== 200) throw new Error(`${next} is ${answer.status}`);
    found.push(answer.body.map(({ id }) => id));
    next = /^<(\/[^>]+)>; rel="next"$/.exec(answer.headers['link'] ?? '')?.[1];
    if (found.length > 100) throw new Error('the list has no end');
  }
  return found;
}

/** One action, which is asked for. */
const REQUESTED: Pick<Incident, 'containment'> = {
  containment: {
    ...{ status: 'requested', reached_at: null },
    actions: [
      {
        ...{ action: 'freeze_agent', target: 'agent:*', hold_id: 'HLD-000000000001', status: 'requested' },
        ...{ actuator: 'agent', attempts: 0, error: null, completed_at: null },
      },
    ],
  },
};

export function anIncident(more: Partial<Incident> = {}): Incident {
  return {
    ...{ id: INCIDENT, created_at: AT, updated_at: AT, occurred_at: null, class: 'prompt_injection', severity: 'high', state: 'open' },
    ...{
      source: 'tool-firewall',
      reported_by: 'reporter',
      description: 'ignore previous instructions',
      evidence: null,
      late: null,
      subject: null,
    },
    ...{ dedup_key: null, occurrences: 1, last_seen_at: AT, follows: null, confidence: null, attack: null, trace_id: null },
    ...{ containment_actions: ['freeze_agent'], proposed_actions: [], ...REQUESTED },
    ...{ resolved_at: null, resolution: null, release: null, audit: { seq: 7, hash: 'b'.repeat(64) } },
    decided_by: { policy_sha256: 'c'.repeat(64), rule: 'prompt_injection', line: 3, severity_from: 'class' },
    ...more,
  };
}
