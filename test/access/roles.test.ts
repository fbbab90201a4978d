// Who may do what: the whole table, and which source and class a token covers.

import { describe, expect, it } from 'vitest';
import { NAMED_ROLES, ROLES, type Right, type Role, mayDo } from '../../src/access/roles.ts';
import { type Token, actsFor, covers } from '../../src/access/token.ts';

const RIGHTS: readonly Right[] = ['anyone', 'read_own', 'read', 'report', 'operate', 'actuate'];

/** As the contract draws it: admin is operator and more to come, the service token is every role. */
const TABLE: Record<Role, string> = {
  reporter: 'anyone read_own report',
  reader: 'anyone read_own read',
  operator: 'anyone read_own read operate',
  admin: 'anyone read_own read operate',
  actuator: 'anyone actuate',
  service: 'anyone read_own read report operate actuate',
};

describe('a role', () => {
  it.each(Object.entries(TABLE) as [Role, string][])('%s may do %s, and nothing else', (role, rights) => {
    expect(RIGHTS.filter((right) => mayDo(role, right)).join(' ')).toBe(rights);
  });

  it('is one of these, and all of them but service can be given by a file', () => {
    expect(Object.keys(ROLES).toSorted()).toEqual(Object.keys(TABLE).toSorted());
    expect([...NAMED_ROLES, 'service'].toSorted()).toEqual(Object.keys(TABLE).toSorted());
  });

  it('that may decide on incidents may not report them, unless it is the one token for all', () => {
    for (const role of NAMED_ROLES) expect(mayDo(role, 'operate') && mayDo(role, 'report'), role).toBe(false);
  });
});

describe('a token of an actuator', () => {
  const token = (role: Role, actuator: string | null): Token => ({
    ...{ name: 'agent', sha256: Buffer.alloc(32), rate: null, sources: null, classes: null, role, actuator },
  });

  it.each<[Role, string | null, string, boolean]>([
    ['actuator', 'agent', 'agent', true],
    ['actuator', 'agent', 'airlock', false],
    ['actuator', 'agent', 'Agent', false],
    ['actuator', 'agent', 'agent2', false],
    ['actuator', 'agent', '', false],
    ['service', null, 'agent', true],
    ['service', null, 'airlock', true],
    ['operator', null, 'agent', false],
    ['admin', null, 'agent', false],
    ['reporter', null, 'agent', false],
    // No file can make such a one.
    ['operator', 'agent', 'agent', false],
    ['actuator', null, 'agent', false],
  ])('of the role %s, bound to %s, acts for %s: %s', (role, actuator, name, may) => {
    expect(actsFor(token(role, actuator), name)).toBe(may);
  });

  it('may do nothing but act: it neither reads, reports nor decides', () => {
    for (const right of RIGHTS) expect([right, mayDo('actuator', right)]).toEqual([right, right === 'anyone' || right === 'actuate']);
    for (const role of NAMED_ROLES) expect(mayDo(role, 'actuate'), role).toBe(role === 'actuator');
  });
});

describe('a token', () => {
  const token = (sources: string[] | null, classes: string[] | null): Token => ({
    ...{ name: 't', role: 'reporter', sha256: Buffer.alloc(32), actuator: null, rate: null, sources, classes },
  });

  it.each<[string[] | null, string[] | null, boolean]>([
    [['airlock'], ['prompt_injection'], true],
    [['airlock', 'firewall'], ['tool_call_burst', 'prompt_injection'], true],
    [null, ['prompt_injection'], true],
    [['airlock'], null, true],
    [null, null, true],
    [['firewall'], ['prompt_injection'], false],
    [['airlock'], ['tool_call_burst'], false],
    [[], null, false],
    [null, [], false],
    [['Airlock'], null, false],
    [['airlock '], null, false],
    [['air'], null, false],
  ])('for the sources %j and classes %j covers prompt_injection by airlock: %s', (sources, classes, covered) => {
    expect(covers(token(sources, classes), 'airlock', 'prompt_injection')).toBe(covered);
  });
});
