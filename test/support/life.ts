// Random lives of a recorder: reports, steps, notes, reloads, findings and restarts, under policies that differ in all that matters.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { RESULT_STATUSES, type ResultStatus } from '../../src/incident/command.ts';
import type { RequestMark } from '../../src/incident/events.ts';
import { bindingOf } from '../../src/incident/gate.ts';
import { STEP_NAMES } from '../../src/incident/lifecycle.ts';
import { RESOLUTIONS, SEVERITIES } from '../../src/incident/vocabulary.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import { damageFinding, tokensFinding } from '../../src/recorder/findings.ts';
import { openingChange } from '../../src/recorder/opening.ts';
import { findingChange } from '../../src/recorder/report.ts';
import { OPERATOR, type WritePath, openWritePath } from './write-path.ts';

const RULES = `
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent, log_alert], escalate: {count: 2, window: 60s, to: critical}}
  model_behavior_anomaly: {auto_contain: true, actions: [quarantine_model, freeze_agent], max_holds: 2}
  tool_call_burst: {actions: [freeze_agent, quarantine_model], min_severity: high, dedupe: {by: [source, evidence.k], window: 60s}}
  integrity_violation: {auto_contain: true, actions: [disable_airlock, log_alert], escalate: {count: 3, window: 1d, to: critical}}
`;
/** More rules, fewer, other modes: each changes what the next report of an incident orders, or how far it has come. */
/** As a start finds it that has nothing to repair. */
const NOTHING_FOUND = { recovery: { restored: null, lost: null }, fork: null, begins: 1 };

/** Of each kind: one that is commanded and verified, one that is fetched, one that knows no release. */
const ACTUATORS = `
actuators:
  agent: {actions: [freeze_agent], push: "http://127.0.0.1:1/f", deadline: 30s, verify: {every: 30s}}
  registry: {actions: [quarantine_model, block_ip], pull: true, heartbeat: 30s, deadline: 50s}
  airlock: {actions: [disable_airlock], push: "http://127.0.0.1:1/d", dialect: secai}
`;
const COMMANDED = `
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent, {action: block_ip, target: evidence.ip, ttl: [20s, 40s], approve: confidence < 0.5}, log_alert], cooldown: 5s}
  model_behavior_anomaly: {auto_contain: true, actions: [quarantine_model, freeze_agent], max_holds: 2}
  tool_call_burst: {actions: [freeze_agent, disable_airlock], release: {gate: [acknowledged, attested]}}
  integrity_violation: {auto_contain: true, actions: [disable_airlock, {action: freeze_agent, if: occurrences > 1}], release: {gate: [attested]}}
`;

const LIFE_POLICIES = [
  `version: 1${ACTUATORS}${COMMANDED}`,
  `version: 1\ncontained_when: accepted${ACTUATORS}${COMMANDED}`,
  `version: 1\nmode: approve\napprovals: {timeout: 20s, on_timeout: reject}${ACTUATORS}${COMMANDED}`,
  `version: 1\nprotect:\n  - {actions: [block_ip], targets: [10.0.0.0/8]}\napprovals: {timeout: 20s}${ACTUATORS.replace(/^ {2}agent.*$/m, '  other: {actions: [freeze_agent], pull: true}')}${COMMANDED}`,
  `version: 1${RULES}`,
  `version: 1\nwithout_actuator: never${RULES}`,
  `version: 1\nmode: observe${RULES}`,
  `version: 1\nself: {integrity_violation: enforce}\nwithout_actuator: never${RULES.replace('actions: [freeze_agent, log_alert]', 'actions: [disable_airlock]')}`,
  `version: 1\nrules:\n  tool_call_burst: {auto_contain: true, actions: [freeze_agent, log_alert, quarantine_model], max_holds: 1}\n`,
];

const index = fc.nat({ max: 1000 });
const key = fc.option(fc.constantFrom('one', 'two', 'three', 'four'), { freq: 2 });
const report = fc.record({
  class: fc.constantFrom(
    'prompt_injection',
    'model_behavior_anomaly',
    'model_behavior_anomaly',
    'tool_call_burst',
    'tool_call_burst',
    'integrity_violation',
  ),
  source: fc.constantFrom('agent-a', 'agent-a', 'agent-b'),
  dedup_key: fc.option(fc.constantFrom('p'), { freq: 4 }),
  severity: fc.constantFrom(...SEVERITIES, null),
  evidence: fc.option(
    fc.record({
      model_path: fc.constantFrom('/m:1', '/m/2', '/m3'),
      ip: fc.constantFrom('10.0.0.1', '192.0.2.1', '?'),
      k: fc.option(fc.jsonValue({ maxDepth: 1 }).filter(isTaken)),
    }),
  ),
  occurred_at: fc.constantFrom(null, '2026-03-01T00:00:00.000+02:00'),
  attack: fc.constantFrom(null, { mitre: ['T1'] }, { atlas: [], owasp_llm: null }),
  confidence: fc.constantFrom(null, 0, 0.75),
});

const deed = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('report' as const), report, key }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(...STEP_NAMES, 'contain' as const, 'acknowledge' as const, 'reopen' as const),
      which: index,
      key,
      resolution: fc.option(fc.constantFrom(...RESOLUTIONS)),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      which: index,
      status: fc.constantFrom(...RESULT_STATUSES, 'enforced' as const, 'released' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('check' as const), which: index, stands: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('hold' as const),
      which: index,
      step: fc.constantFrom('release' as const, 'extend' as const, 'apply' as const),
      key,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retry' as const), which: index, key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('decide' as const),
      which: index,
      decision: fc.constantFrom('approve' as const, 'reject' as const),
      key,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('attest' as const), which: index, key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('tick' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('note' as const), which: index, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('find' as const), which: fc.nat({ max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 20_000, 31_000, 61_000, 90_000_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reload' as const), policy: index, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), policy: index, signer: fc.nat({ max: 3 }) }) },
);
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

/** Mostly long ones: what is wrong shows where many things meet. */
export const deeds = (maxLength = 60) => fc.array(deed, { minLength: 5, maxLength, size: 'max' });

/** What a report may hold: no number beyond 2^53−1, no key or text that cannot be kept. */
function isTaken(value: unknown): boolean {
  const text = JSON.stringify(value);
  return !/__proto__|\\u|e[+-]?\d/i.test(text);
}

export interface Life extends Disposable {
  readonly path: WritePath;
  /** Of the store. */
  readonly database: string;
  /** Every line that was ever recorded, pruned or not. */
  lines(): string[];
  /** Does all of it; what is refused is refused. */
  live(more: readonly Deed[]): Promise<void>;
  /** Writes lines of the log to a file in its folder. Returns its path. */
  file(name: string, lines: readonly string[], end?: string): string;
}

/** A recorder at its first start. */
export async function openLife(): Promise<Life> {
  const policyOf = (which: number) => LIFE_POLICIES[which % LIFE_POLICIES.length] ?? '';
  const path = openWritePath({ policy: policyOf(0) });
  const lines: string[] = [];
  let keys = 0;
  const follow = () => {
    lines.push(...path.store.records.after(lines.length, 1e9, 1e9).map(({ line }) => line));
  };
  const markOf = (name: string | null): { mark?: RequestMark } =>
    name === null ? {} : { mark: { token: 't', key_sha256: name, body_sha256: 'b' } };

  async function start(which: number, signer: number): Promise<void> {
    // The same key under two names, and another one.
    const verifierKey = ['a+00000001+AQID', 'b+00000002+AQID', 'a+00000003+BAUG', 'a+00000003+BAUG'][signer] ?? '';
    const opening = {
      software: 's',
      origin: 'o',
      verifierKey,
      policy: parsePolicy('', policyOf(which)),
      tokens: [],
      damaged: [],
      ...NOTHING_FOUND,
    };
    await path.queue.submit(openingChange(opening, path.log));
  }

  /** Of the last few of a table, as for incidents. */
  function lastOf(table: 'holds' | 'commands' | 'approvals', which: number): string {
    const ids = path.db.prepare<[], string>(`SELECT id FROM ${table} ORDER BY seq DESC LIMIT 6`).pluck().all();
    return ids[which % Math.max(1, ids.length)] ?? 'HLD-000000000000';
  }

  /** Mostly the actuator's own word; now and then another one tries. */
  async function answer(which: number, status: ResultStatus): Promise<void> {
    const command = path.store.commands.byId(lastOf('commands', which));
    const actuator = which % 17 === 0 ? 'another' : (command?.actuator ?? '');
    const result = { status, evidence: which % 3 === 0 ? { k: which } : null, error: which % 5 === 0 ? 'e' : null };
    await path.recorder.result(command?.id ?? '', result, {
      actuator,
      caller: { name: actuator, actor: `actuator:${actuator}` },
      attempts: which % 4 || null,
    });
  }

  async function check(which: number, stands: boolean): Promise<void> {
    const hold = path.store.holds.byId(lastOf('holds', which));
    if (!hold) return;
    const found = { hold: hold.seq, stands, detail: which % 2 ? 'gone' : null, evidence: null, commanded: which % 3 ? null : hold.version };
    await path.recorder.checked(hold.actuator ?? '', [found]);
  }

  /** What a policy that is new leads to is done of itself, in changes of its own: until nothing is left of it. */
  async function quiet(): Promise<void> {
    await path.due.reconcile();
    do await path.queue.submit((draft) => draft.canWait());
    while (path.store.settling.next(1).length > 0);
  }

  async function perform(each: Deed): Promise<void> {
    const ids = path.db.prepare<[], string>('SELECT id FROM incidents ORDER BY seq').pluck().all();
    // Of the last few, of which the most can still become something.
    const idOf = (which: number) => ids.slice(-6)[which % Math.max(1, Math.min(6, ids.length))] ?? 'INC-20260313-000000000000';
    switch (each.do) {
      case 'wait':
        return path.clock.advance(each.ms);
      case 'report':
        return void (await path.report(each.report, markOf(each.key && `${each.key} ${(keys += 1) % 5}`)));
      case 'find':
        return void (await path.queue.submit(
          findingChange(each.which === 0 ? tokensFinding(20) : damageFinding({ file: `/f${each.which}`, reason: 'r' }), path.log),
        ));
      case 'answer':
        return answer(each.which, each.status);
      case 'check':
        return check(each.which, each.stands);
      case 'hold': {
        const id = lastOf('holds', each.which);
        const asked = { id, note: 'n', expires_at: null, ttl_ms: 60_000, caller: OPERATOR, ifMatch: null };
        return void (await path.recorder.hold(each.step, { ...asked, mark: markOf(each.key).mark ?? null }));
      }
      case 'retry':
        return void (await path.recorder.retry({
          id: lastOf('commands', each.which),
          note: null,
          caller: OPERATOR,
          mark: markOf(each.key).mark ?? null,
        }));
      case 'decide': {
        const id = lastOf('approvals', each.which);
        const digest = path.store.approvals.byId(id)?.digest ?? '';
        const { mark = null } = markOf(each.key);
        return void (await path.recorder.decideApproval({ id, digest, decision: each.decision, note: 'n', caller: OPERATOR, mark }));
      }
      case 'attest': {
        const id = idOf(each.which);
        const kept = path.store.incidents.byId(id);
        const asked = {
          id,
          binding: kept ? bindingOf(kept.incident) : '',
          evidence: { pcr7: 'ok' },
          note: null,
          caller: OPERATOR,
          ifMatch: null,
        };
        return void (await path.recorder.attest({ ...asked, mark: markOf(each.key).mark ?? null }));
      }
      case 'tick':
        await path.due.tick();
        return quiet();
      case 'note':
        return void (await path.note(idOf(each.which), 'said', markOf(each.key)));
      case 'reload':
        await path.recorder.adopt(parsePolicy('', policyOf(each.policy)), [], OPERATOR, markOf(each.key).mark ?? null);
        return quiet();
      case 'restart':
        path.restart(policyOf(each.policy));
        await start(each.policy, each.signer);
        return quiet();
      default:
        return void (await path.step(each.do, idOf(each.which), { resolution: each.resolution, ...markOf(each.key) }));
    }
  }

  await start(0, 0);
  return {
    path,
    database: join(path.dir, 'incidents.db'),
    lines() {
      follow();
      return [...lines];
    },
    async live(more) {
      for (const each of more) {
        await perform(each).catch((error: unknown) => {
          if (!(error instanceof Error) || error.name !== 'RecorderError') throw error;
        });
        follow();
      }
    },
    file(name, of, end = '\n') {
      const file = join(path.dir, name);
      writeFileSync(file, `${of.join('\n')}${of.length > 0 ? end : ''}`);
      return file;
    },
    [Symbol.dispose]: () => path[Symbol.dispose](),
  };
}
