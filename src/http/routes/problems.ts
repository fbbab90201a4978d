// GET /problems/<slug>: what each kind of refusal means, under the URL that the refusal itself names.

import type { ErrorCode } from '../../errors.ts';
import { RecorderError } from '../../errors.ts';
import type { Route } from '../guard.ts';
import { PROBLEMS, typeOf } from '../problem.ts';
import { json } from '../reply.ts';

export function problemRoutes(): Route[] {
  const codes = Object.keys(PROBLEMS) as ErrorCode[];
  return [
    {
      method: 'GET',
      path: '/problems/:slug{[a-z-]{1,64}}',
      for: 'anyone',
      handle({ param }) {
        const code = codes.find((known) => typeOf(known) === `/problems/${param('slug')}`);
        if (!code) throw new RecorderError('not_found', 'there is no such kind of problem');
        return json({ type: typeOf(code), code, ...PROBLEMS[code] });
      },
    },
  ];
}
