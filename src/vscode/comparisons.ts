import * as l10n from '@vscode/l10n';
import { QuantscopeError } from '../model/errors';
import type { OtherModel } from '../protocol/compare';
import type { EngineProgress } from '../protocol/engine';
import type { AdapterRef, ModelRef } from '../protocol/model';
import type { ComparisonState, EditorState, ModelComparisonState } from '../protocol/editorState';
import { messageOf, type Engine } from './host';

/** What editors show, also those that open later. */
type ShownComparisons = Pick<EditorState, 'comparison' | 'modelComparison'>;

export interface ComparisonHooks {
  comparison(state: ComparisonState): void;
  modelComparison(state: ModelComparisonState): void;
  /** How far the last of these is, apart: its result so far may be that of many thousand tensors. */
  modelProgress(progress: EngineProgress): void;
}

/** How a comparison of models is cancelled, and tells how far it is. */
interface ComparisonCall {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EngineProgress) => void;
}

/** Comparisons that the editors of a model show: of tensors in formats, and with another model. A new one cancels the previous one. */
export class Comparisons {
  private tensors: AbortController | undefined;
  private models: AbortController | undefined;
  private shown: ShownComparisons = {};

  constructor(
    private readonly model: () => ModelRef,
    private readonly engine: Engine,
    private readonly hooks: ComparisonHooks,
    /** Fires when the model is released. */
    private readonly life: AbortSignal,
  ) {}

  /** The last comparison of each kind, in its current state. */
  get current(): ShownComparisons {
    return this.shown;
  }

  /** Errors of the tensors in the formats; results are reported one by one. */
  async compare(tensors: readonly string[], formats: readonly string[]): Promise<ComparisonState> {
    this.tensors?.abort();
    const controller = (this.tensors = new AbortController());
    const signal = AbortSignal.any([controller.signal, this.life]);
    let state: ComparisonState = { formats, tensors, results: [], done: false };
    const show = (change: Partial<ComparisonState>): void => {
      state = { ...state, ...change };
      if (signal.aborted) return;
      this.shown = { ...this.shown, comparison: state };
      this.hooks.comparison(state);
    };
    show({});
    try {
      for (const tensor of tensors) {
        const params = { ...this.model(), tensor, formats };
        const result = await this.engine.call('tensor/compare', params, { signal });
        show({ results: [...state.results, result] });
      }
      show({ done: true });
    } catch (error) {
      show({ done: true, error: messageOf(error) });
    }
    return state;
  }

  /** The whole model against another, with adapters merged into it; progress is reported. */
  compareWith(other: string, title: string, adapters?: readonly AdapterRef[]): Promise<ModelComparisonState> {
    const compared: OtherModel = { other, ...(adapters ? { otherAdapters: adapters } : {}) };
    return this.showing(compared, async (call) => ({
      result: await this.engine.call('model/compare', { ...this.model(), ...compared }, { ...call, title }),
    }));
  }

  /** The model that it was compared with, and a third: which of them is closer to this one. */
  async compareThird(third: string, title: string): Promise<ModelComparisonState> {
    const known = this.shown.modelComparison;
    if (!known?.result)
      throw new QuantscopeError(
        'REQUEST',
        l10n.t('There is no comparison yet that a third model could join.'),
      );
    const { other, otherAdapters, result } = known;
    const compared: OtherModel = { other, ...(otherAdapters ? { otherAdapters } : {}) };
    return this.showing({ ...compared, result, third }, async (call) => {
      const params = { ...this.model(), ...compared, third };
      return { three: await this.engine.call('model/compareThree', params, { ...call, title }) };
    });
  }

  /** Shows a state, its progress, and what is found or why nothing is. */
  private async showing(
    first: ModelComparisonState,
    work: (call: ComparisonCall) => Promise<Partial<ModelComparisonState>>,
  ): Promise<ModelComparisonState> {
    this.models?.abort();
    const controller = (this.models = new AbortController());
    const signal = AbortSignal.any([controller.signal, this.life]);
    let state = first;
    const keep = (change: Partial<ModelComparisonState>, tell: () => void): void => {
      state = { ...first, ...change };
      if (signal.aborted) return;
      this.shown = { ...this.shown, modelComparison: state };
      tell();
    };
    const show = (change: Partial<ModelComparisonState>): void =>
      keep(change, () => this.hooks.modelComparison(state));
    const onProgress = (progress: EngineProgress): void =>
      keep({ progress }, () => this.hooks.modelProgress(progress));
    show({});
    try {
      show(await work({ signal, onProgress }));
    } catch (error) {
      show({ error: messageOf(error) });
    }
    return state;
  }

  /** Cancels both and forgets them: their model has changed. */
  reset(): void {
    this.tensors?.abort();
    this.models?.abort();
    this.shown = {};
  }
}
