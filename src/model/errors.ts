import type { SerializedError } from '../protocol/engine';
import { said } from '../protocol/said';

/** What an error is about, so that the message and the log can name it. */
export interface ErrorPlace {
  readonly file?: string;
  readonly tensor?: string;
  /** Byte offset in `file`. */
  readonly offset?: number;
}

export type ErrorCode =
  /** The file breaks its format's rules. */
  | 'MODEL_FILE'
  /** The operating system failed: missing, unreadable, full. */
  | 'IO'
  /** The request makes no sense for this model (unknown tensor, format that does not fit). */
  | 'REQUEST'
  /** Understood, but not supported by this version. */
  | 'UNSUPPORTED'
  | 'DEVICE'
  | 'CANCELLED'
  | 'ENGINE_DIED'
  | 'INTERNAL';

/** An error with a sentence for the user; `cause` keeps the original for the log. */
export class QuantscopeError extends Error {
  readonly code: ErrorCode;
  readonly place: ErrorPlace;

  constructor(code: ErrorCode, message: string, place: ErrorPlace = {}, cause?: unknown) {
    super(withPlace(message, place), cause === undefined ? undefined : { cause });
    this.name = 'QuantscopeError';
    this.code = code;
    this.place = place;
  }
}

/** Throws the error of a cancelled request when the signal has fired. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new QuantscopeError('CANCELLED', said`The request was cancelled.`);
}

export function serializeError(error: unknown): SerializedError {
  if (error instanceof QuantscopeError) {
    return { code: error.code, message: error.message, ...error.place, ...stackOf(error) };
  }
  if (error instanceof Error) return { code: 'INTERNAL', message: error.message, ...stackOf(error) };
  return { code: 'INTERNAL', message: String(error) };
}

function stackOf(error: Error): { stack?: string } {
  return error.stack === undefined ? {} : { stack: error.stack };
}

function withPlace(message: string, { file, tensor, offset }: ErrorPlace): string {
  const known = tensor === undefined ? file : tensorPlace(file, tensor);
  if (offset === undefined) return known === undefined ? message : said`${message} (${known})`;
  return known === undefined
    ? said`${message} (byte ${offset})`
    : said`${message} (${known}, byte ${offset})`;
}

const tensorPlace = (file: string | undefined, tensor: string): string =>
  file === undefined ? said`tensor "${tensor}"` : said`${file}, tensor "${tensor}"`;
