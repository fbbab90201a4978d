// Commands: what actuators were asked to do, what came of it by their own word, and trying again.

import { z } from 'zod';
import { RecorderError } from '../../errors.ts';
import { COMMAND_STATUSES, type Command, RESULT_STATUSES } from '../../incident/command.ts';
import { HOLD_ID } from '../../incident/hold.ts';
import type { Delivery } from '../../delivery/delivery.ts';
import { Evidence } from '../../incident/report.ts';
import { commandView } from '../../incident/view.ts';
import { optional, parseShape, text } from '../../input/shape.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import type { Refusals } from '../../recorder/refusals.ts';
import type { Store } from '../../store/store.ts';
import { mustActFor } from '../acting.ts';
import { askedBy, parseOptionalJson } from '../asking.ts';
import { parseJson } from '../body.ts';
import type { Call, KnownCall, Route } from '../guard.ts';
import { listReply } from '../listing.ts';
import { PAGE_PARAMETERS, among, parametersOf, refuse, single } from '../query.ts';
import { type Reply, changeReply, json } from '../reply.ts';

const COMMAND = ':id{CMD-[0-9a-f]{12}}';
/** Incidents that are shown by name. */
const MAX_IDS = 100;

const ResultBody = z.strictObject({ status: z.enum(RESULT_STATUSES), evidence: optional(Evidence), error: optional(text(1024)) });
const RetryBody = z.strictObject({ note: optional(text(4096)) });

export interface CommandParts {
  store: {
    readonly commands: Pick<Store['commands'], 'byId' | 'list' | 'reach'>;
    readonly holds: Pick<Store['holds'], 'byId' | 'owners'>;
  };
  recorder: Pick<Recorder, 'result' | 'retry'>;
  delivery: Pick<Delivery, 'view' | 'heard'>;
  refusals: Pick<Refusals, 'denied'>;
}

export function commandRoutes({ store, recorder, delivery, refusals }: CommandParts): Route[] {
  /** With what is known of sending it, which is recorded with its end. */
  function view(command: Command): Record<string, unknown> {
    const sent = command.open ? delivery.view(command.id) : null;
    return {
      ...commandView(command, store.holds.owners(command.hold, MAX_IDS)),
      ...(sent && { attempts: Math.max(sent.attempts, command.attempts), error: sent.last_error ?? command.error }),
      next_attempt_at: sent?.next_attempt_at ?? null,
    };
  }

  function mustFind(id: string): Command {
    const command = store.commands.byId(id);
    if (!command) throw new RecorderError('not_found', 'there is no such command');
    return command;
  }

  function list(call: Call): Reply {
    const parameters = parametersOf(call.url, ['actuator', 'status', 'hold', ...PAGE_PARAMETERS]);
    const hold = single(parameters, 'hold');
    if (hold !== null && !HOLD_ID.test(hold)) throw refuse('hold', 'must be the id of a hold: HLD- and 12 hex digits');
    const status = among(parameters, 'status', COMMAND_STATUSES);
    const actuator = single(parameters, 'actuator');
    const seq = hold === null ? null : (store.holds.byId(hold)?.seq ?? NO_HOLD);
    return listReply(call, parameters, {
      filter: { hold, status, actuator },
      list: (before, limit) => store.commands.list({ hold: seq, status, actuator }, before, limit),
      reach: (before) => (hold === null ? store.commands.reach(before) : null),
      view,
    });
  }

  function one({ url, param }: Call): Reply {
    parametersOf(url, []);
    return json(view(mustFind(param('id'))));
  }

  async function result(call: KnownCall): Promise<Reply> {
    // What came of a command is the same however often it is told: a key only has to be one.
    const { caller } = askedBy(call);
    const told = parseShape(ResultBody, parseJson(call.body), 'invalid_request');
    const { id, actuator } = mustFind(call.param('id'));
    mustActFor(call.token, actuator, refusals);
    const { command, repeated } = await recorder.result(id, told, { actuator, caller, attempts: delivery.view(id)?.attempts ?? null });
    delivery.heard(actuator);
    return json(view(command), 200, repeated ? { 'idempotent-replayed': 'true' } : {});
  }

  async function retry(call: KnownCall): Promise<Reply> {
    const { note } = parseShape(RetryBody, parseOptionalJson(call.body), 'invalid_request');
    const { command, ...done } = await recorder.retry({ id: call.param('id'), note, ...askedBy(call) });
    return changeReply(view(command), done);
  }

  return [
    { method: 'GET', path: '/api/v1/commands', for: 'read', handle: list },
    { method: 'GET', path: `/api/v1/commands/${COMMAND}`, for: 'read', handle: one },
    { method: 'POST', path: `/api/v1/commands/${COMMAND}/retry`, for: 'operate', handle: retry },
    { method: 'POST', path: `/api/v1/commands/${COMMAND}/result`, for: 'actuate', handle: result },
  ];
}

/** No record has it, and so no hold. */
const NO_HOLD = 0;
