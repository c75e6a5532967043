import { addSums, errorMetrics, noSums } from '../../analysis/metrics';
import type { Origin } from '../../files/digests/manifest';
import type { Inputs } from '../../files/inputs';
import { decodedTo, type LayoutWriter, type WrittenWeight } from '../../layouts/layout';
import { quantscope, savedMetadata } from '../../layouts/quantscope';
import { ggmlRowBytes } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import { loadNative } from '../../native';
import type { ErrorMetrics } from '../../protocol/analysis';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { Grid } from '../../protocol/grids';
import type { MethodResult } from '../../protocol/methods';
import type { TensorDescriptor } from '../../protocol/model';
import type { Recipe } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { formatById, formats } from '../../quant/catalogue';
import type { QuantFormat } from '../../quant/format';
import { writerNamed, writers } from '../../recipes/writers';
import { biasOf, keptRows } from '../checkpoint/keptRows';
import { originOf } from '../origin';
import { quantizeTensors } from '../quantizeTensors';
import { requireFinite } from '../requireFinite';
import { writeSafetensors, type SafetensorsGroup } from '../writeSafetensors';
import { blockSlabs, quantizeLayer, type LayerWork } from './layerSlabs';

/** What was written. */
export interface SavedLayer {
  /** Of the file. */
  readonly bytes: number;
  readonly error: ErrorMetrics;
}

type Layouts = MethodResult['layouts'];

/** Files that this program reads, and no runtime. */
const own: Layouts[number] = { id: quantscope.id, label: 'Quantscope (safetensors)' };

/** Layouts that can store a matrix as it would be quantized. */
export function layoutsFor(work: LayerWork): Layouts {
  const { target } = work;
  const owns = 'type' in target || catalogueFormat(work) ? [own] : [];
  if (!('grid' in target)) return owns;
  const weight = weightOf(work, target.grid);
  const fitting = writers.filter((writer) => writer.refuse(weight) === undefined);
  return [...fitting.map(({ id, label }) => ({ id, label })), ...owns];
}

/**
 * Writes one matrix, quantized by a method: a safetensors file of its parts in the layout of a runtime, with the bias of its layer where it has
 * one, or in our own.
 * @param layout id of one of `layoutsFor`.
 * @throws QuantscopeError REQUEST where the layout cannot store it; as `MatrixQuantizer`; as `writeSafetensors`.
 */
export async function saveLayer(
  work: LayerWork,
  layout: string,
  out: string,
  inputs: Inputs,
): Promise<SavedLayer> {
  const { target } = work;
  const format = layout === own.id ? catalogueFormat(work) : undefined;
  if (format) return saveFormat(work, format, out, inputs);
  if (layout === own.id && 'type' in target) return saveBlocks(work, target.type, out, inputs);
  const writer = writerNamed(layout);
  if (!writer)
    throw refused(work, said`There is no layout "${layout}" that stores ${target.name} by this method.`);
  if (!('grid' in target)) throw refused(work, said`${writer.label} does not store types of GGUF.`);
  return saveParts(work, target.grid, writer, out, inputs);
}

const refused = ({ tensor: { file, name } }: LayerWork, message: string): QuantscopeError =>
  new QuantscopeError('REQUEST', message, { file, tensor: name });

/** The format of the catalogue that rounding to a grid is. */
const catalogueFormat = ({ method, target }: LayerWork): QuantFormat | undefined =>
  method.id === 'rtn' ? formats.find(({ id }) => id === target.name) : undefined;

function weightOf({ tensor, method, options }: LayerWork, grid: Grid): WrittenWeight {
  const { rows, columns } = matrixOf(tensor.shape);
  const shape = [rows, columns] as const;
  return {
    ...{ name: tensor.name, shape, grid, dtype: tensor.dtype },
    ...(method.permutes?.({ grid, shape, options }) ? { permuted: true } : {}),
  };
}

const layerOrigin = ({ model, tensor, target, method }: LayerWork, layout: string): Origin =>
  originOf(model, 'layers', { tensor: tensor.name, target: target.name, method: method.id, layout });

const writing = ({ signal }: LayerWork, inputs: Inputs) => ({ inputs, ...(signal ? { signal } : {}) });

async function saveParts(
  work: LayerWork,
  grid: Grid,
  writer: LayoutWriter,
  out: string,
  inputs: Inputs,
): Promise<SavedLayer> {
  const { model, tensor, target, method } = work;
  const weight = weightOf(work, grid);
  const refusal = writer.refuse(weight);
  if (refusal !== undefined) throw refused(work, refusal);
  const rounding = decodedTo(writer, model.config);
  let [error, correction]: [ErrorMetrics | undefined, Float32Array | undefined] = [undefined, undefined];
  const matrix: SafetensorsGroup = {
    parts: writer.parts(weight),
    async fill(write) {
      const figures = await quantizeLayer({ ...work, decodedTo: rounding }, grid, (slabs) =>
        writer.encode(weight, slabs, write),
      );
      error = errorMetrics(figures.sums);
      correction = figures.biasCorrection;
    },
  };
  const bias = biasOfLayer(model, tensor);
  const groups = bias ? [matrix, biasGroup(work, bias, () => correction)] : [matrix];
  const recipe: Recipe = {
    ...{ version: 1, id: target.name, label: target.label, description: '', layout: writer.id },
    ...{ target: 'checkpoint', rules: [{ grid, method: { id: method.id } }] },
  };
  const written = { recipe, weights: [weight], kept: [], names: [tensor.name] };
  const metadata = { format: 'pt', ...writer.metadata?.(written) };
  const origin = layerOrigin(work, writer.id);
  const bytes = await writeSafetensors(out, groups, metadata, { origin, ...writing(work, inputs) });
  return { bytes, error: error ?? errorMetrics(noSums) };
}

/** Dtypes that a bias can be corrected in. */
const floats = ['F32', 'F16', 'BF16'];

/** The bias of a weight's layer, in a dtype that can hold a correction. */
export function biasOfLayer(
  { description }: Model,
  { name }: TensorDescriptor,
): TensorDescriptor | undefined {
  const bias = biasOf(name);
  return description.tensors.find((tensor) => tensor.name === bias && floats.includes(tensor.dtype));
}

/** @param correction what was found while the matrix was quantized. */
function biasGroup(
  { model, signal }: LayerWork,
  bias: TensorDescriptor,
  correction: () => Float32Array | undefined,
): SafetensorsGroup {
  const { name, dtype, shape } = bias;
  return {
    parts: [{ name, dtype, shape }],
    async fill(write) {
      for await (const { bytes } of keptRows(model, bias, { dtype, correction: correction(), signal }))
        await write(0, bytes);
    },
  };
}

/** As `quantizeTensors` writes a ggml type, so that both are read in the same way. */
async function saveBlocks(
  work: LayerWork,
  type: GgmlQuantType,
  out: string,
  inputs: Inputs,
): Promise<SavedLayer> {
  const { name, shape } = work.tensor;
  const { rows, columns } = matrixOf(shape);
  let sums = noSums;
  const group: SafetensorsGroup = {
    parts: [{ name, dtype: 'U8', shape: [rows, ggmlRowBytes(type, columns)] }],
    async fill(write) {
      await blockSlabs(work, type, async ({ original, decoded, blocks }) => {
        sums = addSums(sums, await loadNative().errorSums(original, decoded));
        requireFinite(sums, work.tensor, type);
        await write(0, blocks);
      });
    },
  };
  const metadata = { format: 'pt', ...savedMetadata([[work.tensor, formatById(type)]]) };
  const origin = layerOrigin(work, own.id);
  const bytes = await writeSafetensors(out, [group], metadata, { origin, ...writing(work, inputs) });
  return { bytes, error: errorMetrics(sums) };
}

async function saveFormat(
  work: LayerWork,
  format: QuantFormat,
  out: string,
  inputs: Inputs,
): Promise<SavedLayer> {
  const { model, tensor } = work;
  const { bytes, tensors } = await quantizeTensors(model, [{ tensor, format }], out, writing(work, inputs));
  return { bytes, error: tensors[0]!.result.error };
}
