import { TensorReader } from '../../analysis/tensorReader';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { loadNative, type TensorRange } from '../../native';
import type { LensFacts, LensRecipe, LensRow, TensorLens } from '../../protocol/lens';
import type { TensorDescriptor } from '../../protocol/model';
import type { EvidenceKind, MethodOptions } from '../../protocol/recipe';
import { methodEvidence } from '../../quant/evidence';
import type { Method } from '../../quant/methods/method';
import { checkedOptions } from '../../quant/methods/options';
import { isHeld, withHeld } from './heldTensor';
import { inputsMeasured, sampledOutputs, type KnownInputs } from './knownInputs';
import type { LayerTarget } from './layerTarget';
import { measureAlone, measureTogether, roundsAlone, type LensWork } from './lensRows';
import { refusalOf } from './refusal';

/** Bins of the histograms. */
const bins = 160;

/** A recipe of the request. */
export interface LensChoice {
  readonly target: LayerTarget;
  readonly method: Method;
}

export interface LensOptions {
  readonly known?: KnownInputs | undefined;
  readonly options?: Readonly<Record<string, MethodOptions>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What all rows share, before the first of them. */
  readonly onFacts?: ((facts: LensFacts) => void) | undefined;
  /** Each row as soon as it is known; one with a `share` is reported again. */
  readonly onRow?: ((row: LensRow) => void) | undefined;
  /** A row that is known from earlier. */
  readonly kept?: ((recipe: LensRecipe) => LensRow | undefined) | undefined;
  /** Weights that were quantized, of those of all recipes. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * A tensor by several recipes: error and size, and where calibration kept inputs the error of the outputs. Nothing is written. A tensor of at
 * most 128 MiB is read once, and its recipes are measured one after the other; a larger one is read slab by slab once for all recipes that
 * round rows on their own, whose rows are of a part of it until the end, and again for each that does not.
 * @throws QuantscopeError REQUEST for an empty tensor, MODEL_FILE naming the first weight that is not finite, UNSUPPORTED, IO, CANCELLED. A
 * recipe that fails is a row that says why.
 */
export async function tensorLens(
  model: Model,
  tensor: TensorDescriptor,
  choices: readonly LensChoice[],
  given: LensOptions = {},
): Promise<TensorLens> {
  const { known, options = {}, signal, onFacts, onRow, onProgress, kept } = given;
  const held = withHeld(model, tensor);
  const reader = new TensorReader(held, tensor, { holds: false });
  if (reader.elements === 0)
    throw new QuantscopeError('REQUEST', 'The tensor has no weights.', {
      ...{ file: tensor.file, tensor: tensor.name },
    });
  const { facts, range } = await factsOf(reader, tensor, known, signal);
  onFacts?.(facts);
  const rows = new Map<LensChoice, LensRow>();
  const add = (choice: LensChoice, row: Omit<LensRow, keyof LensRecipe>): void => {
    const found = { grid: choice.target.name, method: choice.method.id, ...row };
    rows.set(choice, found);
    onRow?.(found);
  };
  const sampled = await sampledOutputs(held, tensor, known, signal);
  const isMeasured = await inputsMeasured(tensor, known, signal);
  const works: { choice: LensChoice; work: LensWork }[] = [];
  for (const choice of choices) {
    const { target, method } = choice;
    const earlier = kept?.({ grid: target.name, method: method.id });
    const checked = checkedOptions(method, options[method.id]);
    const layer = { model: held, tensor, target, method, options: checked, evidence: known?.source, signal };
    const why = earlier ?? impossible(layer, known, isMeasured);
    if (why) add(choice, why);
    else works.push({ choice, work: { ...layer, reader, range, bins, sampled } });
  }
  const total = works.length * reader.elements;
  let done = 0;
  const onWeights = (weights: number): void => onProgress?.((done += weights), total);
  const together = isHeld(tensor) ? [] : works.filter(({ work }) => roundsAlone(work));
  await measureTogether(
    together.map(({ choice, work }) => ({ work, onRow: (row) => add(choice, row) })),
    reader,
    { signal, onWeights },
  );
  for (const { choice, work } of works.filter((item) => !together.includes(item)))
    add(choice, await measureAlone({ ...work, onWeights }));
  return { ...facts, rows: choices.map((choice) => rows.get(choice)!) };
}

/** Why there is no result, where that is known before any weight is quantized. */
function impossible(
  work: Pick<LensWork, 'method' | 'target' | 'tensor' | 'options'>,
  known: KnownInputs | undefined,
  isMeasured: boolean,
): { refused: string } | { missing: EvidenceKind } | undefined {
  const refused = refusalOf(work);
  if (refused !== undefined) return { refused };
  const needed = methodEvidence(work.method, work.options);
  if (needed === 'none') return undefined;
  if (!known?.stored.kinds.includes(needed)) return { missing: needed };
  return isMeasured ? undefined : { refused: 'Calibration does not measure the inputs of this tensor.' };
}

async function factsOf(
  reader: TensorReader,
  tensor: TensorDescriptor,
  known: KnownInputs | undefined,
  signal: AbortSignal | undefined,
): Promise<{ facts: LensFacts; range: TensorRange }> {
  const range = await reader.range({ signal });
  const counts = new Array<number>(bins).fill(0);
  for await (const { values } of reader.values(signal))
    (await loadNative().histogram(values, range.min, range.max, bins)).forEach(
      (count, bin) => (counts[bin]! += count),
    );
  const facts = {
    ...{ tensor: tensor.name, sourceBytes: tensor.byteLength, histogram: { ...range, counts } },
    ...(known ? { evidence: known.stored } : {}),
  };
  return { facts, range };
}
