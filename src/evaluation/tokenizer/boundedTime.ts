import { createContext, Script } from 'node:vm';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';

/**
 * Work of a tokenizer's regular expressions, which in a malicious file may never end. V8 stops a script that runs too long, or
 * when Ctrl-C comes, inside an expression as well; nothing else can while the event loop waits.
 */
const sandbox: { work: () => unknown } = createContext({ work: () => undefined }) as { work: () => unknown };
const script = new Script('work()');

/** A piece of text usually takes some tens of milliseconds, also on a busy machine less than a second. */
const usualLimit = 20_000;

/**
 * Runs `work`, which must not be asynchronous.
 * @param file of the tokenizer, for the error.
 * @throws QuantscopeError MODEL_FILE after `limit` milliseconds, CANCELLED on Ctrl-C; what `work` throws.
 */
export function inBoundedTime<T>(work: () => T, file: string, limit = usualLimit): T {
  sandbox.work = work;
  try {
    return script.runInContext(sandbox, { timeout: limit, breakOnSigint: true }) as T;
  } catch (cause) {
    throw stopped(cause, file, limit) ?? cause;
  } finally {
    sandbox.work = () => undefined;
  }
}

function stopped(cause: unknown, file: string, limit: number): QuantscopeError | undefined {
  // An error of the script's own realm, which is not an instance of this one's Error.
  const code = isRecord(cause) ? cause['code'] : undefined;
  if (code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED')
    return new QuantscopeError('CANCELLED', 'The request was cancelled.', {}, cause);
  if (code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined;
  const message = `The tokenizer did not finish a piece of text in ${limit / 1000} seconds: one of its regular expressions tries too many ways to match, or the text has a very long stretch without spaces.`;
  return new QuantscopeError('MODEL_FILE', message, { file }, cause);
}
