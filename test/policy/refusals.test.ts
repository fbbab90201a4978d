// What a policy file is refused for: each mistake that the original took silently, told with line, column and the nearest word.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTION_NAMES } from '../../src/incident/actions.ts';
import { CLASSES, SEVERITIES } from '../../src/incident/vocabulary.ts';
import { loadPolicy, parsePolicy } from '../../src/policy/load.ts';
import { PolicyFile } from '../../src/policy/schema.ts';
import { openFolder } from '../support/folder.ts';
import { refusalOf } from '../support/refusal.ts';

const refuse = (text: string) => {
  const { code, message } = refusalOf(() => parsePolicy('p.yaml', text));
  expect(code).toBe('invalid_configuration');
  return message;
};
/** The file from its third line on, after a version and rules. */
const top = (more: string) => refuse(`version: 1\nrules: {}\n${more}\n`);
/** One rule, whose own keys begin on line 4. */
const rule = (more: string) => refuse(`version: 1\nrules:\n  prompt_injection:\n    ${more}\n`);

const DURATION = 'must be a duration such as 30s, 5m or 4h';
const SEVERITY = 'must be one of low, medium, high, critical';

describe('on top of the file', () => {
  it.each([
    ['version: 2\nrules: {}', 'p.yaml:1:1: version must be 1'],
    ['version: "1"\nrules: {}', 'p.yaml:1:1: version must be 1'],
    ['version: 1.1\nrules: {}', 'p.yaml:1:1: version must be 1'],
    ['rules: {}', 'p.yaml:1:1: version must be 1'],
    ['version: 1', 'p.yaml:1:1: rules is required'],
    ['version: 1\nrules:', 'p.yaml:2:1: rules must be a mapping'],
    ['version: 1\nrules: []', 'p.yaml:2:1: rules must be a mapping'],
    ['version: 1\nrulse: {}', 'p.yaml:2:1: rulse is not a known key; did you mean "rules"?'],
    ['version: 1\nrules: {}\nMode: observe', 'p.yaml:3:1: Mode is not a known key; did you mean "mode"?'],
    ['version: 1\nrules: {}\nprotects: []', 'p.yaml:3:1: protects is not a known key; did you mean "protect"?'],
    ['version: 1\nrules: {}\nconstructor: {}', 'p.yaml:3:1: constructor is not a known key'],
    ['version: 1\nrules: {}\nmode: obsrve', 'p.yaml:3:1: mode must be one of enforce, observe, approve; did you mean "observe"?'],
    ['version: 1\nrules: {}\nmode: approved', 'p.yaml:3:1: mode must be one of enforce, observe, approve; did you mean "approve"?'],
    ['version: 1\nrules: {}\nmode: true', 'p.yaml:3:1: mode must be one of enforce, observe'],
    [
      'version: 1\nrules: {}\nwithout_actuator: record',
      'p.yaml:3:1: without_actuator must be one of recorded, never; did you mean "recorded"?',
    ],
    ['version: 1\nrules: {}\nself: {integrity_violation: act}', 'p.yaml:3:8: self/integrity_violation must be one of observe, enforce'],
    [
      'version: 1\nrules: {}\nself: {integrity_violations: observe}',
      'integrity_violations is not a known key; did you mean "integrity_violation"?',
    ],
    ['version: 1\nrules: {}\nself: observe', 'p.yaml:3:1: self must be an object'],
  ])('%j', (text, message) => {
    expect(refuse(text)).toContain(message);
  });
});

describe('a rule', () => {
  it.each([
    ['promt_injection', '; did you mean "prompt_injection"?'],
    ['Prompt_Injection', '; did you mean "prompt_injection"?'],
    ['data_exfiltration', ''],
    ['constructor', ''],
  ])('for %s, which no one knows', (name, near) => {
    const message = refuse(`version: 1\nrules:\n  tool_call_burst: {}\n  ${name}: {}\n`);
    expect(message).toBe(`p.yaml:4:3: rules/${name} is not a known class; add it under classes${near}`);
  });

  it('for __proto__, which no schema would see', () => {
    expect(refuse('version: 1\nrules:\n  __proto__: {auto_contain: true, actions: [freeze_agent]}\n')).toContain(
      'p.yaml:3:3: the file has a key "__proto__"',
    );
    expect(top('classes: {__proto__: {default_severity: low}}')).toContain('p.yaml:3:11: the file has a key "__proto__"');
  });

  it.each([
    ['auto_contian: true', '4:5: rules/prompt_injection/auto_contian is not a known key; did you mean "auto_contain"?'],
    ['severity: high', '4:5: rules/prompt_injection/severity is not a known key'],
    ['max_hold: 1', '4:5: rules/prompt_injection/max_hold is not a known key; did you mean "max_holds"?'],
    ['auto_contain: yes', '4:5: rules/prompt_injection/auto_contain must be a boolean'],
    ['auto_contain: "true"', '4:5: rules/prompt_injection/auto_contain must be a boolean'],
    ['auto_contain: true', '4:5: rules/prompt_injection/auto_contain is true, but the rule has no actions'],
    ['actions: freeze_agent', '4:5: rules/prompt_injection/actions must be an array'],
    ['actions: [freeze_agnet]', '4:15: rules/prompt_injection/actions/0 must be one of freeze_agent, disable_airlock,'],
    ['actions: [freeze_agnet]', '; did you mean "freeze_agent"?'],
    ['actions: [log_alert, blockip]', '4:26: rules/prompt_injection/actions/1 must be one of'],
    ['actions: [log_alert, toString]', '4:26: rules/prompt_injection/actions/1 must be one of'],
    ['actions: [freeze_agent, log_alert, freeze_agent]', '4:40: rules/prompt_injection/actions/2 names freeze_agent a second time'],
    ['actions: [[freeze_agent]]', '4:15: rules/prompt_injection/actions/0 must be an object'],
    ['actions: [3]', '4:15: rules/prompt_injection/actions/0 must be an object'],
    ['default_severity: banana', `4:5: rules/prompt_injection/default_severity ${SEVERITY}`],
    ['default_severity: hihg', `4:5: rules/prompt_injection/default_severity ${SEVERITY}; did you mean "high"?`],
    ['default_severity: High', '; did you mean "high"?'],
    ['min_severity: 3', `4:5: rules/prompt_injection/min_severity ${SEVERITY}`],
    ['max_holds: 0', '4:5: rules/prompt_injection/max_holds must be at least 1'],
    ['max_holds: 1.5', '4:5: rules/prompt_injection/max_holds must be an int'],
    ['max_holds: 1000001', '4:5: rules/prompt_injection/max_holds must be at most 1000000'],
    ['dedupe: {by: [source]}', '4:5: rules/prompt_injection/dedupe/window is required'],
    ['dedupe: {by: [], window: 5m}', '4:14: rules/prompt_injection/dedupe/by must be at least 1 items'],
    [
      'dedupe: {by: [sauce], window: 5m}',
      '4:19: rules/prompt_injection/dedupe/by/0 must be one of source, subject, description, trace_id, reported_by or evidence.<key>',
    ],
    ['dedupe: {by: [evidence], window: 5m}', 'dedupe/by/0 must be one of'],
    ['dedupe: {by: [evidence.a.b], window: 5m}', 'dedupe/by/0 must be one of'],
    ['dedupe: {by: [evidence.], window: 5m}', 'dedupe/by/0 must be one of'],
    ['escalate: {count: 1, window: 5m, to: high}', '4:16: rules/prompt_injection/escalate/count must be at least 2'],
    ['escalate: {count: 1001, window: 5m, to: high}', '4:16: rules/prompt_injection/escalate/count must be at most 1000'],
    ['escalate: {count: 2, window: 5m, to: low}', '4:38: rules/prompt_injection/escalate/to is low: an escalation only ever raises'],
    ['escalate: {count: 2, window: 5m}', `4:5: rules/prompt_injection/escalate/to ${SEVERITY}`],
    [
      'escalate: {count: 2, windwo: 5m, to: high}',
      '4:26: rules/prompt_injection/escalate/windwo is not a known key; did you mean "window"?',
    ],
  ])('with %s', (written, message) => {
    expect(rule(written)).toContain(message);
  });

  it.each<[string, number, (count: number) => string]>([
    ['actions', 16, (count) => `actions: [${Array<string>(count).fill('log_alert').join(', ')}]`],
    ['dedupe/by', 8, (count) => `dedupe: {by: [${Array<string>(count).fill('source').join(', ')}], window: 5m}`],
  ])('with more %s than %d', (key, most, written) => {
    const tooMany = `rules/prompt_injection/${key} must be at most ${most} items`;
    expect(rule(written(most + 1))).toContain(tooMany);
    expect(rule(`${written(most)}\n    nonsense: 1`)).not.toContain(tooMany);
  });

  it.each(['5', '5 m', '0s', '-5m', '5M', '1h30m', '5min', '.5s', '"5m "', '1e3s', '05m', '9999999999ms', '[5m]'])(
    'with the window %s',
    (window) => {
      expect(rule(`escalate: {count: 2, window: ${window}, to: high}`)).toMatch(
        new RegExp(`^p\\.yaml:4:26: rules/prompt_injection/escalate/window (${DURATION}|must be a string)$`),
      );
    },
  );

  it.each(['367d', '8785h', '999999999s'])('with the window %s, which is longer than a leap year', (window) => {
    expect(rule(`dedupe: {by: [source], window: ${window}}`)).toBe(
      'p.yaml:4:28: rules/prompt_injection/dedupe/window must be at most 366d',
    );
  });
});

describe('classes and alerting', () => {
  it.each([
    [
      'classes: {prompt_injection: {default_severity: low}}',
      '3:11: classes/prompt_injection is one of the nine that are always there; give its severity in its rule',
    ],
    ['classes: {data_exfiltration: {}}', `3:11: classes/data_exfiltration/default_severity ${SEVERITY}`],
    ['classes: {data_exfiltration: critical}', '3:11: classes/data_exfiltration must be an object'],
    ['classes: {Data: {default_severity: low}}', '3:11: classes/Data must be lower-case words joined by _'],
    ['classes: {"a b": {default_severity: low}}', '3:11: classes/a b must be lower-case words joined by _'],
    ['alerting: {webhook: []}', '3:12: alerting/webhook is not a known key; did you mean "webhooks"?'],
    ['alerting: {webhooks: [{url: "ftp://h/a"}]}', '3:24: alerting/webhooks/0/url'],
    ['alerting: {webhooks: [{url: "javascript:alert(1)"}]}', '3:24: alerting/webhooks/0/url'],
    ['alerting: {webhooks: [{url: hook}]}', '3:24: alerting/webhooks/0/url'],
    ['alerting: {webhooks: [{events: []}]}', '3:23: alerting/webhooks/0/url is required'],
    [
      'alerting: {webhooks: [{url: "http://h", events: [contain]}]}',
      '3:50: alerting/webhooks/0/events/0 must be one of containment, escalation, recovery',
    ],
  ])('%s', (written, message) => {
    expect(top(written)).toContain(`p.yaml:${message}`);
  });

  it('name at most sixteen webhooks', () => {
    const hooks = (count: number) => `alerting: {webhooks: [${Array<string>(count).fill('{url: "http://h"}').join(', ')}]}`;
    expect(parsePolicy('p.yaml', `version: 1\nrules: {}\n${hooks(16)}\n`).webhooks).toHaveLength(16);
    expect(top(hooks(17))).toBe('p.yaml:3:12: alerting/webhooks must be at most 16 items');
  });

  it('name at most a class of 128 characters', () => {
    const name = `a${'b'.repeat(127)}`;
    expect(parsePolicy('p.yaml', `version: 1\nrules: {}\nclasses: {${name}: {default_severity: low}}\n`).classes.has(name)).toBe(true);
    expect(top(`classes: {${name}c: {default_severity: low}}`)).toContain('must be lower-case words joined by _');
  });
});

describe('a file that is no policy', () => {
  it.each([
    ['empty', ''],
    ['only comments', '# nothing\n'],
    ['JSON null', 'null'],
    ['prose', 'contain everything\n'],
  ])('because it is %s', (_, text) => {
    expect(refuse(text)).toMatch(/^p\.yaml:1:1: the file (is empty|must be an object)$/);
  });

  it('because it is 10 MB, a pipe, a folder or not UTF-8: it is refused by its name, and nothing waits', () => {
    using folder = openFolder();
    const paths = {
      big: folder.file('big', `version: 1\nrules: {}\n${'#\n'.repeat(5_000_000)}`),
      pipe: join(folder.path, 'pipe'),
      folder: join(folder.path, 'folder'),
      latin1: folder.file('latin1', Buffer.from('version: 1\nrules: {} # gr\xfcn\n', 'latin1')),
    };
    execFileSync('mkfifo', [paths.pipe]);
    mkdirSync(paths.folder);
    const reason = (path: string) => refusalOf(() => loadPolicy(path)).message;
    expect(reason(paths.big)).toBe(`${paths.big}: is 10000021 bytes; at most 262144 are read`);
    expect(reason(paths.pipe)).toBe(`${paths.pipe}: is not a regular file`);
    expect(reason(paths.folder)).toBe(`${paths.folder}: is not a regular file`);
    expect(reason(paths.latin1)).toBe(`${paths.latin1}: is not UTF-8 text`);
  });
});

describe('any mistyped word', () => {
  /** Two neighbours swapped, as fingers do. */
  const swap = (word: string, at: number) => word.slice(0, at) + word.slice(at + 1, at + 2) + word.slice(at, at + 1) + word.slice(at + 2);
  const typo = (words: readonly string[]) =>
    fc
      .tuple(fc.constantFrom(...words.filter((word) => word.length > 3)), fc.nat())
      .map(([word, n]) => ({ word, wrong: swap(word, n % (word.length - 1)) }))
      .filter(({ wrong }) => !words.includes(wrong));

  it.each<[string, readonly string[], (wrong: string) => string]>([
    ['class', CLASSES, (wrong) => `version: 1\nrules:\n  ${wrong}: {}\n`],
    ['action', ACTION_NAMES, (wrong) => `version: 1\nrules:\n  tool_call_burst: {actions: [${wrong}]}\n`],
    ['severity', SEVERITIES, (wrong) => `version: 1\nrules:\n  tool_call_burst: {default_severity: ${wrong}}\n`],
    ['key', Object.keys(PolicyFile.shape), (wrong) => `version: 1\nrules: {tool_call_burst: {}}\n${wrong}: 1\n`],
  ])('%s is refused, and the right one is named', (_, words, file) => {
    fc.assert(
      fc.property(typo(words), ({ word, wrong }) => {
        expect(refuse(file(wrong))).toContain(`did you mean "${word}"?`);
      }),
    );
  });
});
