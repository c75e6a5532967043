import * as vscode from 'vscode';
import type * as api from '../../../api/quantscope';
import { planEnding } from '../../ampq/planFile';
import type { CallOptions } from '../../engine/client';
import { isRemote } from '../../model/remote/address';
import type { EngineProgress } from '../../protocol/engine';
import type { ModelDescription } from '../../protocol/model';
import { tabled } from '../../protocol/tensorTable';
import { whileWanted } from '../cancellation';
import { watchFiles } from '../editor/watchFiles';
import { messageOf } from '../host';
import { Latest } from '../latest';
import { uriOf } from '../remote/modelUri';
import { storedParams } from '../sensitivityJob';
import { chosenDevice, type Services } from '../services';
import { descriptionOf, goalOf, planOf, sensitivitiesOf, statisticsOf } from './shapes';

/** Events of sessions in the terms of the API. */
const changes: Readonly<Record<string, api.ModelChange>> = {
  sensitivity: 'sensitivities',
  plan: 'plans',
  savedPlans: 'plans',
};

/** A model that another extension has opened. It works without an editor, and outlives those that show it. */
export class ApiModel implements api.Model {
  private readonly changed = new vscode.EventEmitter<api.ModelChange>();
  readonly onDidChange = this.changed.event;
  private readonly life = new AbortController();
  private readonly readings = new Latest();
  private readonly listening: vscode.Disposable;
  /** Made when it is asked for: models have up to a million tensors. */
  private current: api.ModelDescription | undefined;

  private constructor(
    private readonly path: string,
    private model: ModelDescription,
    private readonly services: Services,
  ) {
    const events = services.sessions.onEvent(({ session, event }) => {
      const change = session.key === path ? changes[event.name] : undefined;
      if (change !== undefined) this.changed.fire(change);
    });
    // A server tells of no change.
    const files = isRemote(path) ? events : this.watch();
    this.listening = vscode.Disposable.from(events, files);
  }

  /** @param path the file that identifies it. @throws QuantscopeError for what is no model. */
  static async open(path: string, services: Services, signal: AbortSignal): Promise<ApiModel> {
    const packed = await services.engine.call('model/open', { path }, { signal });
    return new ApiModel(path, tabled(packed), services);
  }

  get uri(): vscode.Uri {
    return uriOf(this.path);
  }

  get description(): api.ModelDescription {
    return (this.current ??= descriptionOf(this.model));
  }

  get shownPlan(): api.Plan | undefined {
    const plan = this.services.sessions.known(this.path)?.plan;
    return plan && planOf(plan);
  }

  async statistics(tensor: string, token?: vscode.CancellationToken): Promise<api.TensorStatistics> {
    const { path, services } = this;
    return this.whileOpen(token, async (options) =>
      statisticsOf(await services.engine.call('tensor/analyse', { path, tensor }, options)),
    );
  }

  async sensitivities(token?: vscode.CancellationToken): Promise<api.TensorSensitivity[]> {
    const { path, model, services } = this;
    const params = storedParams({ path }, services.sensitivityDir, services.measuringOf(path, model.folder));
    const table = await this.whileOpen(token, (options) =>
      services.engine.call('sensitivity/stored', params, options),
    );
    return table ? sensitivitiesOf(table) : [];
  }

  async planFiles(token?: vscode.CancellationToken): Promise<vscode.Uri[]> {
    const { path, services } = this;
    const plans = await this.whileOpen(token, (options) =>
      services.engine.call('plan/list', { path }, options),
    );
    return plans.map(({ file }) => vscode.Uri.file(file));
  }

  async readPlan(file: vscode.Uri, token?: vscode.CancellationToken): Promise<api.Plan> {
    const { path, services } = this;
    const params = { path, planFile: file.fsPath };
    return this.whileOpen(token, async (options) =>
      planOf(await services.engine.call('plan/read', params, options)),
    );
  }

  async recommend(given: api.PlanGoal, options: api.RecommendOptions = {}): Promise<api.Plan> {
    const { path, services } = this;
    const { text, weightsOnly = false, onProgress, token } = options;
    const { engine, sensitivityDir, evidenceDir } = services;
    const params = {
      ...{ path, goal: goalOf(given), cacheDir: sensitivityDir, device: chosenDevice() },
      ...(text ? { text: text.fsPath } : {}),
      ...(weightsOnly ? { weightsOnly } : { optimised: { evidenceDir } }),
    };
    const progress = ({ message, done, total }: EngineProgress): void =>
      onProgress?.({ message, share: total > 0 ? Math.min(1, done / total) : 0 });
    const { plan } = await this.whileOpen(token, (call) =>
      engine.call('plan/recommend', params, { ...call, onProgress: progress }),
    );
    return planOf(plan);
  }

  dispose(): void {
    this.life.abort();
    this.listening.dispose();
    this.changed.dispose();
  }

  /** A request that ends with the token and with this object. */
  private whileOpen<T>(
    token: vscode.CancellationToken | undefined,
    request: (options: CallOptions) => Promise<T>,
  ): Promise<T> {
    return whileWanted(token, (signal) => request({ signal: AbortSignal.any([this.life.signal, signal]) }));
  }

  private watch(): vscode.Disposable {
    const plans = (file: string): void => {
      if (file.endsWith(planEnding)) this.changed.fire('plans');
    };
    const written = (file: string): void => {
      if (file === this.path || this.model.files.some(({ path }) => path === file)) void this.readAgain();
      else plans(file);
    };
    return watchFiles(vscode.Uri.file(this.model.folder), { written, removed: plans });
  }

  /** The last description stays where the files cannot be read: they may be written still. */
  private async readAgain(): Promise<void> {
    const { path, services } = this;
    const signal = this.readings.next(this.life.signal);
    try {
      const model = tabled(await services.engine.call('model/open', { path }, { signal }));
      if (signal.aborted) return;
      this.model = model;
    } catch (error) {
      if (!signal.aborted) services.log.warn(`${path} was changed: ${messageOf(error)}`);
      return;
    }
    this.current = undefined;
    this.changed.fire('files');
  }
}
