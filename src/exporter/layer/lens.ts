import { TensorReader } from '../../analysis/tensorReader';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { loadNative, type TensorRange } from '../../native';
import type { LensFacts, LensRecipe, LensRow, TensorLens } from '../../protocol/lens';
import type { TensorDescriptor } from '../../protocol/model';
import type { EvidenceKind, MethodOptions } from '../../protocol/recipe';
import { said } from '../../protocol/said';
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
  const { known, signal, onFacts, onRow, onProgress } = given;
  const held = withHeld(model, tensor);
  const reader = readerOf(held, tensor);
  const { facts, range } = await factsOf(reader, tensor, known, signal);
  onFacts?.(facts);
  const rows = new Map<LensChoice, LensRow>();
  const add = (choice: LensChoice, row: Found): void => {
    const found = { grid: choice.target.name, method: choice.method.id, ...row };
    rows.set(choice, found);
    onRow?.(found);
  };
  const shared: SharedWork = {
    ...{ model: held, tensor, reader, range, bins, evidence: known?.source, signal },
    sampled: await sampledOutputs(held, tensor, known, signal),
  };
  const isMeasured = await inputsMeasured(tensor, known, signal);
  const works = choices.flatMap((choice): { choice: LensChoice; work: LensWork }[] => {
    const { row, work } = begun(choice, shared, isMeasured, given);
    if (row) add(choice, row);
    return work ? [{ choice, work }] : [];
  });
  let done = 0;
  const onWeights = (weights: number): void =>
    onProgress?.((done += weights), works.length * reader.elements);
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

type Found = Omit<LensRow, keyof LensRecipe>;
type SharedWork = Omit<LensWork, 'target' | 'method' | 'options'>;

function readerOf(model: Model, tensor: TensorDescriptor): TensorReader {
  const reader = new TensorReader(model, tensor, { holds: false });
  if (reader.elements > 0) return reader;
  throw new QuantscopeError('REQUEST', said`The tensor has no weights.`, {
    ...{ file: tensor.file, tensor: tensor.name },
  });
}

/** The row of a recipe where it is known at once, else what has to be measured. */
function begun(
  { target, method }: LensChoice,
  shared: SharedWork,
  isMeasured: boolean,
  { kept, known, options = {} }: LensOptions,
): { readonly row?: Found; readonly work?: LensWork } {
  const earlier = kept?.({ grid: target.name, method: method.id });
  if (earlier) return { row: earlier };
  const work = { ...shared, target, method, options: checkedOptions(method, options[method.id]) };
  const why = impossible(work, known, isMeasured);
  return why ? { row: why } : { work };
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
  return isMeasured ? undefined : { refused: said`Calibration does not measure the inputs of this tensor.` };
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
