import * as l10n from '@vscode/l10n';
import type { EngineProgress } from '../protocol/engine';
import type {
  QuantizedWeight,
  QuantizeModelParams,
  QuantizeModelResult,
  QuantizeModelSettings,
  QuantizePreview,
} from '../protocol/quantizeModel';
import type {
  QuantizationActivity,
  QuantizationOutcome,
  QuantizationStep,
} from '../protocol/quantizationView';
import type { Engine, Log } from './host';
import { PerModel } from './perModel';
import { RunSession } from './runSession';

/** Where a result goes, and what computes it. */
type Output = Omit<QuantizeModelParams, keyof QuantizeModelSettings>;

interface Request {
  readonly title: string;
  readonly settings: QuantizeModelSettings;
  readonly output: Output;
}

/** Quantizations of one whole model. */
export class QuantizationSession extends RunSession<QuantizationStep, Request> {
  protected readonly busy = l10n.t('This model is already being quantized.');
  activity: QuantizationActivity | undefined;
  /** Matrices that are finished, in their order. */
  private weights: readonly QuantizedWeight[] = [];

  /** The run with all matrices that are finished; undefined before the first one. */
  get whole(): QuantizationStep | undefined {
    return this.activity && { ...this.activity, before: 0, finished: this.weights };
  }

  /** The folder or file that the last run wrote. */
  get result(): string | undefined {
    const outcome = this.activity?.outcome;
    return outcome?.kind === 'quantized' ? outcome.result.out : undefined;
  }

  /** Dry run. */
  preview(settings: QuantizeModelSettings, signal: AbortSignal): Promise<QuantizePreview> {
    const params = { ...this.model, cacheDir: this.cacheDir, ...settings };
    return this.engine.call('model/quantizePreview', params, { signal });
  }

  /** @returns the result, or undefined when the run ended without one; `activity` has the reason. */
  async run(request: Request): Promise<QuantizeModelResult | undefined> {
    const { title, settings, output } = request;
    let written: QuantizeModelResult | undefined;
    await this.runOne<QuantizationOutcome>(request, {
      begin: () => {
        this.weights = [];
        this.show({ run: (this.activity?.run ?? 0) + 1, title, settings });
      },
      work: async (signal) => {
        const params = { ...this.model, cacheDir: this.cacheDir, ...settings, ...output };
        const onProgress = (progress: EngineProgress): void => this.progressed(progress);
        written = await this.engine.call('model/quantize', params, { signal, title, onProgress });
        return { kind: 'quantized', result: summaryOf(written) };
      },
      end: (outcome) => this.end(outcome),
    });
    return written;
  }

  /** Repeats the last run, in its own process like every run. */
  async repeat(): Promise<void> {
    this.engine.forgiveCrashes();
    if (this.last) await this.run(this.last);
  }

  private progressed({ finished = [], ...progress }: EngineProgress): void {
    if (this.activity) this.show({ ...this.activity, progress }, finished);
  }

  private end(outcome: QuantizationOutcome): void {
    if (this.activity) this.show({ ...this.activity, outcome });
  }

  private show(activity: QuantizationActivity, finished: readonly QuantizedWeight[] = []): void {
    const before = this.weights.length;
    this.activity = activity;
    if (finished.length > 0) this.weights = [...this.weights, ...finished];
    this.emitter.fire({ ...activity, before, finished });
  }
}

/** What a page shows of a result besides its matrices, which it has already. */
function summaryOf(result: QuantizeModelResult): (QuantizationOutcome & { kind: 'quantized' })['result'] {
  const { out, fileBytes, sourceBytes, bitsPerWeight, relativeError, seconds, warnings, notes } = result;
  return {
    ...{ out, fileBytes, sourceBytes, seconds, warnings, notes },
    ...(relativeError === undefined ? {} : { relativeError }),
    ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
  };
}

/** The quantizations of all models. */
export class Quantizations extends PerModel<QuantizationSession> {
  constructor(engine: Engine, log: Log, cacheDir: string) {
    super((model) => new QuantizationSession(model, engine, log, cacheDir));
  }

  /** The model that a folder or file was quantized from in this window. */
  sourceOf(out: string): string | undefined {
    return this.all().find(({ result }) => result === out)?.model.path;
  }
}
