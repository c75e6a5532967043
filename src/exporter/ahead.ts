/** Runs a generator one step ahead of its reader, so that both work at the same time. Order and errors are unchanged. */
export async function* ahead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = step(source);
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = step(source);
      yield value;
    }
  } finally {
    // When a reader stops early, work that uses files and buffers must not continue.
    await next.catch(() => undefined);
    await source.return(undefined);
  }
}

function step<T>(source: AsyncGenerator<T>): Promise<IteratorResult<T, void>> {
  const result = source.next() as Promise<IteratorResult<T, void>>;
  result.catch(() => undefined); // it is thrown when the step is awaited; until then it is not unhandled
  return result;
}
