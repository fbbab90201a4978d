// Who may do what: one row per role, and one word per kind of door.

/**
 * What a route asks for. `anyone` needs no token; `read_own` is what one has reported oneself; `actuate` is to fetch the commands of one
 * actuator and to say what came of them.
 */
export type Right = 'anyone' | 'read_own' | 'read' | 'report' | 'operate' | 'actuate';

export const ROLES = {
  reporter: ['report', 'read_own'],
  reader: ['read', 'read_own'],
  operator: ['read', 'read_own', 'operate'],
  admin: ['read', 'read_own', 'operate'],
  actuator: ['actuate'],
  /** The one token of SERVICE_TOKEN_PATH: every role. */
  service: ['read', 'read_own', 'report', 'operate', 'actuate'],
} as const satisfies Record<string, readonly Right[]>;

export type Role = keyof typeof ROLES;

/** The roles that a token file may give. */
export const NAMED_ROLES = ['reporter', 'reader', 'operator', 'admin', 'actuator'] as const satisfies readonly Role[];

export function mayDo(role: Role, right: Right): boolean {
  return right === 'anyone' || (ROLES[role] as readonly Right[]).includes(right);
}
