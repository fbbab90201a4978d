// From a report to its command on the wire, beside what that is made of at the least: a round trip to the actuator and a commit.

import { join } from 'node:path';
import { CLASSES, folderWith, policyOf, startOn } from './commanding.ts';
import type { Bare, Field } from './field.ts';
import type { Sent } from './field-process.ts';
import { type Aim, type Findings, count, median, ms, table } from './findings.ts';
import { spread, share } from './shares.ts';

const REPORTERS = [1, 64];
/** Round trips, beside the one commit. */
const MOST = 5;

interface Round {
  readonly unix: readonly number[];
  readonly tcp: readonly number[];
  readonly commit: readonly number[];
  readonly sent: ReadonlyMap<string, Sent>;
}

export async function measureWire(scope: AsyncDisposableStack, field: Field, bare: Bare, quick: boolean): Promise<Findings> {
  const { rounds, reports, times } = quick ? { rounds: 3, reports: 400, times: 400 } : { rounds: 7, reports: 1000, times: 1000 };
  const sockets = folderWith(scope, '');
  const unix = await field.open('wire-unix', join(sockets, 'actuator.sock'));
  const tcp = await field.open('wire-tcp', null);
  const dir = folderWith(scope, policyOf({ block_ip: unix, rate_limit: tcp, freeze_agent: unix }));
  const { port } = await startOn(scope, dir);

  const faults: string[] = [];
  let from = 0;
  const send = async (className: string, reporters: number, many: number, commands = true) => {
    const sent = await field.send({ port, class: className, from, reporters, count: many, commands });
    from += many;
    if (sent.fault !== null) faults.push(`${className}, ${reporters} reporters: ${sent.fault}`);
    return sent;
  };
  for (const className of Object.values(CLASSES)) await send(className, 4, 100, className !== CLASSES.freezes);

  const measured: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const yardsticks = { unix: await bare.ask(unix, times), tcp: await bare.ask(tcp, times) };
    const commit = await bare.commit(join(sockets, 'bare.db'), times);
    const sent = new Map<string, Sent>();
    for (const reporters of REPORTERS) {
      sent.set(`unix ${reporters}`, await send(CLASSES.blocks, reporters, reports));
      sent.set(`tcp ${reporters}`, await send(CLASSES.slows, reporters, reports));
      sent.set(`joined ${reporters}`, await send(CLASSES.freezes, reporters, reports, false));
    }
    measured.push({ ...yardsticks, commit, sent });
  }
  return { ...findingsOf(measured), errors: faults };
}

function findingsOf(rounds: readonly Round[]): Omit<Findings, 'errors'> {
  const middle = (of: (round: Round) => readonly number[], part: number) => median(rounds.map((round) => share(of(round), part)));
  const bare = (name: string, of: (round: Round) => readonly number[]) => [name, '', ms(middle(of, 0.5)), ms(middle(of, 0.99)), ''];
  const rows: (string | number)[][] = [
    bare('bare round trip, unix socket', ({ unix }) => unix),
    bare('bare round trip, TCP', ({ tcp }) => tcp),
    bare('one commit', ({ commit }) => commit),
  ];
  const aims: Aim[] = [];
  for (const reporters of REPORTERS) {
    for (const over of ['unix', 'tcp'] as const) {
      const sentOf = (round: Round) => round.sent.get(`${over} ${reporters}`) as Sent;
      const ratioTo = (part: number) =>
        rounds.map((round) => share(sentOf(round).wire, 0.99) / (MOST * share(round[over], part) + share(round.commit, part)));
      const [same, middles] = [ratioTo(0.99), ratioTo(0.5)];
      const rate = count(median(rounds.map((round) => sentOf(round).answer.length / sentOf(round).seconds)));
      const wire = [ms(middle((round) => sentOf(round).wire, 0.5)), ms(middle((round) => sentOf(round).wire, 0.99))];
      const what = `report → command on the wire, ${over === 'unix' ? 'unix socket' : 'TCP'}, ${reporters} reporter${reporters > 1 ? 's' : ''}`;
      rows.push([what, rate, ...wire, `${spread(same)}, ${spread(middles)}`]);
      const answers = [ms(middle((round) => sentOf(round).answer, 0.5)), ms(middle((round) => sentOf(round).answer, 0.99))];
      rows.push(['… → answer', '', ...answers, '']);
      if (reporters > 1) continue;
      const aim = `p99 of report → command, ${over}, 1 reporter ≤ ${MOST} bare round trips + one commit, by their p99`;
      aims.push({ what: aim, measured: spread(same), met: median(same) <= 1 });
    }
    const joinedOf = (round: Round) => (round.sent.get(`joined ${reporters}`) as Sent).answer;
    const rate = count(
      median(
        rounds.map(({ sent }) => (sent.get(`joined ${reporters}`)?.answer.length ?? 0) / (sent.get(`joined ${reporters}`)?.seconds ?? 1)),
      ),
    );
    rows.push([`report that joins the one hold → answer, ${reporters}`, rate, ms(middle(joinedOf, 0.5)), ms(middle(joinedOf, 0.99)), '']);
  }
  const head = ['containment', 'reports/s', 'p50 ms', 'p99 ms', `p99 / (${MOST} round trips + commit), by their p99, by their p50`];
  return { text: table(head, rows), aims };
}
