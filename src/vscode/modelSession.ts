import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import type { Effort } from '../ampq/knapsack';
import { planFileName, printPlan } from '../ampq/planFile';
import { writeAtomically } from '../files/atomicFile';
import { QuantscopeError } from '../model/errors';
import { nameFromPath } from '../model/modelName';
import { toColumns } from '../protocol/columns';
import type { FoundPlan, PlanBeside } from '../protocol/engine';
import type { FitRequest, FittingBits } from '../protocol/fit';
import type { ModelDescription, ModelRef } from '../protocol/model';
import type { CallOptions } from '../engine/client';
import type { Budget, DeviceReport, Plan, PlanConstraint, SensitivityTable } from '../protocol/plan';
import type { OtherChoice, OtherPlan, SavedPlan } from '../protocol/savedPlans';
import type { FormatBinding, FormatReasons, PlanFront } from '../protocol/planFront';
import type { VerifyResult } from '../protocol/verify';
import type { RevisedPlan } from '../protocol/planStep';
import { sensitivityFigures } from '../protocol/sensitivityFigures';
import type {
  ComparisonState,
  EditorState,
  HostEvents,
  JobState,
  ModelComparisonState,
  WebviewRequests,
} from '../protocol/webview';
import { Comparisons } from './comparisons';
import type { Devices } from './devices';
import { Emitter } from './emitter';
import { inBackground, messageOf, type Engine, type Log, type Notices } from './host';
import { fileNameOf, folderOf, sessionKey } from './paths';
import { Planning } from './planning';
import { Verification, type VerificationCall } from './verification';
import { SensitivityJob, type MeasuringSettings } from './sensitivityJob';

/** What the sessions of all models share. */
export interface SessionContext {
  readonly engine: Engine;
  readonly devices: Devices;
  readonly log: Log;
  readonly notices: Notices;
  /** Where measured cells are kept. */
  readonly sensitivityDir: string;
  /** Where calibrations keep what they measured. */
  readonly evidenceDir: string;
  /** What the user has chosen of how sensitivity is measured. */
  readonly measuring: () => MeasuringSettings;
  /** Whether all weights are checked when a model opens that has digests. */
  readonly verifiesOnOpening: () => boolean;
  /** Where plans are written that an export needs as a file. */
  readonly planDir: string;
}

export type SessionEvent = {
  [N in keyof HostEvents]: { name: N; payload: HostEvents[N] };
}[keyof HostEvents];

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
  private readonly comparisons: Comparisons;
  private readonly verification: Verification;
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
    this.comparisons = new Comparisons(
      model,
      engine,
      {
        comparison: (payload) => this.fire({ name: 'comparison', payload }),
        modelComparison: (payload) => this.fire({ name: 'modelComparison', payload }),
      },
      signal,
    );
    this.verification = new Verification(
      ...([model, engine, log] as const),
      {
        readsOnOpening: context.verifiesOnOpening,
        shown: (payload) => this.fire({ name: 'verification', payload }),
      },
      signal,
    );
    this.deviceChanges = devices.onChange((payload) => this.fire({ name: 'device', payload }));
  }

  /** The model as requests name it. */
  get ref(): ModelRef {
    return this.alone ? { path: this.path, alone: true } : { path: this.path };
  }

  /** The importance matrix may be named relative to the model's folder. */
  private get measuring(): MeasuringSettings {
    const { imatrix, ...settings } = this.context.measuring();
    return imatrix === undefined ? settings : { ...settings, imatrix: resolve(this.folder, imatrix) };
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

  /**
   * Solves for the bytes of a GGUF file of the same base, after what is missing for that was measured.
   * @returns whether there is such a plan: not where measuring failed or was cancelled.
   * @throws QuantscopeError REQUEST for a file of another base, one that is smaller than any plan, and while the model is measured.
   */
  async beat(file: string): Promise<boolean> {
    await this.ensureLoaded();
    // Some tensors have no cells yet: a plan from the others alone would be wrong.
    if (this.job.kind === 'running')
      throw new QuantscopeError(
        'REQUEST',
        'The sensitivity analysis is running: try again once it has ended.',
      );
    const { planning } = this;
    if (!hasCells(planning.table) && !(await this.runSensitivity())) return false;
    const { table } = planning;
    if (!table) return false;
    const { imatrix } = this.measuring;
    const rival = await this.context.engine.call(
      'plan/rival',
      {
        ...{ ...this.ref, rival: file, isOptimised: table.codes !== undefined },
        ...(imatrix === undefined ? {} : { imatrix }),
      },
      { signal: this.life.signal },
    );
    const known = new Set(table.rows.flatMap(({ cells }) => cells.map(({ format }) => format)));
    const isMissing = rival.formats.some((format) => !known.has(format));
    const formats = [...new Set([...known, ...rival.formats])];
    if (isMissing && !(await this.analysis.run(undefined, formats))) return false;
    planning.beat(rival);
    return true;
  }

  /**
   * Measures the plan as a whole over a text that it has not seen, with presets within its budget and the file that it is to beat.
   * @returns why the measurements are not kept; and whether they are about the plan that is shown by now.
   */
  async measurePlan(
    { text, windows }: WebviewRequests['measurePlan']['params'],
    options: CallOptions,
  ): Promise<WebviewRequests['measurePlan']['result']> {
    const { engine, devices, evidenceDir } = this.context;
    const { planFile } = await this.planFile(true);
    const { imatrix } = this.measuring;
    const { plan, notKept } = await engine.call(
      'plan/certify',
      {
        ...{ ...this.ref, planFile: planFile!, text, cacheDir: evidenceDir, device: devices.choice() },
        ...(windows === undefined ? {} : { windows }),
        ...(this.plan?.imatrix && imatrix !== undefined ? { imatrix } : {}),
        ...(this.planning.rival ? { rival: this.planning.rival.path } : {}),
      },
      { ...options, title: `Plan over ${basename(text)}` },
    );
    const isShown = this.planning.certified(plan.certificate);
    return { isShown, ...(notKept === undefined ? {} : { notKept }) };
  }

  cancelJob(): void {
    this.analysis.cancel();
  }

  /** After the process of the sensitivity analysis ended: it continues in a new one; other jobs are not affected. */
  resumeJob(): Promise<void> {
    return this.analysis.resume();
  }

  /**
   * @throws QuantscopeError REQUEST when nothing was measured, the budget is too small, or the plan is one of a file that the solver
   * would not make.
   */
  solve(budget: Budget, effort: Effort = 'exact'): RevisedPlan {
    return this.planning.solve(budget, effort);
  }

  /** Solves again with other constraints. @throws QuantscopeError REQUEST as `solve`, and where no plan meets them. */
  constrain(constraints: readonly PlanConstraint[]): void {
    this.planning.constrain(constraints);
  }

  /** Pins tensors of the plan to a format, keeps them from one, or releases them. @throws QuantscopeError as `constrain`. */
  bind(tensors: readonly string[], binding: FormatBinding): void {
    this.planning.bind(tensors, binding);
  }

  /** The fewest bits per weight that are predicted to diverge by at most so much. @throws QuantscopeError REQUEST as `smallestBudget`. */
  bitsFor(divergence: number): number {
    return this.planning.bitsFor(divergence);
  }

  /**
   * How large a plan may be so that its model fits into a memory when llama.cpp runs it.
   * @throws QuantscopeError REQUEST as `solveFit`, or for a model whose memory is not known.
   */
  async fit(request: FitRequest, signal: AbortSignal): Promise<FittingBits> {
    const { imatrix } = this.measuring;
    const params = {
      ...{ ...this.ref, isOptimised: this.planning.table?.codes !== undefined },
      ...(imatrix === undefined ? {} : { imatrix }),
    };
    const loaded = await this.context.engine.call('plan/loaded', params, { signal });
    return this.planning.bitsWithin(loaded, request);
  }

  /** Plan files next to the model. */
  savedPlans(signal: AbortSignal): Promise<readonly SavedPlan[]> {
    return this.context.engine.call('plan/list', this.ref, { signal });
  }

  /**
   * A preset, a plan file or the file that the plan is to beat, to be compared with the plan.
   * @throws QuantscopeError REQUEST for a preset that was not measured, or a plan of another model.
   */
  async otherPlan(other: OtherChoice, signal: AbortSignal): Promise<OtherPlan> {
    const { engine } = this.context;
    const read = {
      preset: (type: string) => this.planning.preset(type),
      file: (planFile: string) => engine.call('plan/read', { ...this.ref, planFile }, { signal }),
      rival: () => this.planning.rivalPlan,
    };
    const { assignments, total } =
      other.kind === 'preset' ? read.preset(other.fileType) : await read[other.kind](other.file);
    const name = other.kind === 'preset' ? other.fileType : basename(other.file);
    return { name, total, assignments: toColumns(assignments) };
  }

  /** The best plans of all sizes; undefined where nothing was measured. */
  get front(): PlanFront | undefined {
    return this.planning.front;
  }

  /** Why the plan gives a tensor its format. @throws QuantscopeError REQUEST where there is no plan, or for a tensor that it does not list. */
  reasons(tensor: string): FormatReasons {
    return this.planning.reasons(tensor);
  }

  /** Replaces a plan of a file that is not the solver's by the solver's of its size, or takes it up again. */
  replaceEditedPlan(replace: boolean): void {
    this.planning.replaceEdited(replace);
  }

  compare(tensors: readonly string[], formats: readonly string[]): Promise<ComparisonState> {
    return this.comparisons.compare(tensors, formats);
  }

  compareWith(other: string): Promise<ModelComparisonState> {
    return this.comparisons.compareWith(other, `Comparison with ${other.replace(/^.*[\\/]/, '')}`);
  }

  /** Checks all files against the digests that were written with them. */
  verify(call: VerificationCall): Promise<VerifyResult> {
    return this.verification.run(call);
  }

  /** The plan as a file, for settings that use it. @throws QuantscopeError REQUEST when there is none. */
  async planFile(isUsed = false): Promise<{ planFile?: string }> {
    if (!isUsed) return {};
    if (!this.plan)
      throw new QuantscopeError('REQUEST', 'There is no plan yet: run the sensitivity analysis first.');
    return { planFile: await this.writePlan(this.plan) };
  }

  /**
   * The plan as a file that the engine can read. Each plan has its own, in a folder named after its content: a job may read the file
   * after the plan in the editor has changed.
   */
  async writePlan(plan: Plan): Promise<string> {
    const bytes = Buffer.from(printPlan(plan));
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    const name = planFileName(`plan-${plan.total.bitsPerWeight.toFixed(2)}bpw`);
    const file = join(this.context.planDir, plan.model.hash.slice(0, 16), digest, name);
    await writeAtomically(file, (target) => target.write(bytes));
    return file;
  }

  /** A plan file next to the model was written: if it is for this model, it becomes the plan. */
  async planFileChanged(planFile: string): Promise<void> {
    if (!this.description) return;
    const { found, problems } = await this.planBeside(planFile);
    if (found) this.planning.fileChanged(found);
    for (const problem of problems) this.context.notices.warn(problem);
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
    this.description = model;
    this.described.fire(model);
    this.formats = await engine.call('formats/list', {}, { signal });
    this.results = this.readResults(this.revision);
    inBackground(this.results, log, notices);
    inBackground(devices.find(), log, notices);
    if (isChanged) void this.verification.opened(); // never rejects
    return this.stateOf({ ...model, tensors: toColumns(model.tensors) });
  }

  /** Reads earlier measurements and the plan next to the model, and tells of them; those of earlier files are dropped. */
  private async readResults(revision: number): Promise<void> {
    const { planning } = this;
    const params = this.analysis.stored();
    const table = await this.context.engine.call('sensitivity/stored', params, { signal: this.life.signal });
    if (revision !== this.revision) return;
    planning.opened(table);
    const found = planning.plan ? undefined : await this.storedPlan();
    if (revision === this.revision) planning.begin(found);
  }

  private stateOf(model: EditorState['model']): EditorState {
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
    this.analysis.cancel();
    this.analysis.reset();
    this.comparisons.reset();
    this.verification.reset();
  }

  /** The plan next to the model; those that cannot be used are logged. */
  private async storedPlan(): Promise<FoundPlan | undefined> {
    const { found, problems } = await this.planBeside();
    for (const problem of problems) this.context.log.warn(problem);
    return found;
  }

  /** The plan of a file, or the first one in the model's folder, that is for this model, with totals recomputed. */
  private planBeside(planFile?: string): Promise<PlanBeside> {
    const params = { ...this.ref, ...(planFile === undefined ? {} : { planFile }) };
    return this.context.engine.call('plan/beside', params, { signal: this.life.signal });
  }

  private fire(event: SessionEvent): void {
    this.emitter.fire(event);
  }
}

const hasCells = (table: SensitivityTable | undefined): boolean =>
  table?.rows.some(({ cells }) => cells.length > 0) === true;
