import { ggufView } from '../../architectures/ggufView';
import { foldsOf, FoldedTensors, TransformBuilder, type Fold, type FoldedRows } from '../../evaluation/folds';
import { openDecoder } from '../../graph/transformer/openDecoder';
import { allWeights } from '../../layouts/changedModel';
import { rounded } from '../../layouts/parts';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import type { EvidenceSource } from '../../quant/evidence';
import { wholeRows } from '../../quant/grids/groups';
import type { ScaledMatrix } from '../../quant/methods/method';
import { requireInputs } from '../../quant/methods/required';
import type { WeightTransforms } from '../../quant/transforms';
import type { RecipePlan, PlannedMatrix } from './plan';
import { readRows } from './readRows';

export interface FoldOptions {
  readonly signal?: AbortSignal | undefined;
  /** After each group of matrices with the same input. */
  readonly onStep?: ((done: number, total: number) => void) | undefined;
}

/** Matrices of a fold whose method scales columns, and the rows of the checkpoint that the fold changes. */
interface Search {
  readonly matrices: readonly PlannedMatrix[];
  readonly givers: readonly FoldedRows[];
  readonly users: readonly FoldedRows[];
}

/**
 * Scales of columns as the methods of a plan want them, and the divisors of the weights that give the inputs of these columns. All scales are
 * found on the original weights. Matrices whose input nothing can be divided for (queries share values, a norm is missing) have none.
 * @throws QuantscopeError UNSUPPORTED for an architecture whose forward pass is not known, REQUEST where evidence is missing, CANCELLED.
 */
export async function foldedScales(
  model: Model,
  { tensors }: Pick<RecipePlan, 'tensors'>,
  evidence: EvidenceSource,
  { signal, onStep }: FoldOptions = {},
): Promise<WeightTransforms> {
  const scaled = new Map(
    tensors.flatMap(({ tensor, matrix }) =>
      matrix?.method.columnScales ? [[tensor.name, matrix] as const] : [],
    ),
  );
  const builder = new TransformBuilder();
  if (scaled.size === 0) return builder.transforms();
  const decoder = await openDecoder(model, { device: 'ort-cpu', length: 1, keep: false });
  await decoder.close();
  const places = new FoldedTensors(await ggufView(model));
  const searches = foldsOf(decoder.shape).flatMap((fold) => searchOf(fold, places, scaled));
  const dtypes = new Map(tensors.map(({ tensor, parts }) => [tensor.name, parts[0]!.dtype]));
  for (const [done, { matrices, givers, users }] of searches.entries()) {
    throwIfCancelled(signal);
    const [{ method, options }] = matrices as [PlannedMatrix];
    const inputs = await Promise.all(matrices.map((matrix) => scaledMatrix(model, matrix, evidence, signal)));
    const wanted = await method.columnScales!(inputs, options, signal);
    builder.add(givers, users, await storableFactors(model, givers, wanted, dtypes, signal));
    onStep?.(done + 1, searches.length);
  }
  return builder.transforms();
}

function searchOf(
  fold: Fold,
  places: FoldedTensors,
  scaled: ReadonlyMap<string, PlannedMatrix>,
): readonly Search[] {
  const givers = places.giversOf(fold);
  const found = fold.users.map((user) => places.rowsOf(user));
  if (!givers || found.some((rows) => rows === undefined)) return [];
  const users = found.flatMap((rows) => rows!);
  const names = [...new Set(users.map(({ tensor }) => tensor))];
  const matrices = names.flatMap((name) => scaled.get(name) ?? []);
  return matrices.length === 0 ? [] : [{ matrices, givers, users }];
}

/**
 * The factors nearest to those wanted that a norm can be divided by without rounding in its dtype: a norm in BF16 would otherwise be off by up to
 * 0.4 % in each channel, which is more than 8 bits lose.
 */
async function storableFactors(
  model: Model,
  givers: readonly FoldedRows[],
  wanted: Float32Array,
  dtypes: ReadonlyMap<string, string>,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const [giver] = givers;
  const dtype = dtypes.get(giver?.tensor ?? '');
  if (givers.length !== 1 || giver!.shape.length !== 1 || (dtype !== 'F16' && dtype !== 'BF16'))
    return wanted;
  const { offset = 0 } = giver!;
  const norm = await allWeights(model, model.tensor(giver!.tensor), undefined, signal);
  const divided = norm.map((value, i) => (value + offset) / wanted[i]! - offset);
  await rounded(divided, dtype, signal);
  return wanted.map((factor, i) => {
    const exact = (norm[i]! + offset) / (divided[i]! + offset);
    return Number.isFinite(exact) && exact > 0 ? exact : factor;
  });
}

async function scaledMatrix(
  model: Model,
  { weight, method }: PlannedMatrix,
  evidence: EvidenceSource,
  signal: AbortSignal | undefined,
): Promise<ScaledMatrix> {
  const { columns, rows } = matrixOf(weight.shape);
  const found = await evidence.for(weight.name, method.evidence, { signal });
  const inputs = requireInputs({ name: weight.name, shape: [rows, columns], evidence: found }, method.label);
  const tensor = model.tensor(weight.name);
  const multiple = wholeRows(weight.grid, columns);
  return {
    ...{ grid: weight.grid, columns, inputs },
    weights: async function* (readSignal) {
      for await (const { values } of readRows(model, tensor, { wholeRows: multiple, signal: readSignal }))
        yield values;
    },
  };
}
