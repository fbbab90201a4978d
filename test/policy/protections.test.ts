// Protections of a policy file: what they may name, and every one that could not hit anything.

import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../src/policy/load.ts';
import { refusalOf } from '../support/refusal.ts';

/** One protection, whose keys begin on 4:6. */
const file = (written: string) => `version: 1\nrules: {}\nprotect:\n  - {${written}}\n`;
const refuse = (written: string) => {
  const { code, message } = refusalOf(() => parsePolicy('p.yaml', file(written)));
  expect(code).toBe('invalid_configuration');
  return message;
};

describe('a protection', () => {
  it.each([
    ['actions: [block_ip], targets: [127.0.0.0/8, "::1", 10.0.0.1, "::ffff:10.0.0.0/104", "*"]', false],
    ['actions: [suspend_user], targets: [root, "breakglass-*", "1001", "1.2", "a b", "*"]', false],
    ['actions: [suspend_user], targets: [root], allow: with_approval', true],
    ['actions: [rate_limit], targets: [10.0.0.0/8, root, "s-*", "a:b"]', false],
    ['actions: [block_ip, suspend_user], targets: [10.0.0.0/8, root]', false],
    ['actions: [freeze_agent], targets: [planner-1, "*"]', false],
    ['actions: [quarantine_model], targets: [/models/base.gguf, "/golden/*"]', false],
    ['actions: [disable_airlock, force_vault_relock], targets: ["*"]', false],
    ['actions: [terminate_session], targets: [s-1]', false],
  ])('%s', (written, withApproval) => {
    const [protection, ...more] = parsePolicy('p.yaml', file(written)).protect;
    expect(more).toEqual([]);
    expect(protection).toMatchObject({ with_approval: withApproval, line: 4 });
  });

  it('keeps what it names as it is written, and knows its line', () => {
    const { protect } = parsePolicy(
      'p.yaml',
      'version: 1\nprotect:\n  # a\n  - {actions: [block_ip], targets: ["0:0:0:0:0:0:0:1"]}\n\n  - actions: [suspend_user]\n    targets: [Root]\n    allow: with_approval\nrules: {}\n',
    );
    expect(protect).toEqual([
      { actions: ['block_ip'], targets: ['0:0:0:0:0:0:0:1'], with_approval: false, line: 4 },
      { actions: ['suspend_user'], targets: ['Root'], with_approval: true, line: 6 },
    ]);
  });
});

describe('refused', () => {
  const NO_ADDRESS = 'is no address or network: no leading zeros, no bits behind the prefix, no *; such as 10.0.0.0/8 or ::1';
  it.each([
    ['targets: [10.0.0.1]', 'p.yaml:4:5: protect/0/actions is required'],
    ['actions: [block_ip]', 'p.yaml:4:5: protect/0/targets is required'],
    ['actions: [], targets: [10.0.0.1]', 'p.yaml:4:6: protect/0/actions must be at least 1 items'],
    ['actions: [block_ip], targets: []', 'p.yaml:4:27: protect/0/targets must be at least 1 items'],
    ['actions: block_ip, targets: [10.0.0.1]', 'p.yaml:4:6: protect/0/actions must be an array'],
    ['actions: [blockip], targets: [10.0.0.1]', '; did you mean "block_ip"?'],
    ['actions: [block_ip], targets: [10]', 'p.yaml:4:37: protect/0/targets/0 must be a string'],
    ['actions: [block_ip], targets: [10.0.0.1], target: 10.0.0.1', 'p.yaml:4:48: protect/0/target is not a known key'],
    [
      'actions: [block_ip], targets: [10.0.0.1], allow: with_aproval',
      'p.yaml:4:48: protect/0/allow must be "with_approval"; did you mean "with_approval"?',
    ],
    ['actions: [block_ip], targets: [10.0.0.1], allow: true', 'p.yaml:4:48: protect/0/allow must be "with_approval"'],
    ['actions: [log_alert], targets: ["*"]', 'p.yaml:4:16: protect/0/actions/0 names log_alert, which is done to nobody'],
    ['actions: [block_ip, block_ip], targets: [10.0.0.1]', 'p.yaml:4:26: protect/0/actions/1 names block_ip a second time'],
    ['actions: [block_ip], targets: [10.0.0.1, 10.0.0.1/8]', `p.yaml:4:47: protect/0/targets/1 ${NO_ADDRESS}`],
    ['actions: [block_ip], targets: [10.0.0.1, 010.0.0.1]', `p.yaml:4:47: protect/0/targets/1 ${NO_ADDRESS}`],
    ['actions: [block_ip], targets: [10.0.0.1, 10.0.0.0/33]', `protect/0/targets/1 ${NO_ADDRESS}`],
    ['actions: [block_ip], targets: [10.0.0.1, 10.0.0.*]', `protect/0/targets/1 ${NO_ADDRESS}`],
    ['actions: [block_ip], targets: [10.0.0.1, 10.0.0]', `protect/0/targets/1 ${NO_ADDRESS}`],
    ['actions: [block_ip], targets: [10.0.0.1, "fe80::1%eth0"]', 'protect/0/targets/1 is not an address or network'],
    ['actions: [block_ip], targets: [10.0.0.1, "fe80:*"]', 'protect/0/targets/1 is not an address or network'],
    ['actions: [block_ip], targets: [10.0.0.1, "fe80::*"]', `protect/0/targets/1 ${NO_ADDRESS}`],
    ['actions: [block_ip, suspend_user], targets: [10.0.0.1, root, 010.0.0.1]', `protect/0/targets/2 ${NO_ADDRESS}`],
    ['actions: [rate_limit], targets: [root, 10.0.0.1/8]', `protect/0/targets/1 ${NO_ADDRESS}`],
    ['actions: [rate_limit], targets: [root, "::1/64"]', `protect/0/targets/1 ${NO_ADDRESS}`],
    ['actions: [block_ip], targets: [10.0.0.1, root]', 'p.yaml:4:47: protect/0/targets/1 is not an address or network'],
    [
      'actions: [block_ip], targets: [localhost]',
      'p.yaml:4:16: protect/0/actions/0 names block_ip, and no target here is an address or network',
    ],
    ['actions: [suspend_user], targets: [root, 10.0.0.0/8]', 'protect/0/targets/1 is not the name of one user'],
    [
      'actions: [suspend_user], targets: [10.0.0.1]',
      'p.yaml:4:16: protect/0/actions/0 names suspend_user, and no target here is the name of one user',
    ],
    [
      'actions: [block_ip, suspend_user], targets: [10.0.0.1]',
      'p.yaml:4:26: protect/0/actions/1 names suspend_user, and no target here is the name of one user',
    ],
    [
      'actions: [disable_airlock], targets: [airlock]',
      'p.yaml:4:16: protect/0/actions/0 names disable_airlock, and no target here is "*", the only target of disable_airlock',
    ],
    ['actions: [suspend_user], targets: [root, "a*b"]', 'p.yaml:4:47: protect/0/targets/1 has a * that is not at its end'],
    ['actions: [suspend_user], targets: [root, "*a"]', 'protect/0/targets/1 has a * that is not at its end'],
    ['actions: [suspend_user], targets: [root, ""]', 'protect/0/targets/1 must be an address, a network or a name'],
    ['actions: [suspend_user], targets: [root, " root"]', 'protect/0/targets/1 must be an address, a network or a name'],
    ['actions: [suspend_user], targets: [root, "ro\\not"]', 'protect/0/targets/1 must be an address, a network or a name'],
  ])('%s: %s', (written, message) => {
    expect(refuse(written)).toContain(message);
  });

  it('takes no longer for hostile targets', () => {
    const targets = ['.'.repeat(4095), ':'.repeat(4095), '1.'.repeat(2047), '*'.repeat(4095)].map((target) => JSON.stringify(`${target}x`));
    const begun = performance.now();
    refuse(`actions: [rate_limit], targets: [10.0.0.1, ${Array<string>(15).fill(targets.join(', ')).join(', ')}]`);
    expect(performance.now() - begun).toBeLessThan(500);
  });

  it('what is no list', () => {
    expect(refusalOf(() => parsePolicy('p.yaml', 'version: 1\nrules: {}\nprotect: {actions: [block_ip]}\n')).message).toBe(
      'p.yaml:3:1: protect must be an array',
    );
  });
});
