/** What `verifyLog` found. `offset` is that of the first bad line. */
export function verifyLog(path: string): { records: number; fault: string | null; offset: number; torn: boolean; last: string };
