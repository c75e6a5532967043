import * as l10n from '@vscode/l10n';
import { basename } from 'node:path';
import { assignmentDigest } from '../ampq/assignmentDigest';
import type { Effort } from '../ampq/knapsack';
import { bound } from '../ampq/constraintEdits';
import { formatReasons, planFront, presetPlan } from '../ampq/planFront';
import { rivalPlan } from '../ampq/rivalPlan';
import { isOptimal } from '../ampq/solve';
import { tableFor } from '../protocol/fewBits';
import { QuantscopeError } from '../model/errors';
import type { FoundPlan } from '../protocol/planResults';
import type { Budget, Plan, PlanConstraint, SensitivityTable } from '../protocol/plan';
import type { FitRequest, FittingBits } from '../protocol/fit';
import type { LoadedModel } from '../protocol/loadedModel';
import type { FormatBinding, FormatReasons, PlanFront } from '../protocol/planFront';
import { outlineOf, type EditedPlan, type PlanOutline } from '../protocol/planOutline';
import type { RevisedPlan } from '../protocol/planStep';
import type { RivalOfModel } from '../protocol/rivalFile';
import type { TableOutline } from '../protocol/editorState';
import { hasCells, Measurements, notMeasured } from './measurements';
import { planFileReason } from './planFileReason';
import { bitsForDivergence, bitsOf, firstBits, solved, solvedFit, solvedNear } from '../ampq/solving';

export interface PlanningHooks {
  /** Names of the model's tensors, in its order. */
  tensors(): readonly string[];
  table(outline: TableOutline): void;
  plan(outline: PlanOutline): void;
}

/**
 * The measurements of a model and its plan: the solver's, or that of a file next to the model. A plan of a file that the solver would
 * not make at its size holds decisions of its author: only the user replaces it.
 */
export class Planning {
  private readonly measurements = new Measurements();
  private current: Plan | undefined;
  private planRevision = 0;
  /** The file that the plan was read from; kept while the solver's plan replaces one that is not the solver's. */
  private file: (FoundPlan & { isSolvers: boolean }) | undefined;

  /** The file that plans are to beat, once the user has named one. */
  private opponent: RivalOfModel | undefined;

  constructor(private readonly hooks: PlanningHooks) {}

  get table(): SensitivityTable | undefined {
    return this.measurements.table;
  }

  get plan(): Plan | undefined {
    return this.current;
  }

  get revisedPlan(): RevisedPlan | undefined {
    return this.current && { revision: this.planRevision, plan: this.current };
  }

  /** Undefined before anything was measured. */
  get tableOutline(): TableOutline | undefined {
    return this.measurements.outlined(this.current?.constraints);
  }

  get planOutline(): PlanOutline | undefined {
    const { current, edited } = this;
    if (!current) return undefined;
    const outline = outlineOf(current, this.planRevision, this.hooks.tensors(), edited);
    return this.opponent ? { ...outline, rival: this.opponent.path } : outline;
  }

  /** Present where there is a plan file next to the model whose plan is not the solver's. */
  private get edited(): EditedPlan | undefined {
    const { file } = this;
    if (!file || file.isSolvers) return undefined;
    const reason = planFileReason(file.plan, this.table && tableFor(this.table, bitsOf(file.plan)));
    return { file: basename(file.file), replaced: !this.isFromFile, reason };
  }

  /** Forgets the measurements and the plan of earlier files. */
  clear(): void {
    this.measurements.set(undefined);
    this.opponent = undefined;
    this.file = undefined;
    this.set(undefined);
  }

  /** Measurements of earlier runs, read as the model opens. */
  opened(table: SensitivityTable | undefined): void {
    this.measurements.set(table);
    this.judge();
    this.tellTable(this.tableOutline);
  }

  /** The plan of a file next to the model, or without one the first of the solver; one that is there stays. */
  begin(found: FoundPlan | undefined): void {
    if (found && !this.current) this.read(found);
    else if (!this.current) this.set(this.near(firstBits));
    this.tell();
  }

  /** Cells of a running analysis. */
  proceeded(table: SensitivityTable): void {
    this.measurements.set(table);
    this.tellTable(this.tableOutline);
  }

  /** @param overText whether the analysis was asked to measure the effect on the output over a text. */
  finished(table: SensitivityTable, overText: boolean): void {
    const isSolvers = !this.isFromFile || this.file?.isSolvers === true;
    this.proceeded(table);
    // A plan made without gains is solved again at its size.
    const isNews = overText || (table.gainsFrom && this.current?.total.divergence === undefined);
    if (!this.current || (isNews && isSolvers))
      this.set(this.near(this.current?.total.bitsPerWeight ?? firstBits));
    else this.judge();
    this.tell();
  }

  /** The plan of a file becomes the one that is shown: it was written next to the model, or the user chose it. */
  show(found: FoundPlan): void {
    this.read(found);
    this.tell();
  }

  /**
   * @throws QuantscopeError REQUEST when nothing was measured, the budget is too small, or the plan is one of a file that the solver
   * would not make.
   */
  solve(budget: Budget, effort: Effort): RevisedPlan {
    const table = this.replaceable();
    const plan = solved(table, budget, this.constraints, { effort });
    this.set(plan);
    if (effort === 'exact') this.tell();
    return { revision: this.planRevision, plan };
  }

  /**
   * Solves again for the size of the plan with other constraints; the size changes only where they require it.
   * @throws QuantscopeError REQUEST as `solve`, and where no plan meets them: then the plan stays as it is.
   */
  constrain(constraints: readonly PlanConstraint[]): void {
    const table = this.replaceable();
    const { budget, total } = this.current ?? { budget: undefined, total: { bitsPerWeight: firstBits } };
    const wanted = budget?.kind === 'bits-per-weight' ? budget.value : total.bitsPerWeight;
    this.set(solvedNear(table, wanted, constraints));
    this.tell();
  }

  /** The same after some tensors of the plan were pinned to a format, kept from one, or released. @throws QuantscopeError as `constrain`. */
  bind(tensors: readonly string[], binding: FormatBinding): void {
    const table = this.replaceable();
    if (!this.current) throw notMeasured();
    this.constrain(bound(table, this.current, tensors, binding));
  }

  /** The fewest bits per weight that are predicted to diverge by at most so much. @throws QuantscopeError REQUEST as `smallestBudget`. */
  bitsFor(divergence: number): number {
    return bitsForDivergence(this.replaceable(), divergence, this.constraints);
  }

  /** The best plan whose model fits into a memory, or into a GPU's and RAM together. @throws QuantscopeError REQUEST as `solveFit`. */
  fit(loaded: LoadedModel, request: FitRequest): FittingBits {
    const { plan, use } = solvedFit(this.replaceable(), loaded, request, this.constraints);
    this.set(plan);
    this.tell();
    return { bitsPerWeight: bitsOf(plan), fit: plan.fit!, use };
  }

  /** What a preset gives the tensors. @throws QuantscopeError REQUEST where nothing, or not all of its types, was measured. */
  preset(fileType: string): Pick<Plan, 'assignments' | 'total'> {
    return presetPlan(this.compared, fileType);
  }

  /** The file that plans are to beat; undefined where none was named. */
  get rival(): RivalOfModel | undefined {
    return this.opponent;
  }

  /**
   * Solves for the bytes of a file of the same base, which the plan is compared with from then on. It replaces the plan of a file.
   * @throws QuantscopeError REQUEST where nothing was measured, or no plan of the measured formats is as small.
   */
  beat(rival: RivalOfModel): void {
    const { known } = this.measurements;
    const budget = { kind: 'bytes', value: rival.bytes } as const;
    const plan = solved(known, budget, this.constraints, { frame: rival.frame });
    this.opponent = rival;
    this.set(plan);
    this.tell();
  }

  /** The types of that file, by the measurements. @throws QuantscopeError REQUEST where none was named or nothing was measured. */
  get rivalPlan(): Pick<Plan, 'assignments' | 'total'> {
    if (!this.opponent) throw notMeasured();
    return rivalPlan(this.opponent, this.compared);
  }

  /**
   * A plan with what was measured of it as a whole, and with the swaps that improved it: shown, unless the plan has other formats by now.
   * @param given what was measured. @returns whether it is shown.
   */
  certified(given: Plan, plan: Plan): boolean {
    const { current, file } = this;
    if (!current || assignmentDigest(current) !== assignmentDigest(given)) return false;
    // Once swaps improved it, it is no longer that of the file.
    if (file && this.isFromFile && assignmentDigest(plan) === assignmentDigest(given))
      this.file = { ...file, plan };
    this.set(plan);
    this.tell();
    return true;
  }

  /** The best plans of all sizes under the constraints of the plan; undefined where nothing was measured. */
  get front(): PlanFront | undefined {
    const { table } = this;
    return table && hasCells(table) ? planFront(table, this.constraints) : undefined;
  }

  /** Why a tensor has its format. @throws QuantscopeError REQUEST where there is no plan, or for a tensor that it does not list. */
  reasons(tensor: string): FormatReasons {
    if (!this.current) throw notMeasured();
    return formatReasons(this.compared, this.current, tensor);
  }

  /** Replaces a plan of a file that is not the solver's by the solver's of its size, or takes it up again. The file is unchanged. */
  replaceEdited(replace: boolean): void {
    const { file } = this;
    if (!file || file.isSolvers || replace !== this.isFromFile) return;
    this.set(replace ? this.near(file.plan.total.bitsPerWeight) : file.plan);
    this.tell();
  }

  /** The measurements by which the plan and what it is compared with are judged. */
  private get compared(): SensitivityTable {
    const { known } = this.measurements;
    return this.current ? tableFor(known, bitsOf(this.current)) : known;
  }

  private get isFromFile(): boolean {
    return this.file !== undefined && this.current === this.file.plan;
  }

  /** The measurements, where the solver's plan may replace the current one. */
  private replaceable(): SensitivityTable {
    const { known } = this.measurements;
    const { edited } = this;
    if (edited?.replaced === false)
      throw new QuantscopeError(
        'REQUEST',
        l10n.t(
          "The plan in {0} is not the solver's for its size: {1}. Choose Solve Again in the Plan view to replace it.",
          edited.file,
          edited.reason,
        ),
      );
    return known;
  }

  private read(found: FoundPlan): void {
    this.file = { ...found, isSolvers: false };
    this.set(found.plan);
    this.judge();
  }

  /** Whether the plan of the file is the solver's, as far as the measurements can tell. */
  private judge(): void {
    const { file, table } = this;
    if (file && this.isFromFile)
      file.isSolvers = table !== undefined && isOptimal(tableFor(table, bitsOf(file.plan)), file.plan);
  }

  private set(plan: Plan | undefined): void {
    if (this.current === plan) return;
    if (this.file?.isSolvers && plan !== this.file.plan) this.file = undefined;
    this.current = plan;
    this.planRevision += 1;
  }

  /** The plan of about this size, undefined where nothing was measured. */
  private near(bitsPerWeight: number): Plan | undefined {
    const { table } = this;
    return table && hasCells(table) ? solvedNear(table, bitsPerWeight, this.constraints) : undefined;
  }

  /** Those of the plan that is shown stay when it is solved again. */
  private get constraints(): readonly PlanConstraint[] {
    return this.current?.constraints ?? [];
  }

  private tellTable(outline: TableOutline | undefined): void {
    if (outline) this.hooks.table(outline);
  }

  private tell(): void {
    this.tellTable(this.measurements.outlinedAgain(this.current?.constraints));
    const outline = this.planOutline;
    if (outline) this.hooks.plan(outline);
  }
}
