import * as l10n from '@vscode/l10n';
import type { CallOptions } from '../engine/client';
import type { EngineProgress } from '../protocol/engine';
import type {
  CalibrationResult,
  CalibrationSettings,
  EvaluationResult,
  EvaluationSettings,
  PairedComparison,
} from '../protocol/evaluation';
import type { EvaluationActivity, EvaluationOutcome } from '../protocol/evaluationView';
import type { HostEvents } from '../protocol/webview';
import type { Engine, Log } from './host';
import { PerModel } from './perModel';
import { RunSession } from './runSession';

type EvaluationEvent = {
  [N in 'evaluation' | 'evaluationResults']: { name: N; payload: HostEvents[N] };
}['evaluation' | 'evaluationResults'];

/** The request of a run, kept so it can be repeated. */
type Request =
  | { readonly what: 'evaluation'; readonly title: string; readonly settings: EvaluationSettings }
  | {
      readonly what: 'calibration';
      readonly title: string;
      readonly settings: CalibrationSettings & { out: string };
    };

/** Evaluations of one model, and the results of earlier ones. */
export class EvaluationSession extends RunSession<EvaluationEvent, Request> {
  protected readonly busy = l10n.t('An evaluation of this model is already running.');
  activity: EvaluationActivity | undefined;

  /** Results of earlier runs, the latest first. */
  stored(): Promise<readonly EvaluationResult[]> {
    return this.engine.call('evaluation/stored', { ...this.model, cacheDir: this.cacheDir });
  }

  /** @returns the result, or undefined when the run ended without one; `activity` has the reason. */
  async evaluate(settings: EvaluationSettings, title: string): Promise<EvaluationResult | undefined> {
    let result: EvaluationResult | undefined;
    await this.run({ what: 'evaluation', title, settings }, async (options) => {
      const params = { ...this.model, cacheDir: this.cacheDir, ...settings };
      result = await this.engine.call('evaluation/run', params, options);
      await this.tellResults();
      const { id, notKept } = result;
      return { kind: 'evaluated', id, ...(notKept === undefined ? {} : { notKept }) };
    });
    return result;
  }

  /** Computes an importance matrix. @returns undefined when the run ended without one. */
  async calibrate(
    settings: CalibrationSettings & { out: string },
    title: string,
  ): Promise<CalibrationResult | undefined> {
    let result: CalibrationResult | undefined;
    await this.run({ what: 'calibration', title, settings }, async (options) => {
      result = await this.engine.call('calibration/run', { ...this.model, ...settings }, options);
      return { kind: 'calibrated', result };
    });
    return result;
  }

  /** Repeats the last run, in its own process like every run; other jobs are not affected. */
  async repeat(): Promise<void> {
    this.engine.forgiveCrashes();
    if (this.last?.what === 'evaluation') await this.evaluate(this.last.settings, this.last.title);
    else if (this.last) await this.calibrate(this.last.settings, this.last.title);
  }

  pair(a: string, b: string, signal?: AbortSignal): Promise<PairedComparison> {
    const params = { ...this.model, cacheDir: this.cacheDir, a, b };
    return this.engine.call('evaluation/pair', params, signal ? { signal } : {});
  }

  async remove(id: string): Promise<void> {
    await this.engine.call('evaluation/remove', { ...this.model, cacheDir: this.cacheDir, id });
    await this.tellResults();
  }

  /** `activity` always has the outcome. */
  private async run(
    request: Request,
    job: (options: CallOptions) => Promise<EvaluationOutcome>,
  ): Promise<void> {
    const { what, title } = request;
    const onProgress = (progress: EngineProgress): void =>
      this.tell({ progress, ...(progress.curve ? { curve: progress.curve } : {}) });
    await this.runOne(request, {
      begin: () => this.show({ what, title }),
      work: (signal) => job({ signal, title, onProgress }),
      end: (outcome) => this.tell({ outcome }),
    });
  }

  /** An unreadable list does not fail a run. */
  private async tellResults(): Promise<void> {
    try {
      const payload = await this.stored();
      this.emitter.fire({ name: 'evaluationResults', payload });
    } catch (error) {
      this.logFailure('Stored results', error);
    }
  }

  private tell(change: Partial<EvaluationActivity>): void {
    if (this.activity) this.show({ ...this.activity, ...change });
  }

  private show(activity: EvaluationActivity): void {
    this.activity = activity;
    this.emitter.fire({ name: 'evaluation', payload: activity });
  }
}

/** The evaluations of all models. */
export class Evaluations extends PerModel<EvaluationSession> {
  constructor(engine: Engine, log: Log, cacheDir: string) {
    super((model) => new EvaluationSession(model, engine, log, cacheDir));
  }
}
