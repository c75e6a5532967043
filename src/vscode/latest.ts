/** Requests of one kind of which only the latest counts: each cancels the one before it. */
export class Latest {
  private running: AbortController | undefined;

  /** @returns the signal of a new request, which is also cancelled by the next one. */
  next(signal: AbortSignal): AbortSignal {
    this.running?.abort();
    this.running = new AbortController();
    return AbortSignal.any([signal, this.running.signal]);
  }
}
