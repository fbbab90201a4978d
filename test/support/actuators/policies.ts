// Policies of the tests with actuators: quick to verify, and as patient as the test wants.

import type { Places } from './site.ts';

/**
 * One action for each actuator, alone and all together.
 * @param deadline of each actuator
 * @param more lines at the end of the file
 */
export function quickPolicy({ deadline = '60s', every = '500ms', heartbeat = '5s', ttl = '1h', more = '' } = {}): (
  places: Places,
) => string {
  const block = `{action: block_ip, target: evidence.src_ip, ttl: ${ttl}}`;
  return ({ agent, airlock }) => `version: 1
contained_when: enforced
rules:
  policy_bypass_attempt: {auto_contain: true, actions: [freeze_agent]}
  forbidden_airlock_request: {auto_contain: true, actions: [disable_airlock]}
  tool_call_burst: {auto_contain: true, actions: [${block}]}
  integrity_violation: {auto_contain: true, default_severity: critical, actions: [freeze_agent, disable_airlock, ${block}]}
  prompt_injection:
    auto_contain: true
    actions: [{action: block_ip, target: evidence.src_ip, approve: confidence < 0.85}]
actuators:
  agent:
    actions: [freeze_agent]
    push: "${agent}/api/v1/freeze"
    secret: agent.key
    deadline: ${deadline}
    verify: {get: /api/v1/state, expect: {frozen: true}, every: ${every}}
  airlock: {actions: [disable_airlock], push: "${airlock}/api/v1/disable", dialect: secai, token: airlock.token, deadline: ${deadline}}
  firewall: {actions: [block_ip], pull: true, heartbeat: ${heartbeat}, deadline: ${deadline}}
${more}`;
}
