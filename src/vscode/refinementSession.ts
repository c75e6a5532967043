import * as l10n from '@vscode/l10n';
import type { CallOptions } from '../engine/client';
import type { EngineProgress } from '../protocol/engine';
import {
  improvement,
  type RefinementEstimate,
  type RefinementResult,
  type RefinementSettings,
} from '../protocol/refinement';
import type { PanelRefinement, RefinementActivity, RefinementOutcome } from '../protocol/refinementView';
import type { Engine, Log } from './host';
import { PerModel } from './perModel';
import { failureOf } from './runOutcome';
import { RunSession } from './runSession';

interface Request {
  readonly title: string;
  readonly settings: RefinementSettings;
  readonly out: string;
  /** Writes the best state that an earlier run has reached, without further steps. */
  readonly finish?: boolean;
}

/** Refinements of one GGUF file. */
export class RefinementSession extends RunSession<RefinementActivity, Request> {
  protected readonly busy = l10n.t('This file is already being refined.');
  activity: RefinementActivity | undefined;
  /** The model that the file was made from, where a command has named it since settings were last used. */
  knownOriginal: string | undefined;

  /** The file that the last run wrote. */
  get result(): RefinementResult | undefined {
    const outcome = this.activity?.outcome;
    return outcome?.kind === 'refined' ? outcome.result : undefined;
  }

  /** The original of the last run. */
  get original(): string | undefined {
    return this.last?.settings.original;
  }

  /** Makes one step to tell what all of them would take. */
  estimate(settings: RefinementSettings, options: CallOptions): Promise<RefinementEstimate> {
    return this.engine.call('refinement/estimate', this.params(settings), options);
  }

  /** @returns the result, or undefined when the run ended without one; `activity` has the reason. */
  async run(request: Request): Promise<RefinementResult | undefined> {
    const settings = withoutDevice(request.settings);
    const { curve, run = 0, outcome: before } = this.activity ?? {};
    // A run that made all of its steps leaves nothing to continue.
    const isComplete = before?.kind === 'refined' && !before.wasStopped;
    const isSame = JSON.stringify(this.activity?.settings) === JSON.stringify(settings);
    const continued = isSame && !isComplete && curve ? { curve } : {};
    const finishing = request.finish === true ? ({ isFinishing: true } as const) : {};
    await this.runOne<RefinementOutcome>(request, {
      begin: () => this.show({ run: run + 1, title: request.title, settings, ...continued, ...finishing }),
      work: (signal) => this.outcomeOf(request, signal),
      end: (outcome) => this.tell({ outcome }),
    });
    return this.result;
  }

  /** Stops the run, and writes its best state where that is better than the start. */
  stop(): void {
    if (!this.isRunning || this.activity?.isStopping) return;
    this.tell({ isStopping: true });
    this.cancel();
  }

  /** Makes the steps that are left of the last run, in its own process like every run. */
  async continue(): Promise<void> {
    this.engine.forgiveCrashes();
    if (this.last) await this.run({ ...this.last, finish: false });
  }

  /** Writes the best state that the last run has reached, after it ended without writing one. */
  async finish(): Promise<void> {
    this.engine.forgiveCrashes();
    if (this.last) await this.run({ ...this.last, finish: true });
  }

  private async outcomeOf(request: Request, signal: AbortSignal): Promise<RefinementOutcome> {
    const isStopping = (): boolean => this.activity?.isStopping === true;
    try {
      return await this.refine(request, signal);
    } catch (error) {
      // Without a better state there is nothing to write; what was reached is kept all the same.
      if (!isStopping() || failureOf(error).kind !== 'cancelled' || !this.hasImproved) throw error;
      return this.refine({ ...request, finish: true }, this.renewSignal());
    }
  }

  private async refine(
    { title, settings, out, finish = false }: Request,
    signal: AbortSignal,
  ): Promise<RefinementOutcome> {
    const params = { ...this.params(settings), out, ...(finish ? { finish } : {}) };
    const result = await this.engine.call('refinement/run', params, {
      ...{ title, signal, onProgress: (progress) => this.progressed(progress) },
    });
    const steps = this.activity?.curve?.steps ?? result.steps;
    this.tell({ curve: { steps, points: result.points } });
    return { kind: 'refined', result, wasStopped: finish };
  }

  /** Whether a step was measured to be better than the start. */
  private get hasImproved(): boolean {
    return improvement(this.activity?.curve?.points ?? []) !== undefined;
  }

  private params(settings: RefinementSettings) {
    return { ...this.model, cacheDir: this.cacheDir, ...settings };
  }

  private progressed({ refinement: curve, ...progress }: EngineProgress): void {
    this.tell({ progress, ...(curve ? { curve } : {}) });
  }

  private tell(change: Partial<RefinementActivity>): void {
    if (!this.activity) return;
    const { isStopping, ...activity } = { ...this.activity, ...change };
    this.show(isStopping && !change.outcome ? { ...activity, isStopping } : activity);
  }

  private show(activity: RefinementActivity): void {
    this.activity = activity;
    this.emitter.fire(activity);
  }
}

/** Settings as a page shows them. */
const withoutDevice = ({ device: _device, ...settings }: RefinementSettings): PanelRefinement => settings;

/** The refinements of all files. */
export class Refinements extends PerModel<RefinementSession> {
  constructor(engine: Engine, log: Log, cacheDir: string) {
    super((model) => new RefinementSession(model, engine, log, cacheDir));
  }

  /** The model that a refined file, or one that is refined, was made from, as far as this window knows. */
  originalOf(path: string): string | undefined {
    return this.all().find(({ model, result }) => result?.out === path || model.path === path)?.original;
  }
}
