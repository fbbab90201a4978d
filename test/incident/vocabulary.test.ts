// The words of the field: how severities compare, and which classes are always there.

import { describe, expect, it } from 'vitest';
import { INCIDENT_ID } from '../../src/incident/incident.ts';
import { CLASSES, RESOLUTIONS, SEVERITIES, STATES, moreSevere, rankOf } from '../../src/incident/vocabulary.ts';

describe('the words', () => {
  it('are nine classes, four severities, four states and four resolutions, spelt as the contract spells them', () => {
    expect(CLASSES.toSorted()).toEqual([
      ...['attestation_failure', 'forbidden_airlock_request', 'integrity_violation', 'manifest_mismatch', 'model_behavior_anomaly'],
      ...['policy_bypass_attempt', 'prompt_injection', 'tool_call_burst', 'unauthorized_access'],
    ]);
    expect(SEVERITIES).toEqual(['low', 'medium', 'high', 'critical']);
    expect(STATES).toEqual(['open', 'contained', 'acknowledged', 'resolved']);
    expect(RESOLUTIONS).toEqual(['true_positive', 'false_positive', 'expected', 'test']);
  });

  it('rank severities from low 1 to critical 4', () => {
    expect(SEVERITIES.map(rankOf)).toEqual([1, 2, 3, 4]);
  });

  it('choose the more severe of any two, whichever stands first', () => {
    for (const a of SEVERITIES) {
      for (const b of SEVERITIES) {
        expect(moreSevere(a, b)).toBe(SEVERITIES[Math.max(rankOf(a), rankOf(b)) - 1]);
      }
    }
  });
});

describe('an incident id', () => {
  it.each(['INC-20260313-1f0c9a7be2d4', 'INC-20260313-abc123', `INC-20260313-${'0'.repeat(32)}`])('can be %s', (id) => {
    expect(INCIDENT_ID.test(id)).toBe(true);
  });

  it.each([
    ...['INC-20260313-abc12', 'INC-20260313-ABC123', 'inc-20260313-abc123', 'INC-2026031-abc123', `INC-20260313-${'0'.repeat(33)}`],
    ...["INC-20260313-abc123' OR 1=1", 'INC-20260313-abc123\n', ' INC-20260313-abc123', 'INC-20260313-', '%', ''],
  ])('cannot be %j', (id) => {
    expect(INCIDENT_ID.test(id)).toBe(false);
  });
});
