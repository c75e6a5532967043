import { QuantscopeError } from '../model/errors';
import type { ModelRef } from '../protocol/model';
import type { RunFailure } from '../protocol/runFailure';
import { Emitter } from './emitter';
import { messageOf, type Engine, type Log } from './host';
import { failureOf } from './runOutcome';

/** What every run of a kind is asked for with. */
interface Titled {
  readonly title: string;
}

/** How a run begins, works and ends. */
interface Run<Outcome> {
  /** Shows that it has begun. */
  readonly begin: () => void;
  readonly work: (signal: AbortSignal) => Promise<Outcome>;
  /** Shows its outcome. */
  readonly end: (outcome: Outcome | RunFailure) => void;
}

/** Runs of one kind for one model, one at a time: the current or the last one. It outlives the model's editors. */
export abstract class RunSession<Event, Request extends Titled> {
  protected readonly emitter = new Emitter<Event>();
  /** What changes, for the editors of this model. */
  readonly onEvent = this.emitter.event;
  /** Kept so that it can be repeated. */
  protected last: Request | undefined;
  /** Why a second run is refused, as a sentence. */
  protected abstract readonly busy: string;
  private running: AbortController | undefined;

  constructor(
    /** The model as requests name it. */
    readonly model: ModelRef,
    protected readonly engine: Engine,
    private readonly log: Log,
    /** Where results are kept. */
    protected readonly cacheDir: string,
  ) {}

  cancel(): void {
    this.running?.abort();
  }

  dispose(): void {
    this.running?.abort();
    this.emitter.dispose();
  }

  protected get isRunning(): boolean {
    return this.running !== undefined;
  }

  /** One run at a time, whose outcome is always shown. @throws QuantscopeError REQUEST while one runs. */
  protected async runOne<Outcome>(request: Request, { begin, work, end }: Run<Outcome>): Promise<void> {
    if (this.running) throw new QuantscopeError('REQUEST', this.busy);
    const signal = this.renewSignal();
    this.last = request;
    begin();
    try {
      end(await work(signal));
    } catch (error) {
      const outcome = failureOf(error);
      if (outcome.kind !== 'cancelled') this.logFailure(request.title, error);
      end(outcome);
    } finally {
      this.running = undefined;
    }
  }

  /** What cancels the rest of a run that goes on after it was cancelled. */
  protected renewSignal(): AbortSignal {
    this.running = new AbortController();
    return this.running.signal;
  }

  protected logFailure(what: string, error: unknown): void {
    this.log.error(`${what}: ${messageOf(error)}`);
  }
}
