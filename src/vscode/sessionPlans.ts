import * as l10n from '@vscode/l10n';
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import type { Effort } from '../ampq/knapsack';
import { planFileName, printPlan } from '../ampq/planFile';
import type { CallOptions } from '../engine/client';
import { writeAtomically } from '../files/atomicFile';
import { QuantscopeError } from '../model/errors';
import { certifyEstimateText } from '../protocol/certificateText';
import { toColumns } from '../protocol/columns';
import type { FoundPlan, PlanBeside } from '../protocol/planResults';
import type { FitRequest, FittingBits } from '../protocol/fit';
import type { ModelRef } from '../protocol/model';
import { assignmentOf, type Budget, type Plan, type PlanConstraint } from '../protocol/plan';
import type { FormatBinding, FormatReasons, PlanFront } from '../protocol/planFront';
import type { RevisedPlan } from '../protocol/planStep';
import type { OtherChoice, OtherPlan, SavedPlan } from '../protocol/savedPlans';
import { predictionRung } from '../protocol/rungs';
import type { WebviewRequests } from '../protocol/webview';
import type { SessionContext } from './sessionContext';
import { MeasuredPlans } from './measuredPlans';
import { hasCells } from './measurements';
import type { Planning } from './planning';
import type { SensitivityJob } from './sensitivityJob';

/** What plans need of the session of their model. */
export interface PlannedModel {
  readonly ref: () => ModelRef;
  /** Where plans are meant for an importance matrix: its absolute path. */
  readonly imatrix: () => string | undefined;
  readonly isDescribed: () => boolean;
  readonly ensureLoaded: () => Promise<void>;
  /** Plan files next to the model were written or removed; the revision increases each time. */
  readonly savedPlansChanged: (revision: number) => void;
}

/** What can be done with the plan of a model: solving, files, measuring. */
export class SessionPlans {
  private savedRevision = 0;
  private readonly measured = new MeasuredPlans();

  constructor(
    private readonly model: PlannedModel,
    private readonly planning: Planning,
    private readonly analysis: SensitivityJob,
    private readonly context: SessionContext,
    private readonly signal: AbortSignal,
  ) {}

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

  /**
   * Pins what a tensor of the model becomes to a format.
   * @param source its name in the model.
   * @throws QuantscopeError REQUEST where the plan does not list it, or there is none; as `constrain`.
   */
  pin(source: string, format: string): void {
    const { plan } = this.planning;
    const assignment = plan && assignmentOf(plan, source);
    if (plan && !assignment)
      throw new QuantscopeError('REQUEST', l10n.t('The plan chooses no format for this tensor.'), {
        tensor: source,
      });
    this.bind(assignment ? [assignment.tensor] : [], { kind: 'pin', format });
  }

  /** The fewest bits per weight that are predicted to diverge by at most so much. @throws QuantscopeError REQUEST as `smallestBudget`. */
  bitsFor(divergence: number): number {
    return this.planning.bitsFor(divergence);
  }

  /**
   * Makes the best plan whose model fits into a memory, or into a GPU's and RAM together, when llama.cpp runs it.
   * @throws QuantscopeError REQUEST as `solveFit`, or for a model whose memory is not known.
   */
  async fit(request: FitRequest, signal: AbortSignal): Promise<FittingBits> {
    const imatrix = this.model.imatrix();
    const params = {
      ...{ ...this.model.ref(), isOptimised: this.planning.table?.codes !== undefined },
      ...(imatrix === undefined ? {} : { imatrix }),
    };
    const loaded = await this.context.engine.call('plan/loaded', params, { signal });
    return this.planning.fit(loaded, request);
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
  replaceEdited(replace: boolean): void {
    this.planning.replaceEdited(replace);
  }

  /**
   * Solves for the bytes of a GGUF file of the same base, after what is missing for that was measured.
   * @returns whether there is such a plan: not where measuring failed or was cancelled.
   * @throws QuantscopeError REQUEST for a file of another base, one that is smaller than any plan, and while the model is measured.
   */
  async beat(file: string): Promise<boolean> {
    await this.model.ensureLoaded();
    const { planning, analysis } = this;
    // Some tensors have no cells yet: a plan from the others alone would be wrong.
    if (analysis.job.kind === 'running')
      throw new QuantscopeError(
        'REQUEST',
        l10n.t('The sensitivity analysis is running: try again once it has ended.'),
      );
    if (!(planning.table && hasCells(planning.table)) && !(await analysis.run())) return false;
    const { table } = planning;
    if (!table) return false;
    const imatrix = this.model.imatrix();
    const rival = await this.context.engine.call(
      'plan/rival',
      {
        ...{ ...this.model.ref(), rival: file, isOptimised: table.codes !== undefined },
        ...(imatrix === undefined ? {} : { imatrix }),
      },
      { signal: this.signal },
    );
    const known = new Set(table.rows.flatMap(({ cells }) => cells.map(({ format }) => format)));
    const isMissing = rival.formats.some((format) => !known.has(format));
    const formats = [...new Set([...known, ...rival.formats])];
    if (isMissing && !(await analysis.run(undefined, formats))) return false;
    planning.beat(rival);
    return true;
  }

  /**
   * Measures the plan as a whole over a text that it has not seen, with presets within its budget and the file that it is to beat; where that is asked
   * for, measured swaps improve it first.
   * @returns why the measurements are not kept; and whether they are about the plan that is shown by now.
   */
  async measure(
    { text, windows, improve = false }: WebviewRequests['measurePlan']['params'],
    options: CallOptions,
  ): Promise<WebviewRequests['measurePlan']['result']> {
    const { planning } = this;
    const { engine, devices, evidenceDir, sensitivityDir } = this.context;
    const given = planning.plan;
    const { planFile } = await this.file(true);
    const imatrix = this.model.imatrix();
    const params = {
      ...{ ...this.model.ref(), planFile: planFile!, text, cacheDir: evidenceDir },
      ...(windows === undefined ? {} : { windows }),
      ...(improve ? { improveFrom: sensitivityDir } : {}),
      ...(given?.imatrix && imatrix !== undefined ? { imatrix } : {}),
      ...(planning.rival ? { rival: planning.rival.path } : {}),
      device: devices.choice(),
    };
    const title = l10n.t('Plan over {0}', basename(text));
    const estimate = await engine.call('plan/certifyEstimate', params, { ...options, title });
    const announced = certifyEstimateText(estimate);
    options.onProgress?.({ message: announced, done: 0, total: 0 });
    const { plan, notKept } = await engine.call('plan/certify', params, {
      ...{ ...options, title },
      onProgress: ({ message, ...progress }) =>
        options.onProgress?.({ ...progress, message: `${message}. ${announced}` }),
    });
    const isShown = planning.certified(given!, plan);
    this.measured.add(await this.write(plan), plan);
    this.filesChanged();
    return { isShown, ...(notKept === undefined ? {} : { notKept }) };
  }

  /** Plan files next to the model, and plans that were measured in this window. */
  async saved(signal: AbortSignal): Promise<readonly SavedPlan[]> {
    return this.measured.with(await this.context.engine.call('plan/list', this.model.ref(), { signal }));
  }

  /** Makes one of them the plan. @throws QuantscopeError REQUEST for a file that is not a plan of the model by now. */
  async show(file: string): Promise<void> {
    const { found, problems } = await this.beside(file);
    if (!found)
      throw new QuantscopeError('REQUEST', problems[0] ?? l10n.t('The plan is for another model.'), { file });
    this.planning.show(found);
  }

  /** The model has other files. */
  forget(): void {
    this.measured.clear();
  }

  /**
   * A preset, a plan file or the file that the plan is to beat, to be compared with the plan.
   * @throws QuantscopeError REQUEST for a preset that was not measured, or a plan of another model.
   */
  async other(other: OtherChoice, signal: AbortSignal): Promise<OtherPlan> {
    const { planning, context, model } = this;
    const read = {
      preset: (type: string) => planning.preset(type),
      file: (planFile: string) => context.engine.call('plan/read', { ...model.ref(), planFile }, { signal }),
      rival: () => planning.rivalPlan,
    };
    const plan = other.kind === 'preset' ? read.preset(other.fileType) : await read[other.kind](other.file);
    const { assignments, total } = plan;
    const name = other.kind === 'preset' ? other.fileType : basename(other.file);
    const used = 'version' in plan ? plan : planning.tableOutline!.measuredWith;
    return { name, total, rung: predictionRung({ ...used, total }), assignments: toColumns(assignments) };
  }

  /** The plan as a file, for settings that use it. @throws QuantscopeError REQUEST when there is none. */
  async file(isUsed = false): Promise<{ planFile?: string }> {
    if (!isUsed) return {};
    const { plan } = this.planning;
    if (!plan)
      throw new QuantscopeError(
        'REQUEST',
        l10n.t('There is no plan yet: run the sensitivity analysis first.'),
      );
    return { planFile: await this.write(plan) };
  }

  /**
   * The plan as a file that the engine can read. Each plan has its own, in a folder named after its content: a job may read the file
   * after the plan in the editor has changed.
   */
  async write(plan: Plan): Promise<string> {
    const bytes = Buffer.from(printPlan(plan));
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    const name = planFileName(`plan-${plan.total.bitsPerWeight.toFixed(2)}bpw`);
    const file = join(this.context.planDir, plan.model.hash.slice(0, 16), digest, name);
    await writeAtomically(file, (target) => target.write(bytes));
    return file;
  }

  /** A plan file next to the model was written: if it is for this model, it becomes the plan. */
  async fileChanged(planFile: string): Promise<void> {
    if (!this.model.isDescribed()) return;
    this.filesChanged();
    const { found, problems } = await this.beside(planFile);
    if (found) this.planning.show(found);
    for (const problem of problems) this.context.notices.warn(problem);
  }

  /** Plan files next to the model were written or removed. */
  filesChanged(): void {
    this.savedRevision += 1;
    this.model.savedPlansChanged(this.savedRevision);
  }

  /** The plan next to the model; those that cannot be used are logged. */
  async stored(): Promise<FoundPlan | undefined> {
    const { found, problems } = await this.beside();
    for (const problem of problems) this.context.log.warn(problem);
    return found;
  }

  /** The plan of a file, or the first one in the model's folder, that is for this model, with totals recomputed. */
  private beside(planFile?: string): Promise<PlanBeside> {
    const params = { ...this.model.ref(), ...(planFile === undefined ? {} : { planFile }) };
    return this.context.engine.call('plan/beside', params, { signal: this.signal });
  }
}
