// What the parts of the benchmark find, and how it is printed.

export interface Findings {
  /** Markdown. */
  readonly text: string;
  readonly aims: readonly Aim[];
  /** What must not happen at all: a request that failed, an answered report that is not there. */
  readonly errors: readonly string[];
}

export interface Aim {
  readonly what: string;
  readonly measured: string;
  readonly met: boolean;
}

export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

export function ms(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

export function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
