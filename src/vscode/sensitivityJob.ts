import * as l10n from '@vscode/l10n';
import { basename } from 'node:path';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { EngineProgress } from '../protocol/engine';
import type { SensitivityEstimate, SensitivityParams, StoredParams } from '../protocol/sensitivityRun';
import type { CodeChoice } from '../protocol/export';
import type { ModelRef } from '../protocol/model';
import type { DeviceChoice } from '../protocol/device';
import type { Backend, SensitivityTable } from '../protocol/plan';
import type { JobState } from '../protocol/editorState';
import { duration } from '../protocol/words';
import { inBackground, messageOf, type Engine, type Log, type Notices } from './host';

export interface SensitivityHooks {
  job(state: JobState): void;
  /** Current rows: while it runs, after it was cancelled, and when it is done. */
  table(table: SensitivityTable): void;
  /** The whole table; `text` when the output was also measured. */
  done(table: SensitivityTable, text: string | undefined): void;
}

export interface MeasuringSettings {
  /** Tokens that gains are measured over; the engine's default when absent. */
  readonly tokens?: number;
  /** Blocks that gains are measured in; all when absent. */
  readonly sampleBlocks?: number;
  /** Gains from the gradients of one backward pass. */
  readonly curvature?: boolean;
  /** Importance matrix that weights are encoded with. */
  readonly imatrix?: string;
  /** Codes that errors are those of, where the model is run over a text. */
  readonly codes: CodeChoice;
  /** Types on lattices are candidates, too, where codes are optimised. */
  readonly lattices?: boolean;
  /** What llama.cpp will run the file of a plan on: errors of optimised codes include the rounding of activations by its CPU kernels. */
  readonly backend: Backend;
}

export interface SensitivitySettings {
  readonly cacheDir: string;
  /** Where what optimised codes are found from is kept. */
  readonly evidenceDir: string;
  readonly device: () => DeviceChoice;
  readonly measuring: () => MeasuringSettings;
  /** Whether gains are shown: a run without a text keeps them and measures what is missing. */
  readonly showsGains: () => boolean;
}

/** What names the results of a model that were measured with these settings. */
export const storedParams = (
  model: ModelRef,
  cacheDir: string,
  { imatrix, backend }: Pick<MeasuringSettings, 'imatrix' | 'backend'>,
): StoredParams & { readonly backend: Backend } => ({
  ...{ ...model, cacheDir, backend },
  ...(imatrix === undefined ? {} : { imatrix }),
});

/** The text that gains were measured over, as a request names it. */
export type FewBitsText = Required<Pick<SensitivityParams, 'text' | 'tokens' | 'context'>>;

const titleOf = ({ text }: SensitivityEstimate): string =>
  text ? l10n.t('Sensitivity over {0}', basename(text.file)) : l10n.t('Sensitivity from the weights alone');

/** Minimum interval at which finished cells are shown during a run (ms); showing them never takes more than a share of the time. */
const partialInterval = 1_000;
const partialShare = 0.1;

/** What a run is asked to measure; the usual text and formats where nothing is said. */
interface Wanted {
  readonly text?: string | undefined;
  readonly formats?: readonly string[] | undefined;
  readonly fewBits?: FewBitsText | undefined;
}

/** The sensitivity analysis of a model: one run at a time, its cells while it runs, and how it ended. */
export class SensitivityJob {
  private running: AbortController | undefined;
  /** Text and formats given for the current or last run. */
  private text: string | undefined;
  private formats: readonly string[] | undefined;
  private fewBits: FewBitsText | undefined;
  /** What names the results of the current or last run, whatever becomes of the settings meanwhile. */
  private named: ReturnType<typeof storedParams> | undefined;
  private partial: Promise<void> | undefined;
  private nextPartial = 0;
  private state: JobState = { kind: 'idle' };

  constructor(
    private readonly model: () => ModelRef,
    private readonly engine: Engine,
    private readonly log: Log,
    private readonly notices: Notices,
    private readonly settings: SensitivitySettings,
    private readonly hooks: SensitivityHooks,
    /** Fires when the model is released. */
    private readonly life: AbortSignal,
  ) {}

  get job(): JobState {
    return this.state;
  }

  /**
   * Measures what has not been measured, over this text or by default, in these formats or the usual ones. Resolves whatever the outcome.
   * @param fewBits the text of the gains that those for plans of few bits are measured beside, where these are asked for.
   * @returns whether it ended with a table.
   */
  async run(text?: string, formats?: readonly string[], fewBits?: FewBitsText): Promise<boolean> {
    if (this.running || this.life.aborted) return false;
    this.text = text;
    this.formats = formats;
    this.fewBits = fewBits;
    this.named = this.stored();
    let title = text === undefined ? l10n.t('Sensitivity') : l10n.t('Sensitivity over {0}', basename(text));
    const controller = new AbortController();
    this.running = controller;
    this.show({ kind: 'running', title });
    this.nextPartial = Date.now() + partialInterval;
    try {
      const signal = AbortSignal.any([controller.signal, this.life]);
      const params = this.paramsFor({ text, formats, fewBits });
      const estimate = await this.engine.call('sensitivity/estimate', params, { signal, title });
      title = titleOf(estimate);
      // Progress says the time that is left instead.
      this.show({ kind: 'running', title: l10n.t('{0}, about {1}', title, duration(estimate.seconds)) });
      const measured = await this.engine.call('sensitivity/run', params, {
        signal,
        title,
        onProgress: (progress) => this.proceed(title, progress),
      });
      await this.partial;
      // It has the gains for few bits alone; what is kept has both.
      const table = fewBits ? await this.engine.call('sensitivity/stored', this.named, { signal }) : measured;
      throwIfCancelled(signal); // the result was on its way when the run was cancelled: it may be of earlier files
      this.hooks.done(table ?? measured, fewBits?.text ?? text);
      this.show({ kind: 'idle' });
      return true;
    } catch (error) {
      await this.partial;
      await this.showPartial();
      this.fail(title, error);
      return false;
    } finally {
      this.running = undefined;
    }
  }

  /** What a run over the usual text in the usual formats would do, and how long it takes. @throws QuantscopeError as the run. */
  estimate(signal: AbortSignal): Promise<SensitivityEstimate> {
    return this.engine.call('sensitivity/estimate', this.paramsFor({}), { signal });
  }

  private paramsFor({ text, formats, fewBits }: Wanted): SensitivityParams {
    const { device, showsGains, measuring, evidenceDir } = this.settings;
    const { tokens, sampleBlocks, curvature, codes, lattices = false } = measuring();
    const { backend, ...stored } = this.stored();
    const params = {
      ...{ ...stored, device: device() },
      ...(codes === 'optimised' ? { optimised: { evidenceDir, backend } } : {}),
      ...(formats ? { formats } : lattices ? { lattices } : {}),
    };
    if (fewBits)
      return {
        ...params,
        ...fewBits,
        fewBits: true,
        ...(sampleBlocks === undefined ? {} : { sampleBlocks }),
      };
    if (text === undefined && showsGains()) return { ...params, keptGains: true };
    return {
      ...params,
      ...(text === undefined ? {} : { text }),
      ...(tokens === undefined ? {} : { tokens }),
      ...(sampleBlocks === undefined ? {} : { sampleBlocks }),
      ...(curvature ? { curvature } : {}),
    };
  }

  /** What names the results of the model. */
  stored(): ReturnType<typeof storedParams> {
    const { cacheDir, measuring } = this.settings;
    return storedParams(this.model(), cacheDir, measuring());
  }

  /**
   * What is kept of runs with the settings as they are now. Undefined where that is nothing or cannot be read (a path is typed letter by letter), while
   * a run goes on with the settings that it began with, and where they are changed again meanwhile.
   */
  async keptByNow(): Promise<SensitivityTable | undefined> {
    const params = this.stored();
    try {
      const table = await this.engine.call('sensitivity/stored', params, { signal: this.life });
      const isLatest = JSON.stringify(params) === JSON.stringify(this.stored());
      return isLatest && !this.running ? table : undefined;
    } catch (error) {
      if (!this.life.aborted) this.log.warn(`Measurements by changed settings: ${messageOf(error)}`);
      return undefined;
    }
  }

  cancel(): void {
    this.running?.abort();
  }

  /** Reruns what is missing after its process ended. Does nothing if another run has started since. */
  async resume(): Promise<void> {
    if (this.state.kind !== 'engine-died' || this.running) return;
    this.engine.forgiveCrashes();
    await this.run(this.text, this.formats, this.fewBits);
  }

  /** Clears the outcome of the last run, if none is in progress. */
  reset(): void {
    if (!this.running) this.show({ kind: 'idle' });
  }

  private proceed(title: string, progress: EngineProgress): void {
    this.show({ kind: 'running', title, progress });
    if (this.partial || Date.now() < this.nextPartial) return;
    this.partial = this.showPartial().finally(() => (this.partial = undefined));
  }

  /** Shows the cells on disk; a table that cannot be read yet is shown at the end. */
  private async showPartial(): Promise<void> {
    const started = Date.now();
    try {
      const params = this.named ?? this.stored();
      const table = await this.engine.call('sensitivity/stored', params, { signal: this.life });
      if (table && !this.life.aborted) this.hooks.table(table);
    } catch (error) {
      if (!this.life.aborted) this.log.warn(`Cells of a running analysis: ${messageOf(error)}`);
    }
    const took = Date.now() - started;
    this.nextPartial = Date.now() + Math.max(partialInterval, took / partialShare);
  }

  private fail(title: string, error: unknown): void {
    const code = error instanceof QuantscopeError ? error.code : 'INTERNAL';
    if (code === 'CANCELLED') return this.show({ kind: 'idle' });
    const message = messageOf(error);
    this.log.error(`${title}: ${message}`);
    if (code !== 'ENGINE_DIED') return this.show({ kind: 'failed', title, message });
    this.show({ kind: 'engine-died', title, message, resumable: true });
    inBackground(this.offerResume(title), this.log, this.notices);
  }

  private async offerResume(title: string): Promise<void> {
    const resume = l10n.t('Restart and Resume');
    const message = l10n.t('{0}: the engine process ended. Finished work is kept.', title);
    if ((await this.notices.error(message, resume)) === resume) await this.resume();
  }

  private show(state: JobState): void {
    if (this.life.aborted) return;
    this.state = state;
    this.hooks.job(state);
  }
}
