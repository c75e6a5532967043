import type { PlanInfluences } from '../../ampq/planSwaps';
import { ggufView } from '../../architectures/ggufView';
import { meanOverWindows, valuesOfWindows } from '../../evaluation/pairedWindows';
import { quantiles, share } from '../../evaluation/statistics';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import type { KeptBlocks } from '../../exporter/codes/keptBlocks';
import type { WeightChanges } from '../../graph/transformer/weights';
import { reason } from '../../model/byteSource';
import { imatrixHash, type Imatrix } from '../../model/imatrix';
import { contentKey } from '../../model/identity';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import type { JointFigures } from '../../protocol/certificate';
import type { CertifyParams } from '../../protocol/evaluation';
import type { EngineProgress } from '../../protocol/engine';
import type { UsedCodes } from '../../protocol/plan';
import { said } from '../../protocol/said';
import { versionsOf } from '../../quant/algorithms';
import type { JobContext } from '../job';
import { encodedOnce } from './encodedOnce';
import { JointStore, type JointTokens } from './jointStore';
import { measureChanges } from './measureGains';
import type { PlannedVariant } from './plannedVariant';
import { ResultStore } from './resultStore';
import type { PlannedText, RunDevice } from './runPlan';
import { evaluateText } from './textRun';

/** What all variants that are compared with each other have in common. */
export interface JointSettings {
  readonly model: Model;
  readonly params: CertifyParams;
  readonly text: PlannedText;
  readonly tokenizer: TextTokenizer;
  readonly where: RunDevice;
  /** What variants are encoded with. */
  readonly imatrix?: Imatrix | undefined;
  /** What optimised codes were found over. */
  readonly codes?: UsedCodes | undefined;
  /** Of tensors in the formats of variants, which have most of them in common. */
  readonly blocks: KeptBlocks;
}

/** Scored tokens of each window of a text. */
export const scoredTokens = ({ windows }: Pick<PlannedText, 'windows'>): number[] =>
  windows.map(({ targets }) => targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0));

/** Runs a model with all of its tensors changed over a text, for one variant after the other; what was measured before is read. */
export class JointRuns {
  private readonly kept: JointStore;
  private readonly bases: ResultStore;
  private problem: string | undefined;

  /** @param folder where measurements and the states of the original are kept. */
  constructor(
    private readonly settings: JointSettings,
    folder: string,
    private readonly context: JobContext,
  ) {
    this.kept = new JointStore(folder);
    this.bases = new ResultStore(folder);
  }

  /** Why a measurement is not kept; undefined where all are. */
  get notKept(): string | undefined {
    return this.problem;
  }

  /** Scored tokens of each window. */
  get counts(): number[] {
    return scoredTokens(this.settings.text);
  }

  /** Measures variants in their order. @throws QuantscopeError as `evaluateText`. */
  async measure(variants: readonly PlannedVariant[]): Promise<JointTokens[]> {
    const { scoredTokens } = this.settings.text.plan;
    const found = await Promise.all(
      variants.map((variant) => this.kept.find(this.keyOf(variant), scoredTokens)),
    );
    const missing = found.filter((tokens) => tokens === undefined).length;
    const results: JointTokens[] = [];
    let done = 0;
    for (const [i, variant] of variants.entries())
      results.push(found[i] ?? (await this.run(variant, { done: done++, total: missing })));
    return results;
  }

  /**
   * What each tensor that a variant changes does beside all others, over some of the windows of the text: the divergence with all changes, and
   * without that of one.
   * @param windows indices of windows.
   * @throws QuantscopeError as `evaluateText`.
   */
  async around(variant: PlannedVariant, windows: readonly number[]): Promise<PlanInfluences> {
    const { model, text, where, params } = this.settings;
    const names = [...variant.changes.keys()];
    const key = JSON.stringify(['around', this.keyOf(variant), windows]);
    const known = await this.kept.findValues(key, 1 + names.length);
    if (known) return influencesOf(names, known);
    const { signal } = this.context;
    const progress = (of: EngineProgress): void =>
      this.context.progress({ ...of, message: said`around ${variant.label}: ${of.message}` });
    const found = await measureChanges(
      model,
      { length: text.plan.context, windows: windows.map((at) => text.windows[at]!) },
      new Map(names.map((name) => [name, undefined])),
      {
        ...{ device: where.device, around: await this.encodedOnce(variant) },
        roundInputs: params.roundActivations ?? false,
      },
      { signal, progress },
    );
    const values = Float64Array.of(found.together!, ...names.map((name) => found.byTensor.get(name)!));
    await this.keep(this.kept.addValues(key, [values]));
    return influencesOf(names, values);
  }

  /** The changes of a variant, with the codes that llama.cpp's encoders have found for another one. */
  private async encodedOnce({ changes }: PlannedVariant): Promise<WeightChanges> {
    const { model, blocks: kept } = this.settings;
    const { signal } = this.context;
    const shapes = new Map((await ggufView(model)).tensors.map(({ name, shape }) => [name, shape]));
    const columns = (tensor: string): number => matrixOf(shapes.get(tensor)!).columns;
    return encodedOnce(changes, { kept, columns, signal });
  }

  private async keep(adding: Promise<void>): Promise<void> {
    await adding.catch((error: unknown) => {
      this.problem = reason(error);
    });
  }

  private async run(
    variant: PlannedVariant,
    place: { readonly done: number; readonly total: number },
  ): Promise<JointTokens> {
    const { model, params, tokenizer, where, text } = this.settings;
    const { signal } = this.context;
    const progress = (of: EngineProgress): void => this.context.progress(inAll(of, variant.label, place));
    const { context: length, windows, roundActivations, memory } = params;
    const run = {
      ...{ model, where, store: this.bases, context: { signal, progress } },
      variant: { ...variant, changes: await this.encodedOnce(variant) },
      params: {
        ...{ path: params.path, cacheDir: params.cacheDir, device: params.device },
        ...(length === undefined ? {} : { context: length }),
        ...(windows === undefined ? {} : { windows }),
        ...(roundActivations === undefined ? {} : { roundActivations }),
        ...(memory === undefined ? {} : { memory }),
      },
    };
    const { scores } = await evaluateText(run, model, text.file, tokenizer);
    const { divergences, sameTop } = scores.divergences!;
    const tokens = { divergences, sameTop };
    await this.keep(this.kept.add(this.keyOf(variant), tokens));
    return tokens;
  }

  /** Everything that the result depends on. */
  private keyOf({ changes, algorithms, model: changed }: PlannedVariant): string {
    const { model, text, where, params, imatrix, codes } = this.settings;
    return JSON.stringify({
      of: [contentKey(model.description), text.hash, where.device, params.roundActivations ?? false],
      changes: [...changes].map(([name, { format, importance, replace }]) => [
        ...[name, format.id, importance !== undefined, replace !== undefined],
      ]),
      ...(changed ? { weights: contentKey(changed.description) } : {}),
      by: [imatrix && imatrixHash(imatrix), codes?.method, codes?.hash],
      versions: versionsOf(['states', 'divergences', 'evidence', ...algorithms]),
    });
  }
}

/** @param values with all changes, and without that of each tensor. */
const influencesOf = (names: readonly string[], values: Float64Array): PlanInfluences => ({
  together: values[0]!,
  without: new Map(names.map((name, i) => [name, values[i + 1]!])),
});

/** The progress of one of several runs, as that of all. */
function inAll(
  { message, done, total, device, curve }: EngineProgress,
  label: string,
  place: { readonly done: number; readonly total: number },
): EngineProgress {
  return {
    message: said`${label} (${place.done + 1} of ${place.total}): ${message}`,
    ...{ done: place.done * total + done, total: place.total * total },
    ...(device === undefined ? {} : { device }),
    ...(curve === undefined ? {} : { curve }),
  };
}

/** The tokens of some windows. @param counts scored tokens of all windows. */
export const tokensOf = (
  { divergences, sameTop }: JointTokens,
  counts: readonly number[],
  windows: readonly number[],
): JointTokens => ({
  divergences: valuesOfWindows(divergences, counts, windows),
  sameTop: valuesOfWindows(sameTop, counts, windows),
});

/** @param counts scored tokens of each window. */
export function jointFigures({ divergences, sameTop }: JointTokens, counts: readonly number[]): JointFigures {
  const [median, percentile99] = quantiles(divergences, [0.5, 0.99]);
  return {
    mean: meanOverWindows(divergences, counts),
    ...{ median: median!, percentile99: percentile99!, sameTopToken: share(sameTop).value },
  };
}
