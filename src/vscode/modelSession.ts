import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import * as vscode from 'vscode';
import type { Effort } from '../ampq/knapsack';
import { makePlan, parsePlan, printPlan } from '../ampq/planFile';
import type { EngineClient } from '../engine/client';
import { QuantscopeError } from '../model/errors';
import { writeAtomically } from '../files/atomicFile';
import { modelHash } from '../model/identity';
import type { ModelDescription } from '../protocol/model';
import {
  budgetRange,
  type Budget,
  type DeviceChoice,
  type DeviceReport,
  type Plan,
  type SensitivityTable,
} from '../protocol/plan';
import type {
  CommandTab,
  ComparisonState,
  EditorState,
  HostEvents,
  JobState,
  ModelComparisonState,
} from '../protocol/webview';

export interface SessionFolders {
  /** Where measured cells are kept. */
  readonly sensitivityDir: string;
  /** Where plans go that an export needs as a file. */
  readonly planDir: string;
  readonly device: () => DeviceChoice;
}

/** Bits per weight of the first plan that is shown: about what Q4_K_M takes. */
const firstBudget = 4.85;

type SessionEvent = { [N in keyof HostEvents]: { name: N; payload: HostEvents[N] } }[keyof HostEvents];

/** One model as the extension host sees it: its header, what was measured, the plan, the job that runs. */
export class ModelSession implements vscode.Disposable {
  private readonly emitter = new vscode.EventEmitter<SessionEvent>();
  /** What the editors of this model must hear. */
  readonly onEvent = this.emitter.event;
  description: ModelDescription | undefined;
  sensitivity: SensitivityTable | undefined;
  plan: Plan | undefined;
  device: DeviceReport | undefined;
  job: JobState = { kind: 'idle' };
  /** Tensor that the next editor of this model shows first. */
  pendingReveal: string | undefined;
  private pendingTab: CommandTab | undefined;
  private running: AbortController | undefined;
  /** Text of the sensitivity analysis that runs or ended last; undefined where it measures the weights alone. */
  private text: string | undefined;
  private comparing: AbortController | undefined;
  private comparingModels: AbortController | undefined;
  private disposed = false;

  constructor(
    readonly path: string,
    private readonly engine: EngineClient,
    private readonly log: vscode.LogOutputChannel,
    private readonly folders: SessionFolders,
  ) {}

  /** Reads the header, what earlier runs measured, and a plan that lies beside the model. */
  async load(): Promise<EditorState> {
    this.description = await this.engine.call('model/open', { path: this.path });
    const formats = await this.engine.call('formats/list', {});
    this.sensitivity = await this.engine.call('sensitivity/stored', {
      path: this.path,
      cacheDir: this.folders.sensitivityDir,
    });
    this.plan ??= (await this.planBeside(this.description)) ?? this.firstPlan();
    void this.probe();
    const reveal = this.pendingReveal;
    const tab = this.pendingTab;
    this.pendingReveal = undefined;
    this.pendingTab = undefined;
    return {
      model: this.description,
      formats,
      job: this.job,
      ...(this.device ? { device: this.device } : {}),
      ...(this.sensitivity ? { sensitivity: this.sensitivity } : {}),
      ...(this.plan ? { plan: this.plan } : {}),
      ...(reveal === undefined ? {} : { reveal }),
      ...(tab === undefined ? {} : { tab }),
    };
  }

  reveal(tensor: string): void {
    this.pendingReveal = tensor;
    this.fire({ name: 'reveal', payload: { tensor } });
  }

  /** Shows a tab in the editors of this model, or in the next one that opens. */
  showTab(tab: CommandTab): void {
    this.pendingTab = tab;
    this.fire({ name: 'tab', payload: tab });
  }

  /** The device that measuring would use; tells the editors. */
  async probe(refresh = false): Promise<void> {
    try {
      this.device = await this.engine.call('device/probe', { device: this.folders.device(), refresh });
      this.fire({ name: 'device', payload: this.device });
    } catch (error) {
      this.log.warn(`The device cannot be used: ${messageOf(error)}`);
      void vscode.window.showWarningMessage(messageOf(error));
    }
  }

  /** Measures what was not measured yet, with a text also its effect on the output. Resolves when the job is over, however it ended. */
  async runSensitivity(text?: string): Promise<void> {
    if (this.running) return;
    this.text = text;
    const title = text === undefined ? 'Sensitivity' : `Sensitivity over ${basename(text)}`;
    const controller = new AbortController();
    this.running = controller;
    this.setJob({ kind: 'running', title });
    try {
      const table = await this.engine.call(
        'sensitivity/run',
        {
          ...{ path: this.path, device: this.folders.device(), cacheDir: this.folders.sensitivityDir },
          ...(text === undefined ? {} : { text }),
        },
        {
          signal: controller.signal,
          onProgress: (progress) => this.setJob({ kind: 'running', title, progress }),
        },
      );
      this.sensitivity = table;
      this.fire({ name: 'sensitivity', payload: table });
      // A plan that did not know what the output depends on is made anew in its size.
      if (!this.plan || text !== undefined) this.plan = this.firstPlan(this.plan?.total.bitsPerWeight);
      if (this.plan) this.fire({ name: 'plan', payload: this.plan });
      this.setJob({ kind: 'idle' });
    } catch (error) {
      this.endJob(title, error);
    } finally {
      this.running = undefined;
    }
  }

  cancelJob(): void {
    this.running?.abort();
  }

  /** After the engine died: a fresh one, and the interrupted job goes on. */
  async restartEngine(): Promise<void> {
    const resume = this.job.kind === 'engine-died' && this.job.resumable;
    await this.engine.restart();
    this.setJob({ kind: 'idle' });
    if (resume) await this.runSensitivity(this.text);
  }

  /** @throws QuantscopeError REQUEST when nothing was measured or the budget is too small. */
  solve(budget: Budget, effort: Effort = 'exact'): Plan {
    if (!this.sensitivity)
      throw new QuantscopeError('REQUEST', 'Nothing was measured yet: run the sensitivity analysis first.');
    this.plan = makePlan(this.sensitivity, budget, 0, effort);
    return this.plan;
  }

  /** Errors of the tensors in the formats; results reach the editors one by one. */
  async compare(tensors: readonly string[], formats: readonly string[]): Promise<ComparisonState> {
    this.comparing?.abort();
    const controller = new AbortController();
    this.comparing = controller;
    let state: ComparisonState = { formats, tensors, results: [], done: false };
    const show = (change: Partial<ComparisonState>): void => {
      state = { ...state, ...change };
      if (!controller.signal.aborted) this.fire({ name: 'comparison', payload: state });
    };
    show({});
    try {
      for (const tensor of tensors) {
        const result = await this.engine.call(
          'tensor/compare',
          { path: this.path, tensor, formats },
          { signal: controller.signal },
        );
        show({ results: [...state.results, result] });
      }
      show({ done: true });
    } catch (error) {
      show({ done: true, error: messageOf(error) });
    }
    return state;
  }

  /** The plan as a file, where a panel's settings use it. @throws QuantscopeError REQUEST when there is none. */
  async planFile(isUsed = false): Promise<{ planFile?: string }> {
    if (!isUsed) return {};
    if (!this.plan)
      throw new QuantscopeError('REQUEST', 'There is no plan yet: run the sensitivity analysis first.');
    return { planFile: await this.writePlan(this.plan) };
  }

  /** Compares the whole model with another; the editors hear how far it is. A new comparison ends the one before. */
  async compareWith(other: string): Promise<ModelComparisonState> {
    this.comparingModels?.abort();
    const controller = new AbortController();
    this.comparingModels = controller;
    let state: ModelComparisonState = { other };
    const show = (change: Partial<ModelComparisonState>): void => {
      state = { other, ...change };
      if (!controller.signal.aborted) this.fire({ name: 'modelComparison', payload: state });
    };
    show({});
    try {
      const result = await this.engine.call(
        'model/compare',
        { path: this.path, other },
        { signal: controller.signal, onProgress: (progress) => show({ progress }) },
      );
      show({ result });
    } catch (error) {
      show({ error: messageOf(error) });
    }
    return state;
  }

  /** The plan as a file that the engine can read. */
  async writePlan(plan: Plan): Promise<string> {
    const folder = join(this.folders.planDir, plan.model.hash.slice(0, 16));
    const file = join(folder, `plan-${plan.total.bitsPerWeight.toFixed(2)}bpw.ampq.json`);
    await writeAtomically(file, (target) => target.write(Buffer.from(printPlan(plan))));
    return file;
  }

  dispose(): void {
    this.disposed = true;
    this.running?.abort();
    this.comparing?.abort();
    this.comparingModels?.abort();
    this.emitter.dispose();
  }

  private endJob(title: string, error: unknown): void {
    const code = error instanceof QuantscopeError ? error.code : 'INTERNAL';
    if (code === 'CANCELLED') return this.setJob({ kind: 'idle' });
    const message = messageOf(error);
    this.log.error(`${title}: ${message}`);
    if (code !== 'ENGINE_DIED') return this.setJob({ kind: 'failed', title, message });
    this.setJob({ kind: 'engine-died', title, message, resumable: true });
    void this.offerRestart(title);
  }

  private async offerRestart(title: string): Promise<void> {
    const restart = 'Restart and Resume';
    const answer = await vscode.window.showErrorMessage(
      `${title}: the engine process ended. What was done is kept.`,
      restart,
    );
    if (answer === restart && !this.disposed) await this.restartEngine();
  }

  private setJob(job: JobState): void {
    if (this.disposed) return;
    this.job = job;
    this.fire({ name: 'job', payload: job });
  }

  private fire(event: SessionEvent): void {
    if (!this.disposed) this.emitter.fire(event);
  }

  private firstPlan(bitsPerWeight = firstBudget): Plan | undefined {
    if (!this.sensitivity?.rows.some((row) => row.cells.length > 0)) return undefined;
    const { min, max } = budgetRange(this.sensitivity);
    return makePlan(this.sensitivity, {
      kind: 'bits-per-weight',
      value: Math.min(max, Math.max(min, bitsPerWeight)),
    });
  }

  private async planBeside(description: ModelDescription): Promise<Plan | undefined> {
    const hash = modelHash(description);
    const plans = await plansIn(extname(this.path) === '' ? this.path : dirname(this.path), this.log);
    return plans.find((plan) => plan.model.hash === hash);
  }
}

/** Readable plans of a folder; damaged ones are logged and left out. */
export async function plansIn(folder: string, log: vscode.LogOutputChannel): Promise<Plan[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.ampq.json'));
  const plans: Plan[] = [];
  for (const name of names) {
    const file = join(folder, name);
    try {
      plans.push(parsePlan(await readFile(file, 'utf8'), file));
    } catch (error) {
      log.warn(messageOf(error));
    }
  }
  return plans;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
