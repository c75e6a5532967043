import { createHash } from 'node:crypto';
import { QuantscopeError } from '../errors';
import { discard, type Answer } from './request';
import { said } from '../../protocol/said';

/** What a server says of a file. */
export interface FileFacts {
  /** Bytes. */
  readonly size: number;
  /** ETag, where the server gives one. */
  readonly tag: string | undefined;
  /** Last-Modified as it is given. */
  readonly modified: string | undefined;
}

/** Bytes of a file: from `start` up to, not including, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Headers of a request for a range, whose answer must not be compressed: offsets are those of the file. */
export const rangeHeaders = ({ start, end }: Range): Record<string, string> => ({
  range: `bytes=${start}-${end - 1}`,
  'accept-encoding': 'identity',
});

/**
 * Checks that an answer holds the bytes that were asked for, of the file that was asked for.
 * @param wanted the range; its end may lie behind that of the file where `known` is absent.
 * @param known what earlier answers said of the file.
 * @returns what this answer says, and the range that its body has.
 * @throws QuantscopeError IO; the body is not read then.
 */
export function checkAnswer(
  path: string,
  answer: Answer,
  wanted: Range,
  known: FileFacts | undefined,
): { readonly facts: FileFacts; readonly range: Range } {
  try {
    return checked(path, answer, wanted, known);
  } catch (error) {
    discard(answer.body);
    throw error;
  }
}

function checked(path: string, { status, headers }: Answer, wanted: Range, known: FileFacts | undefined) {
  const fail = (message: string): QuantscopeError => new QuantscopeError('IO', message, { file: path });
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw fail(
      said`The server sends the file in another encoding (${encoding}) although none was asked for.`,
    );
  const modified = headers['last-modified'];
  const named = { tag: headers.etag, modified };
  if (status === 416) {
    const size = Number(/^bytes \*\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? NaN);
    if (size !== 0 || known) throw fail(said`The server has no such bytes: the file is shorter than it was.`);
    return { facts: { size, ...named }, range: { start: 0, end: 0 } };
  }
  const range = status === 206 ? statedRange(headers['content-range']) : wholeFile(headers, wanted);
  if (!range)
    throw fail(
      status === 206
        ? said`The server does not say which bytes it sends (Content-Range: ${String(headers['content-range'])}).`
        : said`The server sends the whole file instead of the bytes that were asked for: models are read over HTTP by ranges only. Download the file, or use a server that supports range requests.`,
    );
  const facts = { size: range.size, ...named };
  if (known && isOther(facts, known)) throw new ChangedFileError(path);
  const end = Math.min(wanted.end, range.size);
  if (range.start !== wanted.start || range.end !== end)
    throw fail(
      said`The server sends bytes ${range.start} to ${range.end} instead of ${wanted.start} to ${end}.`,
    );
  return { facts, range };
}

/** The file is not the one that was opened any more. */
export class ChangedFileError extends QuantscopeError {
  constructor(path: string) {
    super('IO', said`The file was changed on the server while it was read: open it again.`, { file: path });
  }
}

function statedRange(text: string | undefined): (Range & { readonly size: number }) | undefined {
  const [, start, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(text?.trim() ?? '') ?? [];
  if (size === undefined || !Number.isSafeInteger(Number(size))) return undefined;
  const end = Number(last) + 1;
  return end > Number(start) && end <= Number(size)
    ? { start: Number(start), end, size: Number(size) }
    : undefined;
}

/** A whole file is as good as a range where it is no more than what was asked for. */
function wholeFile(
  headers: Answer['headers'],
  { start, end }: Range,
): (Range & { readonly size: number }) | undefined {
  const size = Number(headers['content-length'] ?? NaN);
  return start === 0 && size <= end ? { start, end: size, size } : undefined;
}

const isOther = (now: FileFacts, before: FileFacts): boolean =>
  now.size !== before.size ||
  (now.tag !== undefined && before.tag !== undefined
    ? now.tag !== before.tag
    : now.modified !== before.modified);

/** A number that changes with the file, in the place of a file's time of change: made of its ETag, else its time of change itself (ms). */
export function stampOf({ tag, modified }: FileFacts): number {
  if (tag !== undefined) return createHash('sha256').update(tag).digest().readUIntBE(0, 6);
  const time = Date.parse(modified ?? '');
  return Number.isNaN(time) ? 0 : time;
}
