// What the unit says of the sandbox: a table of environment variables, which end with the launcher.

import { RecorderError } from '../errors.ts';

/** Every variable that is read, with its default. systemd/README.md shows this table. */
export const SANDBOX_ENVIRONMENT = {
  SANDBOX_LANDLOCK: 'required',
  SANDBOX_SECCOMP: 'required',
  SANDBOX_READ: '',
  SANDBOX_WRITE: '',
  SANDBOX_CONNECT: '',
} as const;
type Name = keyof typeof SANDBOX_ENVIRONMENT;

export interface SandboxSettings {
  readonly landlock: 'required' | 'off';
  /** `kill`: a call that the profile does not name ends the service, instead of failing. For tests. */
  readonly seccomp: 'required' | 'kill' | 'off';
  /** Absolute paths. */
  readonly read: readonly Place[];
  readonly write: readonly Place[];
  /** Ports beyond those that the policy leads to. */
  readonly connect: readonly number[];
}

/** A path that must be there, or (with a `-` before it, as systemd writes it) may be missing. */
export interface Place {
  readonly path: string;
  readonly optional: boolean;
}

/** @throws RecorderError "invalid_configuration" naming the variable that is wrong */
export function readSettings(env: Readonly<Partial<Record<string, string>>>): SandboxSettings {
  const refuse = (name: Name, why: string) => new RecorderError('invalid_configuration', `${name} ${why}`);
  const given = (name: Name) => env[name] || SANDBOX_ENVIRONMENT[name];
  const words = (name: Name) =>
    given(name)
      .split(/\s+/)
      .filter((word) => word !== '');
  const oneOf = <const T extends string>(name: Name, allowed: readonly T[]): T => {
    const found = allowed.find((each) => each === given(name));
    if (found === undefined) throw refuse(name, `is ${given(name)}; it must be ${allowed.join(' or ')}`);
    return found;
  };
  const places = (name: Name): Place[] =>
    words(name).map((word) => {
      const optional = word.startsWith('-');
      const path = optional ? word.slice(1) : word;
      if (!path.startsWith('/')) throw refuse(name, `holds ${word}, which is not an absolute path`);
      return { path, optional };
    });
  const ports = (name: Name): number[] =>
    words(name).map((word) => {
      if (!/^[1-9]\d{0,4}$/.test(word) || Number(word) > 65_535) throw refuse(name, `holds ${word}, which is not a port from 1 to 65535`);
      return Number(word);
    });
  return {
    landlock: oneOf('SANDBOX_LANDLOCK', ['required', 'off']),
    seccomp: oneOf('SANDBOX_SECCOMP', ['required', 'kill', 'off']),
    read: places('SANDBOX_READ'),
    write: places('SANDBOX_WRITE'),
    connect: ports('SANDBOX_CONNECT'),
  };
}
