// Before the tests: what they are given is made once, for all of them.

import { GIVEN_IN } from './box.ts';
import { makeGiven } from './given.ts';

export function setup(): () => void {
  const given = makeGiven(['test/sandboxed/inside', 'test/support/actuators', 'test/fixtures']);
  process.env[GIVEN_IN] = given.folder; // whoever runs the tests is started after this
  return () => given[Symbol.dispose]();
}
