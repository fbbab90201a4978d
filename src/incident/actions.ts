// What can be ordered against an incident: one row per action, and the row says all that the recorder knows of it.

import { isPrintable } from '../input/text.ts';
import { formatIp, isOfOneHost, parseIp } from './ip.ts';
import type { Report } from './report.ts';

export const TARGET_TYPES = ['host', 'agent', 'model', 'vault', 'airlock', 'ip', 'user', 'session'] as const;
export type TargetType = (typeof TARGET_TYPES)[number];

export interface Target {
  readonly type: TargetType;
  readonly id: string;
}

/** The id of a target that is all there is of its kind. No report can name it. */
export const ALL = '*';

/** The part of a report, or of its incident, that targets are read from. */
export type Told = Pick<Report, 'evidence' | 'subject'>;

/** What a parameter may be; a duration is handed on in whole seconds, such as `120s`. */
export type ParamRow =
  | { readonly kind: 'count'; readonly min: number; readonly max: number; readonly default: number }
  | { readonly kind: 'duration'; readonly min: string; readonly max: string; readonly default: string };

export interface ActionRow {
  /** What the service that carries it out does. */
  readonly effect: string;
  /** The service that carries it out; `recorder` = done by ourselves at commit, no hold and nobody to ask. */
  readonly done_by: 'agent' | 'airlock' | 'vault' | 'registry' | 'firewall' | 'gateway' | 'identity' | 'recorder';
  /** What it can be done to. */
  readonly targets: readonly TargetType[];
  /** Where its target is looked for when the rule does not say: `all` there is of its kind, the `subject`, or the `model` of the evidence. */
  readonly unless_told: 'all' | 'subject' | 'model';
  /** Where a rule may say that its target is to be found. */
  readonly may_tell: readonly ('subject' | 'evidence')[];
  /** The opposite command, or null when a human undoes it by hand. */
  readonly release: string | null;
  /** What can be told beside the target. */
  readonly params: Readonly<Record<string, ParamRow>>;
  /** When nobody can say whether it is needed: `held` = it is safe that it stands, `free` = it is safe that nobody is shut out. */
  readonly safe: 'held' | 'free';
  /** What the services of SecAI_OS call it; null = they do not know it. */
  readonly secai: string | null;
}

const PLAIN = { may_tell: [], params: {}, safe: 'held', secai: null } as const;
const TOLD = { may_tell: ['subject', 'evidence'], unless_told: 'subject', params: {}, safe: 'free', secai: null } as const;

export const ACTIONS = {
  freeze_agent: {
    ...{ ...PLAIN, effect: 'pauses all task execution', done_by: 'agent' },
    ...{ targets: ['agent'], unless_told: 'all', may_tell: ['subject', 'evidence'], release: 'unfreeze', secai: 'freeze' },
  },
  disable_airlock: {
    ...{ ...PLAIN, effect: 'blocks outbound requests', done_by: 'airlock' },
    ...{ targets: ['airlock'], unless_told: 'all', release: 'enable', secai: 'disable' },
  },
  force_vault_relock: {
    ...{ ...PLAIN, effect: 'locks the vault at once', done_by: 'vault' },
    ...{ targets: ['vault'], unless_told: 'all', release: null, secai: 'relock' },
  },
  quarantine_model: {
    ...{ ...PLAIN, effect: 'moves the model to quarantine', done_by: 'registry' },
    ...{ targets: ['model'], unless_told: 'model', may_tell: ['subject', 'evidence'], release: null, secai: 'quarantine' },
  },
  log_alert: {
    ...{ ...PLAIN, effect: 'raises a critical alert in the audit log and the journal', done_by: 'recorder' },
    ...{ targets: ['host'], unless_told: 'all', release: null },
  },
  block_ip: { ...TOLD, effect: 'drops what comes from the address', done_by: 'firewall', targets: ['ip'], release: 'unblock' },
  rate_limit: {
    ...{ ...TOLD, effect: 'slows down what comes from the target', done_by: 'gateway' },
    // What kind it is can only be told by the subject, which has a type.
    ...{ targets: ['ip', 'user', 'session'], may_tell: ['subject'], release: 'lift' },
    params: {
      limit: { kind: 'count', min: 1, max: 1_000_000, default: 5 },
      window: { kind: 'duration', min: '1s', max: '1d', default: '120s' },
    },
  },
  terminate_session: { ...TOLD, effect: 'ends the session', done_by: 'gateway', targets: ['session'], release: null },
  suspend_user: { ...TOLD, effect: 'suspends the account', done_by: 'identity', targets: ['user'], release: 'unsuspend' },
} as const satisfies Record<string, ActionRow>;

export type ActionName = keyof typeof ACTIONS;
export const ACTION_NAMES = Object.keys(ACTIONS) as ActionName[];

export function isAction(name: string): name is ActionName {
  return Object.hasOwn(ACTIONS, name);
}

/** Its row, as wide as any row. */
export function rowOf(action: ActionName): ActionRow {
  return ACTIONS[action];
}

/** Whether the recorder does it itself: there is no hold and nobody to ask. */
export function isOurs(action: ActionName): boolean {
  return rowOf(action).done_by === 'recorder';
}

/** Why a report has no target for an action: safe to show, it never quotes the report. */
export interface NoTarget {
  readonly missing: string;
}

/**
 * What an action is to be done to, by one report.
 * @param path where a rule says that it is to be found: `subject` or `evidence.<key>`; null = where the action's row looks
 */
export function targetOf(action: ActionName, path: string | null, told: Told): Target | NoTarget {
  const { targets, unless_told } = rowOf(action);
  const type = targets[0] ?? 'host';
  const where = path ?? unless_told;
  if (where === 'all') return { type, id: ALL };
  if (where === 'model') return reportedModel(told);
  if (where === 'subject') return subjectOf(targets, told);
  const key = where.slice('evidence.'.length);
  const value = told.evidence && Object.hasOwn(told.evidence, key) ? told.evidence[key] : null;
  return read(type, value ?? null, where);
}

function subjectOf(targets: readonly TargetType[], { subject }: Told): Target | NoTarget {
  if (!subject) return { missing: 'the report has no subject' };
  const type = targets.find((each) => each === subject.type);
  return type ? read(type, subject.id, 'subject') : { missing: `the subject is not of type ${targets.join(' or ')}` };
}

function read(type: TargetType, value: unknown, where: string): Target | NoTarget {
  if (value === null) return { missing: `the report has no ${where}` };
  const id = typeof value === 'string' ? (type === 'ip' ? addressIn(value) : nameIn(value, type)) : null;
  return id === null
    ? { missing: `${where} is ${type === 'ip' ? 'not the IP address of one host' : `not the name of one ${type}`}` }
    : { type, id };
}

function addressIn(text: string): string | null {
  const ip = parseIp(text);
  return ip && isOfOneHost(ip) ? formatIp(ip) : null;
}

/** A model is named by its path. */
const MAX_NAME = { model: 4096, other: 255 } as const;

/** One line, and never the word for all of them. */
function nameIn(text: string, type: TargetType): string | null {
  const name = text.trim();
  const most = type === 'model' ? MAX_NAME.model : MAX_NAME.other;
  return name !== '' && name !== ALL && name.length <= most && isPrintable(name) ? name : null;
}

/** The model that a report speaks of, where the original's reporters put it; `unknown` when it names none. */
function reportedModel({ evidence }: Told): Target {
  const told = [evidence?.['model_path'], evidence?.['violation_0_path']];
  const path = told.find((each) => typeof each === 'string' && each !== '' && each !== ALL);
  return { type: 'model', id: typeof path === 'string' ? path : 'unknown' };
}

/** `type:id`, as targets are shown. */
export function targetName(target: Target): string {
  return `${target.type}:${target.id}`;
}

/** The target that is shown so; null for what names none of ours. */
export function targetNamed(name: string): Target | null {
  const colon = name.indexOf(':');
  const type = TARGET_TYPES.find((each) => each === name.slice(0, colon));
  return type ? { type, id: name.slice(colon + 1) } : null;
}
