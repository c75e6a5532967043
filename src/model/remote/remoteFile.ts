import { reason } from '../byteSource';
import { QuantscopeError, throwIfCancelled } from '../errors';
import { inParallel } from '../inParallel';
import { ChangedFileError, checkAnswer, rangeHeaders, type FileFacts, type Range } from './rangeAnswer';
import { ask, discard, RequestError, type Answer } from './request';
import { withRetries } from './retries';
import { said } from '../../protocol/said';

/** The first request for a file gets its beginning: the header of most files (bytes). */
export const firstBytes = 64 * 1024;
/** The largest range of one request (bytes): a failure costs no more. */
const pieceBytes = 8 * 1024 * 1024;
/** Requests for one read at a time. */
const piecesAtOnce = 4;

/** A file on a server. Every answer is compared with the first: a file that changes is an error, never a mixture. */
export class RemoteFile {
  /** Where the server redirected to: a signed address on other servers, which ends some day. */
  private target: URL | undefined;

  private constructor(
    readonly path: string,
    readonly facts: FileFacts,
    private readonly changed: () => void,
  ) {}

  /**
   * @param changed called when an answer is of another version.
   * @returns the file, and its first bytes: `firstBytes`, or as many as it has.
   * @throws QuantscopeError IO where it cannot be read by ranges; CANCELLED.
   */
  static async open(
    path: string,
    changed: () => void,
    signal?: AbortSignal,
  ): Promise<{ readonly file: RemoteFile; readonly beginning: Uint8Array }> {
    const buffer = new Uint8Array(firstBytes);
    let facts: FileFacts | undefined;
    let target: URL | undefined;
    let done = 0;
    await withRetries(async (moved) => {
      const end = facts ? Math.min(facts.size, firstBytes) : firstBytes;
      if (facts && done >= end) return;
      const answer = await ask({
        path,
        headers: rangeHeaders({ start: done, end }),
        wanted: [200, 206, 416],
        signal,
      });
      if (isPage(path, answer)) throw folderPage(path, answer);
      const found = checkAnswer(path, answer, { start: done, end }, facts);
      ({ facts } = found);
      target = answer.url;
      await fill(path, answer, buffer.subarray(done, found.range.end), signal, (bytes) => {
        done += bytes;
        moved();
      });
    }, signal);
    const file = new RemoteFile(path, facts!, changed);
    file.target = target;
    return { file, beginning: buffer.subarray(0, done) };
  }

  /** Fills `bytes` from `start`: in several requests where they are many. @throws QuantscopeError IO; CANCELLED. */
  async readInto(bytes: Uint8Array, start: number, signal?: AbortSignal): Promise<void> {
    const pieces: number[] = [];
    for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(at);
    await inParallel(pieces, piecesAtOnce, (at) =>
      this.readPiece(bytes.subarray(at, at + pieceBytes), start + at, signal),
    );
  }

  private async readPiece(bytes: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> {
    let done = 0;
    await withRetries(async (moved) => {
      throwIfCancelled(signal);
      if (done === bytes.length) return;
      const range = { start: start + done, end: start + bytes.length };
      const answer = await this.ask(range, signal);
      try {
        checkAnswer(this.path, answer, range, this.facts);
      } catch (error) {
        if (error instanceof ChangedFileError) this.changed();
        throw error;
      }
      await fill(this.path, answer, bytes.subarray(done), signal, (count) => {
        done += count;
        moved();
      });
    }, signal);
  }

  /** Asks where the last answer came from; once more from the beginning where that address has ended. */
  private async ask(range: Range, signal: AbortSignal | undefined): Promise<Answer> {
    const request = { path: this.path, headers: rangeHeaders(range), wanted: [200, 206, 416], signal };
    const at = this.target;
    const answer = await ask({ ...request, at }).catch((error: unknown) => {
      if (this.target === at) this.target = undefined;
      const isEnded = at && error instanceof RequestError && error.failure.status !== undefined;
      if (!isEnded || error.failure.isPassing) throw error;
      return ask(request);
    });
    this.target = answer.url;
    return answer;
  }
}

/** Whether a server sends its page of a folder. */
const isPage = (path: string, { url }: Answer): boolean => url.pathname.endsWith('/') && !path.endsWith('/');

function folderPage(path: string, { body }: Answer): RequestError {
  discard(body);
  return new RequestError('The address is that of a folder.', path, { status: 404, isPassing: false });
}

/**
 * Fills `bytes` with a body.
 * @throws RequestError when it ends before that, QuantscopeError IO when it is longer.
 */
async function fill(
  path: string,
  { body }: Answer,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
  got: (bytes: number) => void,
): Promise<void> {
  let done = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (done + chunk.length > bytes.length)
        throw new QuantscopeError('IO', said`The server sends more bytes than it says.`, { file: path });
      bytes.set(chunk, done);
      done += chunk.length;
      got(chunk.length);
    }
  } catch (cause) {
    throwIfCancelled(signal);
    if (cause instanceof QuantscopeError) throw cause;
    throw cutOff(path, done, bytes.length, cause);
  }
  if (done < bytes.length) throw cutOff(path, done, bytes.length);
}

function cutOff(path: string, done: number, wanted: number, cause?: unknown): RequestError {
  const why = cause === undefined ? '' : `: ${reason(cause)}`;
  return new RequestError(
    `The answer ended after ${done} of ${wanted} bytes${why}.`,
    path,
    { isPassing: true },
    cause,
  );
}
