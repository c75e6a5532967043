import type { EngineOutbound, SerializedError } from '../protocol/engine';

/**
 * Logs how a request goes: its beginning, its end with the time that it took, and a fault of the engine itself with where that happened. Errors of
 * models and requests are for the caller, who shows them.
 * @returns what is called at its end, with the error where it failed.
 */
export function requestLog(
  id: number,
  method: string,
  send: (message: EngineOutbound) => void,
): (error?: SerializedError) => void {
  const start = performance.now();
  send({ kind: 'log', level: 'trace', text: `request ${id}, ${method}: begins` });
  return (error) => {
    const took = `request ${id}, ${method}: ${Math.round(performance.now() - start)} ms`;
    if (error?.code === 'INTERNAL')
      return send({ kind: 'log', level: 'error', text: `${took}, ${error.stack ?? error.message}` });
    const outcome = error ? `, ${error.code}: ${error.message}` : '';
    send({ kind: 'log', level: 'debug', text: took + outcome });
  };
}
