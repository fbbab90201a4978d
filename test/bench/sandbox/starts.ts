// How long a start takes at a tenth of a CPU, from `systemctl start` until /health is answered, and who had the CPU meanwhile.

import { type Aim, type Findings, median, table } from '../findings.ts';
import type { Generator } from '../generator.ts';
import type { Service, Start } from './service.ts';

const MOST_S = 3;

export interface Starts extends Findings {
  readonly rows: readonly (readonly (string | number)[])[];
}

/** It runs, and runs when they are over; the last start is one from a cold cache. @param stored what it has in its store */
export async function measureStarts(service: Service, generator: Generator, stored: string, times: number): Promise<Starts> {
  const results = { warm: [] as Start[], cold: [] as Start[] };
  for (let n = 0; n < times; n += 1) {
    for (const cache of ['warm', 'cold'] as const) {
      service.stop();
      if (cache === 'cold') service.evict();
      results[cache].push(await service.start(generator));
    }
  }
  const aims: Aim[] = [];
  const rows = (['warm', 'cold'] as const).map((cache) => {
    const starts = results[cache];
    const took = starts.map((start) => start.took / 1000);
    const middle = (of: (start: Start) => number) => median(starts.map(of)).toFixed(0);
    const parts = [0, 1, 2].map((part) => middle((start) => start.parts[part] ?? Number.NaN));
    const what = `start with ${stored}, ${cache} cache ≤ ${MOST_S} s`;
    aims.push({ what, measured: `${median(took).toFixed(2)} s`, met: median(took) <= MOST_S });
    const spread = `${Math.min(...took).toFixed(2)}–${Math.max(...took).toFixed(2)}`;
    return [stored, cache, `${median(took).toFixed(2)} (${spread})`, middle(({ cpu }) => cpu), ...parts];
  });
  return { rows, text: tableOfStarts(rows), aims, errors: [] };
}

export function tableOfStarts(rows: Starts['rows']): string {
  return table(
    ['start, 10 %', 'page cache', 's until /health (least–most)', 'CPU ms', 'of systemd', 'of the launcher', 'of the service'],
    rows,
  );
}
