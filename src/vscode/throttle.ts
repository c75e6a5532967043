/** Calls at most once in an interval: at once, and again at its end where it was asked for meanwhile. */
export class Throttle {
  private timer: NodeJS.Timeout | undefined;
  private isAsked = false;

  constructor(
    private readonly run: () => void,
    /** Milliseconds. */
    private readonly interval: number,
  ) {}

  ask(): void {
    this.isAsked = true;
    if (this.timer === undefined) this.fire();
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  private fire(): void {
    this.isAsked = false;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.isAsked) this.fire();
    }, this.interval).unref();
    this.run();
  }
}
