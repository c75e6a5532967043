import { createContext, Script } from 'node:vm';
import { QuantscopeError } from './errors';
import { isRecord } from './json';
import { said } from '../protocol/said';

/**
 * Work of regular expressions from files, which in a malicious one may never end. V8 stops a script that runs too long, or
 * when Ctrl-C comes, inside an expression as well; nothing else can while the event loop waits.
 */
const sandbox: { work: () => unknown } = createContext({ work: () => undefined }) as { work: () => unknown };
const script = new Script('work()');

/**
 * Runs `work`, which must not be asynchronous.
 * @param limit milliseconds.
 * @param tooLong the error when it takes longer.
 * @throws what `tooLong` gives; QuantscopeError CANCELLED on Ctrl-C; what `work` throws.
 */
export function inBoundedTime<T>(work: () => T, limit: number, tooLong: () => QuantscopeError): T {
  sandbox.work = work;
  try {
    return script.runInContext(sandbox, { timeout: limit, breakOnSigint: true }) as T;
  } catch (cause) {
    // An error of the script's own realm, which is not an instance of this one's Error.
    const code = isRecord(cause) ? cause['code'] : undefined;
    if (code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED')
      throw new QuantscopeError('CANCELLED', said`The request was cancelled.`, {}, cause);
    throw code === 'ERR_SCRIPT_EXECUTION_TIMEOUT' ? tooLong() : cause;
  } finally {
    sandbox.work = () => undefined;
  }
}
