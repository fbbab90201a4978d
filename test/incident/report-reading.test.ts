// A report that is read without the schema is the one that the schema would have made of it, byte for byte.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainReport } from '../../src/incident/report-reading.ts';
import { Report } from '../../src/incident/report.ts';
import { isShapeable } from '../../src/input/shape.ts';

const REPORTS = join(import.meta.dirname, '../fixtures/reports');
const LEAST = { class: 'prompt_injection', source: 'tool-firewall', description: 'ignore previous instructions' };

/** What the schema makes of it, in the order in which that is sealed; null when it refuses it. */
function bySchema(body: unknown): string | null {
  const parsed = Report.safeParse(body);
  return parsed.success ? JSON.stringify(parsed.data) : null;
}

function plainly(body: unknown): string | null {
  const report = isShapeable(body) ? plainReport(body) : null;
  return report && JSON.stringify(report);
}

const edges = [0, 1, 63, 64, 65, 127, 128, 129, 254, 255, 256, 4095, 4096, 4097];
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', ' ', ' a ', '\ufeffa\ufeff', 'a\u202eb', 'a\u0085b', '\u00a0a', 'a\nb', 'low', 'high', 'critical', 'High', 'agent'),
  fc.tuple(fc.constantFrom('x', 'é', '😀', ' '), fc.constantFrom(...edges)).map(([unit, length]) => unit.repeat(length)),
);
const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-0, 0, 1, 1.0000001, -1e-9));
const techniques = fc.option(fc.array(text, { maxLength: 3 }), { nil: undefined });
const value = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.jsonValue() },
  { weight: 1, arbitrary: number },
  { weight: 1, arbitrary: fc.constantFrom(null, undefined) },
  { weight: 1, arbitrary: fc.constantFrom('2026-03-13T08:15:30Z', '2026-03-13T08:15:30+01:00', '2026-03-13') },
  { weight: 2, arbitrary: fc.record({ type: text, id: text }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: fc.record({ type: text, id: text, more: text }) },
  { weight: 1, arbitrary: fc.record({ atlas: techniques, owasp_llm: techniques, mitre: techniques }, { requiredKeys: [] }) },
  { weight: 2, arbitrary: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }) },
);
const fields = ['class', 'source', 'description', 'severity', 'evidence', 'subject', 'dedup_key', 'confidence', 'trace_id'];
const field = fc.constantFrom(...fields, 'occurred_at', 'attack', 'Class', 'id', 'toString', '__proto__');
const body = fc.oneof(
  fc.dictionary(field, value, { maxKeys: 11 }),
  fc.dictionary(field, value, { maxKeys: 3 }).map((some) => ({ ...LEAST, ...some })),
);

describe('a report that is read plainly', () => {
  it('is what the schema makes of it, whatever is sent', () => {
    let taken = 0;
    const asParsed = body.map((sent) => JSON.parse(JSON.stringify(sent)) as unknown);
    fc.assert(
      fc.property(asParsed, (sent) => {
        const plain = plainly(sent);
        if (plain === null) return;
        taken += 1;
        expect(plain).toBe(bySchema(sent));
      }),
      { numRuns: 5000 },
    );
    expect(taken).toBeGreaterThan(500);
  });

  it.each(readdirSync(REPORTS))('is what real reporters send: %s', (name) => {
    const sent = JSON.parse(readFileSync(join(REPORTS, name), 'utf8')) as unknown;
    expect(plainly(sent)).toBe(bySchema(sent));
    expect(plainly(sent)).not.toBeNull();
  });

  it('may have each field that reports often have', () => {
    const whole = {
      ...LEAST,
      severity: '',
      evidence: { a: [1] },
      subject: { id: ' 7 ', type: 'agent' },
      dedup_key: 'k',
      confidence: 1,
      trace_id: 't',
    };
    expect(plainly(whole)).toBe(bySchema(whole));
    expect(plainly(whole)).not.toBeNull();
  });
});
