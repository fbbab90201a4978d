// What is in force beside the policy: who holds which token, and the secrets of actuators. All is checked first, and all swap or none.

import { type Keyring, createKeyring } from '../access/keyring.ts';
import { type TokenPaths, loadTokens } from '../access/load.ts';
import type { Token } from '../access/token.ts';
import { RecorderError } from '../errors.ts';
import type { RequestMark } from '../incident/events.ts';
import type { Receipt } from '../incident/incident.ts';
import { builtInPolicy } from '../policy/built-in.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Actuator, Policy } from '../policy/policy.ts';
import { refuseClosedPorts } from '../policy/ports.ts';
import { type Secrets, type SecretsPlace, loadSecrets } from '../policy/secrets.ts';
import type { Caller } from './caller.ts';
import type { Recorder } from './recorder.ts';

export interface ConfigurationPaths {
  readonly policy: string;
  readonly tokens: TokenPaths;
  readonly secrets: SecretsPlace;
  /** Those that the environment names, for a policy that names none. */
  readonly actuators: readonly Actuator[];
  /** Ports that the sandbox lets through; null = it keeps none away. */
  readonly open: readonly number[] | null;
}

/** What is read at start, and again at each reload. */
interface Loaded {
  readonly policy: Policy;
  readonly tokens: Token[];
  readonly secrets: Secrets;
}

/**
 * At start a missing policy file means the built-in table.
 * @throws RecorderError "invalid_configuration" for a bad file; "restart_required" when it was changed after the launcher had read it
 */
export function loadAtStart({ policy: path, tokens, secrets, actuators, open }: ConfigurationPaths): Loaded {
  const policy = loadPolicy(path, actuators) ?? builtInPolicy(actuators);
  refuseClosedPorts(policy, open);
  return { policy, tokens: loadTokens(tokens), secrets: loadSecrets(policy, secrets) };
}

export interface Configuration {
  readonly keyring: Keyring;
  readonly secrets: Secrets;
  /**
   * Reads all of it again. Resolves with the receipt when they are in force (null: this very request had done it before).
   * @throws RecorderError "invalid_configuration", "restart_required"; then nothing has changed
   */
  reload(caller: Caller, mark: RequestMark | null): Promise<Receipt | null>;
}

export interface ConfigurationParts {
  paths: ConfigurationPaths;
  loaded: Pick<Loaded, 'tokens' | 'secrets'>;
  recorder: Pick<Recorder, 'adopt'>;
  /** What was read is in force. It must not throw. */
  onAdopted: (policy: Policy, secrets: Secrets) => void;
}

export function createConfiguration({ paths, loaded, recorder, onAdopted }: ConfigurationParts): Configuration {
  let keyring = createKeyring(loaded.tokens);
  let { secrets } = loaded;
  return {
    get keyring() {
      return keyring;
    },
    get secrets() {
      return secrets;
    },
    async reload(caller, mark) {
      const policy = loadPolicy(paths.policy, paths.actuators);
      if (!policy) throw new RecorderError('invalid_configuration', `${paths.policy}: there is no such file; the policy in force stays`);
      refuseClosedPorts(policy, paths.open);
      const fresh = loadTokens(paths.tokens);
      const opened = loadSecrets(policy, paths.secrets);
      const receipt = await recorder.adopt(policy, fresh, caller, mark);
      if (!receipt) return null;
      keyring = createKeyring(fresh);
      secrets = opened;
      onAdopted(policy, opened);
      return receipt;
    },
  };
}
