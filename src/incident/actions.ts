// What can be ordered against an incident: one row per action, and the row says all that the recorder knows of it.

import type { Report } from './report.ts';

export const TARGET_TYPES = ['host', 'agent', 'model', 'vault', 'airlock'] as const;
export type TargetType = (typeof TARGET_TYPES)[number];

export interface Target {
  readonly type: TargetType;
  readonly id: string;
}

/** The part of a report, or of its incident, that targets are read from. */
export type Told = Pick<Report, 'evidence' | 'subject'>;

export interface ActionRow {
  /** What the service that carries it out does. */
  readonly effect: string;
  /** The service that carries it out; `recorder` = done by ourselves at commit, no hold and nobody to ask. */
  readonly done_by: 'agent' | 'airlock' | 'vault' | 'registry' | 'recorder';
  /** What it is done to, read from the report. */
  readonly target: (told: Told) => Target;
  /** The opposite command, or null when a human undoes it by hand. */
  readonly release: string | null;
}

const whole = (type: TargetType) => (): Target => ({ type, id: '*' });

/** The model that a report speaks of, where the original's reporters put it; `unknown` when it names none. */
function reportedModel({ evidence }: Told): Target {
  const path = [evidence?.['model_path'], evidence?.['violation_0_path']].find((each) => typeof each === 'string' && each !== '');
  return { type: 'model', id: typeof path === 'string' ? path : 'unknown' };
}

export const ACTIONS = {
  freeze_agent: { effect: 'pauses all task execution', done_by: 'agent', target: whole('agent'), release: 'unfreeze' },
  disable_airlock: { effect: 'blocks outbound requests', done_by: 'airlock', target: whole('airlock'), release: 'enable' },
  force_vault_relock: { effect: 'locks the vault at once', done_by: 'vault', target: whole('vault'), release: null },
  quarantine_model: { effect: 'moves the model to quarantine', done_by: 'registry', target: reportedModel, release: null },
  log_alert: {
    effect: 'raises a critical alert in the audit log and the journal',
    done_by: 'recorder',
    target: whole('host'),
    release: null,
  },
} as const satisfies Record<string, ActionRow>;

export type ActionName = keyof typeof ACTIONS;
export const ACTION_NAMES = Object.keys(ACTIONS) as ActionName[];

/** `type:id`, as targets are shown. */
export function targetName(target: Target): string {
  return `${target.type}:${target.id}`;
}
