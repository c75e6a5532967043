/** Ends a subscription. */
export interface Subscription {
  dispose(): void;
}

/** Listeners of one event, independent of VS Code, so its users can be tested alone. */
export class Emitter<T> {
  private readonly listeners = new Set<(value: T) => void>();
  private disposed = false;

  /** Subscribes, in the shape of a `vscode.Event`. */
  readonly event = (listener: (value: T) => void): Subscription => {
    if (!this.disposed) this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  };

  fire(value: T): void {
    for (const listener of [...this.listeners]) listener(value);
  }

  dispose(): void {
    this.disposed = true;
    this.listeners.clear();
  }
}
