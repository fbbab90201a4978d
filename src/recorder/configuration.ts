// What is in force beside the policy: who holds which token. Policy and tokens are checked first, and all swap or none.

import { type Keyring, createKeyring } from '../access/keyring.ts';
import { type TokenPaths, loadTokens } from '../access/load.ts';
import type { Token } from '../access/token.ts';
import { RecorderError } from '../errors.ts';
import type { RequestMark } from '../incident/events.ts';
import type { Receipt } from '../incident/incident.ts';
import { builtInPolicy } from '../policy/built-in.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Policy } from '../policy/policy.ts';
import type { Caller } from './caller.ts';
import type { Recorder } from './recorder.ts';

export interface ConfigurationPaths {
  readonly policy: string;
  readonly tokens: TokenPaths;
}

/** At start a missing policy file means the built-in table. @throws RecorderError "invalid_configuration" for a bad file */
export function loadAtStart(paths: ConfigurationPaths): { policy: Policy; tokens: Token[] } {
  return { policy: loadPolicy(paths.policy) ?? builtInPolicy(), tokens: loadTokens(paths.tokens) };
}

export interface Configuration {
  readonly keyring: Keyring;
  /**
   * Reads both files again. Resolves with the receipt when they are in force (null: this very request had done it before).
   * @throws RecorderError "invalid_configuration"; then nothing has changed
   */
  reload(caller: Caller, mark: RequestMark | null): Promise<Receipt | null>;
}

export interface ConfigurationParts {
  paths: ConfigurationPaths;
  tokens: readonly Token[];
  recorder: Pick<Recorder, 'adopt'>;
}

export function createConfiguration({ paths, tokens, recorder }: ConfigurationParts): Configuration {
  let keyring = createKeyring(tokens);
  return {
    get keyring() {
      return keyring;
    },
    async reload(caller, mark) {
      const policy = loadPolicy(paths.policy);
      if (!policy) throw new RecorderError('invalid_configuration', `${paths.policy}: there is no such file; the policy in force stays`);
      const fresh = loadTokens(paths.tokens);
      const receipt = await recorder.adopt(policy, fresh, caller, mark);
      if (receipt) keyring = createKeyring(fresh);
      return receipt;
    },
  };
}
