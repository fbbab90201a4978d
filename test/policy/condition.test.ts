// Conditions: `field op literal`, every operator of every field, what is refused, and which can never hold.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEVERITIES, type Severity } from '../../src/incident/vocabulary.ts';
import { type Facts, canHold, holds, parseCondition } from '../../src/policy/condition.ts';
import { CONDITION_FIELDS, type Condition, OPERATORS } from '../../src/policy/policy.ts';

const FACTS: Facts = { severity: 'high', confidence: 0.85, occurrences: 3, source: 'runtime-attestor', mode: 'enforce' };
const read = (text: string): Condition => {
  const condition = parseCondition(text);
  if ('fault' in condition) throw new Error(`${text} ${condition.fault}`);
  return condition;
};
const fault = (text: string) => {
  const condition = parseCondition(text);
  return 'fault' in condition ? condition.fault : `taken: ${JSON.stringify(condition)}`;
};

describe('a condition', () => {
  it.each<[string, boolean]>([
    ['severity == high', true],
    ['severity == medium', false],
    ['severity != high', false],
    ['severity != critical', true],
    ['severity < critical', true],
    ['severity < high', false],
    ['severity <= high', true],
    ['severity <= medium', false],
    ['severity > medium', true],
    ['severity > high', false],
    ['severity >= high', true],
    ['severity >= critical', false],
    ['confidence == 0.85', true],
    ['confidence == 0.850', true],
    ['confidence != 0.85', false],
    ['confidence < 0.85', false],
    ['confidence < 0.86', true],
    ['confidence <= 0.85', true],
    ['confidence > 0.85', false],
    ['confidence > 0', true],
    ['confidence >= 0.85', true],
    ['confidence >= 1', false],
    ['confidence <= 1.0', true],
    ['occurrences == 3', true],
    ['occurrences != 3', false],
    ['occurrences < 3', false],
    ['occurrences <= 3', true],
    ['occurrences > 2', true],
    ['occurrences >= 4', false],
    ['source == runtime-attestor', true],
    ['source == "runtime-attestor"', true],
    ['source == Runtime-attestor', false],
    ['source == runtime', false],
    ['source != runtime-attestor', false],
    ['source != airlock', true],
    ['mode == enforce', true],
    ['mode == approve', false],
    ['mode != observe', true],
    ['mode != enforce', false],
  ])('%s holds: %s', (text, expected) => {
    expect(holds(read(text), FACTS)).toBe(expected);
  });

  it.each([
    ['severity>=high', { field: 'severity', op: '>=', value: 'high', text: 'severity>=high' }],
    ['  confidence   <\t0.5  ', { field: 'confidence', op: '<', value: 0.5, text: 'confidence   <\t0.5' }],
    ['occurrences >= 100000000', { field: 'occurrences', op: '>=', value: 100_000_000, text: 'occurrences >= 100000000' }],
    ['source == "soc gateway"', { field: 'source', op: '==', value: 'soc gateway', text: 'source == "soc gateway"' }],
    [`source == ${'a'.repeat(128)}`, { field: 'source', op: '==', value: 'a'.repeat(128), text: `source == ${'a'.repeat(128)}` }],
    ['source != gpu-integrity-watch', { field: 'source', op: '!=', value: 'gpu-integrity-watch', text: 'source != gpu-integrity-watch' }],
  ])('%j is read as %j', (text, condition) => {
    expect(parseCondition(text)).toEqual(condition);
  });

  const SHAPE = 'must be `field op literal`, such as severity >= high';
  const SEVERITY = 'compares with what is none of low, medium, high, critical';
  const CONFIDENCE = 'compares confidence with what is no number from 0 to 1, such as 0.85';
  const OCCURRENCES = 'compares occurrences with what is no whole number from 1 on';
  const SOURCE = 'compares source with what is not one source; one with spaces stands in double quotes';
  it.each([
    ['', SHAPE],
    ['   ', SHAPE],
    ['>= high', SHAPE],
    ['(severity >= high)', SHAPE],
    ['!severity', SHAPE],
    ['sevrity >= high', 'asks for sevrity, which is none of severity, confidence, occurrences, source, mode; did you mean "severity"?'],
    ['Severity >= high', 'asks for Severity, which is none of severity, confidence, occurrences, source, mode; did you mean "severity"?'],
    ['evidence.src_ip == 1', 'asks for evidence, which is none of'],
    ['constructor == 1', 'asks for constructor, which is none of'],
    ['class == prompt_injection', 'asks for class, which is none of'],
    ['high <= severity', 'asks for high, which is none of'],
    ['severity', 'needs one of == != < <= > >= behind severity'],
    ['severity high', 'needs one of == != < <= > >= behind severity'],
    ['severity = high', 'needs one of == != < <= > >= behind severity'],
    ['severity === high', 'needs one of == != < <= > >= behind severity'],
    ['severity => high', 'needs one of == != < <= > >= behind severity'],
    ['severity =~ high', 'needs one of == != < <= > >= behind severity'],
    ['severity is high', 'needs one of == != < <= > >= behind severity'],
    ['source < a', 'needs one of == != for source behind source'],
    ['source >= a', 'needs one of == != for source behind source'],
    ['mode > observe', 'needs one of == != for mode behind mode'],
    ['severity >=', SEVERITY],
    ['severity >= hihg', `${SEVERITY}; did you mean "high"?`],
    ['severity >= High', `${SEVERITY}; did you mean "high"?`],
    ['severity >= 3', SEVERITY],
    ['severity >= "high"', SEVERITY],
    ['severity >= high and confidence > 0.5', SEVERITY],
    ['severity >= high && confidence > 0.5', SEVERITY],
    ['mode == aprove', 'compares with what is none of enforce, observe, approve; did you mean "approve"?'],
    ['confidence < 85', CONFIDENCE],
    ['confidence < 1.1', CONFIDENCE],
    ['confidence < -0.1', CONFIDENCE],
    ['confidence < .5', CONFIDENCE],
    ['confidence < 0,5', CONFIDENCE],
    ['confidence < 5e-1', CONFIDENCE],
    ['confidence < 0x1', CONFIDENCE],
    ['confidence < high', CONFIDENCE],
    ['confidence < NaN', CONFIDENCE],
    ['confidence <', CONFIDENCE],
    ['occurrences > 0', OCCURRENCES],
    ['occurrences > 1.5', OCCURRENCES],
    ['occurrences > -1', OCCURRENCES],
    ['occurrences > 01', OCCURRENCES],
    ['occurrences > 1e3', OCCURRENCES],
    ['occurrences > 9999999999', OCCURRENCES],
    ['source ==', SOURCE],
    ['source == ""', SOURCE],
    ['source == "', SOURCE],
    ['source == " a"', SOURCE],
    ['source == a b', SOURCE],
    ['source == a or source == b', SOURCE],
    ['source == a|b', SOURCE],
    ["source == 'a'", SOURCE],
    ['source == a"b', SOURCE],
    ['source == "a" or "b"', SOURCE],
    ['source == "a\u0007"', SOURCE],
    [`source == ${'a'.repeat(129)}`, SOURCE],
    ['severity >= high'.padEnd(257), 'must be at most 256 characters'],
  ])('%j is refused: %s', (text, expected) => {
    expect(fault(text)).toContain(expected);
  });

  it('is read or refused, whatever it is, and what is read reads the same again', () => {
    const part = fc.oneof(
      fc.constantFrom(...CONDITION_FIELDS, ...OPERATORS, ...SEVERITIES, '0.5', '3', 'a', '"a b"', ' ', '=', '<>'),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.constantFrom('', ' '), (parts, glue) => {
        const condition = parseCondition(parts.join(glue));
        if ('fault' in condition) {
          expect(condition.fault).not.toBe('');
          return;
        }
        expect(parseCondition(condition.text)).toEqual(condition);
        expect(typeof holds(condition, FACTS)).toBe('boolean');
      }),
      { numRuns: 5000 },
    );
  });

  it('takes no longer for hostile text', () => {
    const begun = performance.now();
    for (const text of ['a'.repeat(1e6), ' '.repeat(1e6), `severity ${'='.repeat(1e6)}`, `source == ${'" '.repeat(1e6)}`]) fault(text);
    expect(performance.now() - begun).toBeLessThan(200);
  });
});

describe('that a condition can hold', () => {
  it.each<[string[], string[], Severity | null, boolean]>([
    [[], [], null, true],
    [['severity >= low'], [], null, true],
    [['severity < low'], [], null, false],
    [['severity > critical'], [], null, false],
    [['severity < medium'], [], 'medium', false],
    [['severity <= medium'], [], 'medium', true],
    [['confidence < 0'], [], null, false],
    [['confidence <= 0'], [], null, true],
    [['confidence > 1'], [], null, false],
    [['confidence >= 1'], [], null, true],
    [['occurrences < 1'], [], null, false],
    [['occurrences <= 1'], [], null, true],
    [['occurrences != 1'], [], null, true],
    [['severity >= high', 'severity < high'], [], null, false],
    [['confidence >= 0.85', 'confidence <= 0.85'], [], null, true],
    [['confidence > 0.85', 'confidence < 0.86'], [], null, true],
    [['confidence > 0.85', 'confidence < 0.85'], [], null, false],
    [['source == a', 'source == b'], [], null, false],
    [['source != a', 'source != b'], [], null, true],
    [['mode == observe', 'mode == enforce'], [], null, false],
    [['severity >= critical', 'confidence < 0.85'], [], null, true],
    [['severity >= critical'], ['severity >= high'], null, false],
    [['severity >= high'], ['severity >= critical'], null, true],
    [['severity >= high'], ['severity == high', 'severity == critical'], null, false],
    [['severity >= medium'], ['severity > medium'], 'high', false],
    [['source == a'], ['source != b'], null, false],
    [['source == a'], ['source == b'], null, true],
    [['occurrences >= 3'], ['occurrences >= 2'], null, false],
    [['occurrences >= 3'], ['confidence > 0'], null, true],
    [[], ['mode == enforce', 'mode == observe'], null, true],
    [[], ['mode == enforce', 'mode != enforce'], null, false],
  ])('%j before which stands %j, over %s: %s', (wanted, before, floor, expected) => {
    expect(canHold(wanted.map(read), before.map(read), floor)).toBe(expected);
  });

  it('is never denied where facts show it', () => {
    const condition = fc.oneof(
      fc.tuple(fc.constant('severity'), fc.constantFrom(...OPERATORS), fc.constantFrom(...SEVERITIES)),
      fc.tuple(fc.constant('confidence'), fc.constantFrom(...OPERATORS), fc.constantFrom('0', '0.2', '0.5', '1')),
      fc.tuple(fc.constant('occurrences'), fc.constantFrom(...OPERATORS), fc.constantFrom('1', '2', '5')),
      fc.tuple(fc.constant('source'), fc.constantFrom('==', '!='), fc.constantFrom('a', 'b')),
      fc.tuple(fc.constant('mode'), fc.constantFrom('==', '!='), fc.constantFrom('enforce', 'observe', 'approve')),
    );
    const conditions = fc.array(condition, { maxLength: 3 }).map((each) => each.map((parts) => read(parts.join(' '))));
    const facts = fc.record({
      severity: fc.constantFrom(...SEVERITIES),
      confidence: fc.constantFrom(0, 0.1, 0.2, 0.3, 0.5, 0.9, 1),
      occurrences: fc.integer({ min: 1, max: 7 }),
      source: fc.constantFrom('a', 'b', 'c'),
      mode: fc.constantFrom('enforce', 'observe', 'approve'),
    });
    fc.assert(
      fc.property(conditions, conditions, facts, (wanted, before, given) => {
        const shown = wanted.every((each) => holds(each, given)) && !before.some((each) => holds(each, given));
        if (shown) expect(canHold(wanted, before, null)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});
