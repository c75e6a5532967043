import type { ModelRef } from '../protocol/model';
import type { ComparisonState, EditorState, ModelComparisonState } from '../protocol/editorState';
import { messageOf, type Engine } from './host';

/** What editors show, also those that open later. */
type ShownComparisons = Pick<EditorState, 'comparison' | 'modelComparison'>;

export interface ComparisonHooks {
  comparison(state: ComparisonState): void;
  modelComparison(state: ModelComparisonState): void;
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

  /** The whole model against another; progress is reported. */
  async compareWith(other: string, title: string): Promise<ModelComparisonState> {
    this.models?.abort();
    const controller = (this.models = new AbortController());
    const signal = AbortSignal.any([controller.signal, this.life]);
    let state: ModelComparisonState = { other };
    const show = (change: Partial<ModelComparisonState>): void => {
      state = { other, ...change };
      if (signal.aborted) return;
      this.shown = { ...this.shown, modelComparison: state };
      this.hooks.modelComparison(state);
    };
    show({});
    try {
      const params = { ...this.model(), other };
      const onProgress = (progress: NonNullable<ModelComparisonState['progress']>): void =>
        show({ progress });
      show({ result: await this.engine.call('model/compare', params, { signal, title, onProgress }) });
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
