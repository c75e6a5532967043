import { useEffect, useState } from 'preact/hooks';

/** An answer of the host, or why there is none. */
export interface Answer<T> {
  readonly value?: T;
  readonly failure?: string;
  readonly isLoading: boolean;
  readonly retry: () => void;
}

/**
 * The host's answer to a request. The previous answer stays until the next one is there; a request that is not awaited any more is cancelled.
 * @param key what is asked for; undefined asks for nothing.
 */
export function useAnswer<T>(key: string | undefined, ask: (signal: AbortSignal) => Promise<T>): Answer<T> {
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<Omit<Answer<T>, 'retry'>>({ isLoading: key !== undefined });
  useEffect(() => {
    if (key === undefined) {
      setState({ isLoading: false });
      return undefined;
    }
    const controller = new AbortController();
    const { signal } = controller;
    setState(({ value }) => ({ ...(value === undefined ? {} : { value }), isLoading: true }));
    ask(signal).then(
      (value) => !signal.aborted && setState({ value, isLoading: false }),
      (error: unknown) =>
        !signal.aborted &&
        setState({ failure: error instanceof Error ? error.message : String(error), isLoading: false }),
    );
    return () => controller.abort();
  }, [key, attempt]);
  return { ...state, retry: () => setAttempt(attempt + 1) };
}
