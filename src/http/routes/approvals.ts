// Approvals: what waits for an operator's word, and the word, which is bound to exactly what was read.

import { z } from 'zod';
import { RecorderError } from '../../errors.ts';
import type { Approval, ApprovalStatus } from '../../incident/approval.ts';
import { approvalView } from '../../incident/view.ts';
import { optional, parseShape, text } from '../../input/shape.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import type { Store } from '../../store/store.ts';
import { askedBy } from '../asking.ts';
import { parseJson } from '../body.ts';
import type { Call, KnownCall, Route } from '../guard.ts';
import { digestOf } from '../headers.ts';
import { listReply } from '../listing.ts';
import { PAGE_PARAMETERS, among, parametersOf } from '../query.ts';
import { type Reply, changeReply, json } from '../reply.ts';

const APPROVAL = ':id{APR-[0-9a-f]{12}}';
const STATUSES = ['pending', 'approved', 'rejected', 'expired'] as const satisfies readonly ApprovalStatus[];

const DecisionBody = z.strictObject({ decision: z.enum(['approve', 'reject']), note: optional(text(4096)) });

export interface ApprovalParts {
  store: { readonly approvals: Pick<Store['approvals'], 'byId' | 'list' | 'reach'> };
  recorder: Pick<Recorder, 'decideApproval'>;
}

export function approvalRoutes({ store, recorder }: ApprovalParts): Route[] {
  const etag = ({ digest }: Approval) => ({ etag: `"${digest}"` });

  function list(call: Call): Reply {
    const parameters = parametersOf(call.url, ['status', ...PAGE_PARAMETERS]);
    const status = among(parameters, 'status', STATUSES);
    return listReply(call, parameters, {
      filter: status,
      list: (before, limit) => store.approvals.list(status, before, limit),
      reach: store.approvals.reach,
      view: approvalView,
    });
  }

  function one({ url, param }: Call): Reply {
    parametersOf(url, []);
    const approval = store.approvals.byId(param('id'));
    if (!approval) throw new RecorderError('not_found', 'there is no such approval');
    return json(approvalView(approval), 200, etag(approval));
  }

  async function decide(call: KnownCall): Promise<Reply> {
    const told = parseShape(DecisionBody, parseJson(call.body), 'invalid_request');
    const asked = askedBy(call);
    const request = { id: call.param('id'), ...told, digest: digestOf(call.incoming.headers), ...asked };
    const { approval, ...done } = await recorder.decideApproval(request);
    return changeReply(approvalView(approval), { ...done, headers: etag(approval) });
  }

  return [
    { method: 'GET', path: '/api/v1/approvals', for: 'read', handle: list },
    { method: 'GET', path: `/api/v1/approvals/${APPROVAL}`, for: 'read', handle: one },
    { method: 'POST', path: `/api/v1/approvals/${APPROVAL}/decision`, for: 'operate', handle: decide },
  ];
}
