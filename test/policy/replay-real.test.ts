// A replay over what the real write path has recorded: the very policy that decided changes nothing, whatever life it was.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecorderError } from '../../src/errors.ts';
import type { Recorded } from '../../src/incident/recorded.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import { type Bounds, type Replayed, createPolicyReplay } from '../../src/policy/replay.ts';
import { pruneChange } from '../../src/recorder/prune.ts';
import { OPERATOR, type WritePath, openWritePath } from '../support/write-path.ts';

const BOUNDS: Bounds = { incidents: 1000, holds: 1000, windows: 100, targets: 1000 };

function replay(text: string, records: readonly unknown[]): Replayed {
  const replayed = createPolicyReplay(parsePolicy('policy.yaml', text), BOUNDS);
  for (const record of records) replayed.take(record as Recorded);
  return replayed.outcome();
}

/** Everything that the language has and a decision depends on. */
const RULES = `rules:
  prompt_injection:
    auto_contain: true
    default_severity: medium
    actions:
      - freeze_agent
      - {action: block_ip, target: evidence.src_ip, ttl: [1m, 5m], if: severity >= medium, approve: confidence < 0.5}
      - {action: suspend_user, target: evidence.user, ttl: 2m}
      - {action: log_alert, if: occurrences >= 2}
    dedupe: {by: [source], window: 2m}
    escalate: {count: 3, window: 1m, to: critical}
    max_holds: 3
  tool_call_burst:
    auto_contain: true
    actions: [{action: block_ip, target: evidence.src_ip, if: severity >= high}, {action: rate_limit, if: severity < high}, log_alert]
    min_severity: medium
    max_holds: 2
  unauthorized_access: {actions: [freeze_agent, log_alert], default_severity: high}
protect:
  - {actions: [block_ip], targets: [10.0.0.0/8]}
  - {actions: [suspend_user], targets: ["breakglass-*"], allow: with_approval}
`;
const POLICIES: Record<string, string> = {
  'nobody is asked': `version: 1\n${RULES}`,
  'somebody is asked': `version: 1\n${RULES}actuators: {wall: {actions: [block_ip, rate_limit], pull: true}}\napprovals: {timeout: 1m, on_timeout: reject}\n`,
  'an operator approves everything': `version: 1\nmode: approve\n${RULES}approvals: {timeout: 5m, on_timeout: escalate}\n`,
  'it only observes': `version: 1\nmode: observe\n${RULES}`,
};

const aReportLike = fc.record(
  {
    class: fc.constantFrom('prompt_injection', 'prompt_injection', 'tool_call_burst', 'unauthorized_access', 'manifest_mismatch'),
    source: fc.constantFrom('firewall', 'airlock'),
    severity: fc.constantFrom('low', 'medium', 'high', 'critical'),
    confidence: fc.constantFrom(0.1, 0.5, 1),
    dedup_key: fc.constantFrom('a', 'b'),
    subject: fc.constantFrom({ type: 'ip', id: '192.0.2.9' }, { type: 'user', id: 'eve' }),
    evidence: fc.record(
      {
        src_ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '10.1.2.3', 'nonsense'),
        user: fc.constantFrom('eve', 'breakglass-1', 'bob'),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['class', 'source'] },
);
const anEvent = fc.oneof(
  { weight: 6, arbitrary: aReportLike.map((report) => ({ does: 'report' as const, report })) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant('step' as const),
      step: fc.constantFrom('resolve', 'resolve', 'contain', 'acknowledge'),
      nth: fc.nat(20),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('wait' as const), ms: fc.constantFrom(1, 20_000, 61_000, 130_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constantFrom('release' as const, 'apply' as const, 'extend' as const, 'approve' as const, 'reject' as const),
      nth: fc.nat(20),
    }),
  },
);
type Event = typeof anEvent extends fc.Arbitrary<infer T> ? T : never;

/** What is refused leaves nothing. */
async function tried(act: Promise<unknown>): Promise<void> {
  await act.catch((error: unknown) => {
    if (!(error instanceof RecorderError)) throw error;
  });
}

async function live(path: WritePath, events: readonly Event[], ids: string[] = []): Promise<void> {
  for (const event of events) {
    const nth = 'nth' in event ? event.nth : 0;
    switch (event.does) {
      case 'report': {
        const { incident } = await path.report(event.report);
        ids.push(incident.id);
        break;
      }
      case 'step':
        if (ids.length > 0) await tried(path.step(event.step, String(ids[nth % ids.length])));
        break;
      case 'wait':
        path.clock.advance(event.ms);
        await path.due.tick();
        break;
      case 'release':
      case 'apply':
      case 'extend': {
        const holds = path.store.holds.list({ status: null, action: null, actuator: null }, Number.MAX_SAFE_INTEGER, 50);
        const hold = holds[nth % holds.length];
        const asked = {
          note: null,
          expires_at: null,
          ttl_ms: event.does === 'extend' ? 400_000 : null,
          caller: OPERATOR,
          ifMatch: null,
          mark: null,
        };
        if (hold) await tried(path.recorder.hold(event.does, { id: hold.id, ...asked }));
        break;
      }
      default: {
        const approvals = path.store.approvals.list(['pending'], Number.MAX_SAFE_INTEGER, 50);
        const approval = approvals[nth % approvals.length];
        const asked = { note: null, caller: OPERATOR, mark: null, decision: event.does };
        if (approval) await tried(path.recorder.decideApproval({ id: approval.id, digest: approval.digest, ...asked }));
      }
    }
  }
}

/** Nothing is otherwise: every pair is even, and no report has gone another way. */
function expectNothingChanged(outcome: Replayed): void {
  expect(outcome.changed).toEqual({ count: 0, first: [] });
  expect(outcome.unjudged + outcome.not_taken).toBe(0);
  expect(outcome.severity).toEqual({ raised: 0, lowered: 0 });
  const pairs = [
    outcome.incidents,
    outcome.approvals,
    ...[outcome.by_action, outcome.targets, outcome.refused].flatMap((each) => Object.values(each)),
  ];
  for (const { was, now } of pairs) expect(now).toBe(was);
}

describe('the policy that was in force, over what it alone has decided', () => {
  it.each(Object.entries(POLICIES))(
    'changes nothing when %s',
    async (_, text) => {
      await fc.assert(
        fc.asyncProperty(fc.array(anEvent, { minLength: 1, maxLength: 40 }), async (events) => {
          using path = openWritePath({ policy: text });
          await live(path, events);
          const outcome = replay(text, path.records());
          expectNothingChanged(outcome);
          expect(outcome.reports).toBe(path.records('incident.reported').length + path.records('incident.joined').length);
        }),
        { numRuns: 60 },
      );
    },
    120_000,
  );

  it.each(Object.entries(POLICIES))(
    'changes nothing of what comes after records were pruned, when %s',
    async (_, text) => {
      const someEvents = fc.array(anEvent, { minLength: 1, maxLength: 20 });
      await fc.assert(
        fc.asyncProperty(someEvents, someEvents, async (before, after) => {
          using path = openWritePath({ policy: text });
          const ids: string[] = [];
          await live(path, before, ids);
          // A record that is no report is the last that is left of what was before.
          await path.recorder.tell('service.stopped', { reason: 'test' });
          const { seq } = path.store.records.head();
          await path.recorder.remember({ seq, offset: 0, first: 1 });
          if (seq > 1) await path.queue.submit(pruneChange({ to: seq - 1, by: OPERATOR }));
          await live(path, after, ids);
          expectNothingChanged(replay(text, path.records()));
        }),
        { numRuns: 40 },
      );
    },
    120_000,
  );
});
