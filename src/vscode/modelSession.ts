import * as l10n from '@vscode/l10n';
import { basename } from 'node:path';
import { nameFromPath } from '../model/modelName';
import type { AdapterRef, ModelDescription, ModelRef } from '../protocol/model';
import type { DeviceReport } from '../protocol/device';
import type { Plan, SensitivityTable } from '../protocol/plan';
import type { VerifyResult } from '../protocol/verify';
import type { RevisedPlan } from '../protocol/planStep';
import type { SensitivityEstimate } from '../protocol/sensitivityRun';
import { sensitivityFigures } from '../protocol/sensitivityFigures';
import { tabled, type PackedModel } from '../protocol/tensorTable';
import type { ComparisonState, EditorState, JobState, ModelComparisonState } from '../protocol/editorState';
import type { WebviewRequests } from '../protocol/webview';
import type { Comparisons } from './comparisons';
import { Emitter } from './emitter';
import { inBackground, messageOf } from './host';
import { fileNameOf, folderOf, sessionKey } from './paths';
import { isMeasuredOtherwise, notMeasured } from './measurements';
import type { ModelScans } from './modelScans';
import { Planning } from './planning';
import type { SessionContext } from './sessionContext';
import { sessionParts, type SessionEvent } from './sessionParts';
import { SessionPlans } from './sessionPlans';
import type { Verification, VerificationCall } from './verification';
import { SensitivityJob, type MeasuringSettings } from './sensitivityJob';

/** One model in the extension host: its header, measurements, plan and running job. */
export class ModelSession {
  private readonly emitter = new Emitter<SessionEvent>();
  /** Events for the editors of this model. */
  readonly onEvent = this.emitter.event;
  private readonly described = new Emitter<ModelDescription>();
  /** Fires with the model whenever its headers are read; immediately where they already were. */
  readonly onDescribed = (listener: (model: ModelDescription) => void): { dispose(): void } => {
    if (this.description) listener(this.description);
    return this.described.event(listener);
  };
  description: ModelDescription | undefined;
  private readonly planning: Planning;
  /** Incremented when a read finds changed files: results of earlier revisions are out of date. */
  private revision = 0;
  private files = '';
  private opening: Promise<EditorState> | undefined;
  /** Measurements and plan are read, or were. */
  private results: Promise<void> = Promise.resolve();
  private formats: EditorState['formats'] = [];
  /** Aborted with the session; cancels all its engine requests. */
  private readonly life = new AbortController();
  private readonly analysis: SensitivityJob;
  /** What can be done with the plan. */
  readonly plans: SessionPlans;
  private readonly comparisons: Comparisons;
  private readonly verification: Verification;
  /** Figures of all of its tensors. */
  readonly scans: ModelScans;
  private readonly deviceChanges: { dispose(): void };

  constructor(
    readonly path: string,
    private readonly context: SessionContext,
    /** Whether it shows only the file that the path names, not the model that the file is part of. */
    readonly alone = false,
  ) {
    const { engine, devices, log, notices, sensitivityDir, evidenceDir } = context;
    const { signal } = this.life;
    const model = (): ModelRef => this.ref;
    this.planning = new Planning({
      tensors: () => this.description?.tensors.map(({ name }) => name) ?? [],
      table: (payload) => this.fire({ name: 'sensitivity', payload }),
      plan: (payload) => this.fire({ name: 'plan', payload }),
    });
    this.analysis = new SensitivityJob(
      ...([model, engine, log, notices] as const),
      {
        ...{ cacheDir: sensitivityDir, evidenceDir },
        ...{ device: devices.choice, measuring: () => this.measuring },
        showsGains: () => this.planning.table?.gainsFrom !== undefined,
      },
      {
        job: (payload) => this.fire({ name: 'job', payload }),
        table: (table) => this.planning.proceeded(table),
        done: (table, text) => this.planning.finished(table, text !== undefined),
      },
      signal,
    );
    this.plans = new SessionPlans(
      {
        ...{ ref: model, imatrix: () => this.measuring.imatrix },
        ...{ isDescribed: () => this.description !== undefined, ensureLoaded: () => this.ensureLoaded() },
        savedPlansChanged: (revision) => this.fire({ name: 'savedPlans', payload: { revision } }),
      },
      ...([this.planning, this.analysis, context, signal] as const),
    );
    const parts = sessionParts({ path, model, fire: (event) => this.fire(event), life: signal }, context);
    this.comparisons = parts.comparisons;
    this.verification = parts.verification;
    this.scans = parts.scans;
    this.deviceChanges = devices.onChange((payload) => this.fire({ name: 'device', payload }));
  }

  /** The model as requests name it. */
  get ref(): ModelRef {
    return this.alone ? { path: this.path, alone: true } : { path: this.path };
  }

  private get measuring(): MeasuringSettings {
    return this.context.measuringOf(this.path, this.folder);
  }

  /** Distinguishes it from the sessions of other models. */
  get key(): string {
    return sessionKey(this.ref);
  }

  /** Where the model's files are. */
  get folder(): string {
    return this.description?.folder ?? folderOf(this.path);
  }

  /** Measurements, as far as they are there. */
  get sensitivity(): SensitivityTable | undefined {
    return this.planning.table;
  }

  get plan(): Plan | undefined {
    return this.planning.plan;
  }

  get revisedPlan(): RevisedPlan | undefined {
    return this.planning.revisedPlan;
  }

  /** The measurements as a page shows them; undefined where there are none. */
  get figures(): WebviewRequests['sensitivityFigures']['result'] {
    const { table, tableOutline } = this.planning;
    return table && tableOutline && { revision: tableOutline.revision, figures: sensitivityFigures(table) };
  }

  /** What files made from the model are called, without what they are. */
  get fileName(): string {
    return fileNameOf(this.description?.name ?? nameFromPath(this.folder, basename(this.path)));
  }

  get job(): JobState {
    return this.analysis.job;
  }

  get device(): DeviceReport | undefined {
    return this.context.devices.current;
  }

  /**
   * Reads the header, which is what the first view needs: once for editors that open together. Earlier measurements and a plan next to the
   * model follow as events.
   */
  open(): Promise<EditorState> {
    this.opening ??= this.read().finally(() => (this.opening = undefined));
    return this.opening;
  }

  /** Reads the header, earlier measurements and a plan next to the model. */
  async load(): Promise<EditorState> {
    const { model } = await this.open();
    await this.results;
    return this.stateOf(model);
  }

  /** Reads what a command needs of a model that no editor has opened, or waits for what an editor that just opened it reads. */
  async ensureLoaded(): Promise<void> {
    if (!this.description) await this.load();
    else await this.results;
  }

  /** Reads the model again after its files changed; the editors get the new state, or why it cannot be read. */
  async reload(): Promise<void> {
    await this.opening?.catch(() => undefined); // it may have read the old files; its failure is reported to its caller
    try {
      this.fire({ name: 'opened', payload: await this.load() });
    } catch (error) {
      this.fire({ name: 'openFailed', payload: { message: messageOf(error) } });
    }
  }

  /**
   * Measures what has not been measured, with a text also the effect on the output. Resolves when the job ends, whatever the outcome.
   * @returns whether it ended with a table.
   */
  runSensitivity(text?: string): Promise<boolean> {
    return this.analysis.run(text);
  }

  /** Measures gains for plans of few bits over the text of those that there are. @throws QuantscopeError REQUEST where there are none. */
  runForFewBits(): Promise<boolean> {
    const gainsFrom = this.planning.table?.gainsFrom;
    if (!gainsFrom) throw notMeasured();
    const { text, tokens, context } = gainsFrom;
    return this.analysis.run(undefined, undefined, { text, tokens, context });
  }

  /** A setting was changed that names measurements: those by it are shown, where there are any, and a plan of the solver follows at its size. */
  async measuringChanged(): Promise<void> {
    const { revision } = this;
    await this.results.catch(() => undefined);
    const table = this.description && (await this.analysis.keptByNow());
    if (table && revision === this.revision && isMeasuredOtherwise(table, this.sensitivity))
      this.planning.finished(table, true);
  }

  /** What a run of the sensitivity analysis would do, and how long it takes. */
  readonly estimateSensitivity = (signal: AbortSignal): Promise<SensitivityEstimate> =>
    this.analysis.estimate(signal);

  cancelJob(): void {
    this.analysis.cancel();
  }

  /** After the process of the sensitivity analysis ended: it continues in a new one; other jobs are not affected. */
  resumeJob(): Promise<void> {
    return this.analysis.resume();
  }

  compare(tensors: readonly string[], formats: readonly string[]): Promise<ComparisonState> {
    return this.comparisons.compare(tensors, formats);
  }

  compareWith(other: string, adapters?: readonly AdapterRef[]): Promise<ModelComparisonState> {
    const name = (adapters?.[0]?.path ?? other).replace(/^.*[\\/]/, '');
    return this.comparisons.compareWith(other, l10n.t('Comparison with {0}', name), adapters);
  }

  compareThird(third: string): Promise<ModelComparisonState> {
    return this.comparisons.compareThird(third, l10n.t('Comparison with {0}', third.replace(/^.*[\\/]/, '')));
  }

  /** Checks all files against the digests that were written with them. */
  verify(call: VerificationCall): Promise<VerifyResult> {
    return this.verification.run(call);
  }

  dispose(): void {
    this.life.abort();
    this.deviceChanges.dispose();
    this.emitter.dispose();
    this.described.dispose();
  }

  private async read(): Promise<EditorState> {
    const { engine, devices, log, notices } = this.context;
    const { signal } = this.life;
    const model = await engine.call('model/open', this.ref, { signal });
    const files = JSON.stringify(model.files);
    const isChanged = files !== this.files;
    if (isChanged) this.renew(files);
    this.description = tabled(model);
    this.described.fire(this.description);
    this.formats = await engine.call('formats/list', {}, { signal });
    this.results = this.readResults(this.revision);
    inBackground(this.results, log, notices);
    inBackground(devices.find(), log, notices);
    if (isChanged) void this.verification.opened(); // never rejects
    return this.stateOf(model);
  }

  /** Reads earlier measurements and the plan next to the model, and tells of them; those of earlier files are dropped. */
  private async readResults(revision: number): Promise<void> {
    const { planning } = this;
    const params = this.analysis.stored();
    const table = await this.context.engine.call('sensitivity/stored', params, { signal: this.life.signal });
    if (revision !== this.revision) return;
    planning.opened(table);
    const found = planning.plan ? undefined : await this.plans.stored();
    if (revision === this.revision) planning.begin(found);
  }

  private stateOf(model: PackedModel): EditorState {
    const { planning } = this;
    return {
      model,
      ...{ revision: this.revision, formats: this.formats, job: this.job },
      ...(this.device ? { device: this.device } : {}),
      ...(planning.tableOutline ? { sensitivity: planning.tableOutline } : {}),
      ...(planning.planOutline ? { plan: planning.planOutline } : {}),
      ...this.comparisons.current,
      ...(this.verification.current ? { verification: this.verification.current } : {}),
    };
  }

  /** Nothing about the earlier files is kept. */
  private renew(files: string): void {
    this.files = files;
    this.revision += 1;
    this.planning.clear();
    this.plans.forget();
    this.analysis.cancel();
    this.analysis.reset();
    this.comparisons.reset();
    this.verification.reset();
    this.scans.reset();
  }

  private fire(event: SessionEvent): void {
    this.emitter.fire(event);
  }
}
