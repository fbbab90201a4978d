// Bodies: bytes with a bound, then one JSON value in UTF-8.

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { RecorderError } from '../errors.ts';

export const MAX_BODY_BYTES = 64 * 1024;

/**
 * The whole body, at most `limit` bytes; more is refused at Content-Length or at the first byte too many.
 * @throws RecorderError "body_too_large", or "malformed_request" when the connection ends before the body does
 */
export function readBody(incoming: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (announced(incoming) > limit) return reject(tooLarge(limit));
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limit) return void chunks.push(chunk);
      incoming.off('data', onData);
      reject(tooLarge(limit));
    };
    incoming.on('data', onData);
    incoming.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    incoming.once('close', () => {
      if (!incoming.readableEnded) reject(new RecorderError('malformed_request', 'the connection ended before the body did'));
    });
  });
}

/** Content-Length, or 0 when the body comes in chunks. */
export function announced(incoming: IncomingMessage): number {
  return Number(incoming.headers['content-length'] ?? 0);
}

export function tooLarge(limit: number): RecorderError {
  return new RecorderError('body_too_large', `the body is longer than ${limit} bytes`);
}

/** @throws RecorderError "malformed_body" */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new RecorderError('malformed_body', 'the body is not valid UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    throw new RecorderError(
      'malformed_body',
      bytes.length === 0 ? 'the body is empty; one JSON object is expected' : 'the body is not exactly one JSON value',
    );
  }
}

/** @throws RecorderError "unsupported_media_type" for anything but `wanted` in UTF-8; no content type at all is taken as `wanted` */
export function checkContentType(header: string | undefined, wanted: string): void {
  if (header === undefined || header === wanted) return;
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  if (type === wanted && (charset === undefined || ['utf-8', '"utf-8"', 'utf8'].includes(charset))) return;
  throw new RecorderError('unsupported_media_type', `the body must be ${wanted} in UTF-8`);
}
