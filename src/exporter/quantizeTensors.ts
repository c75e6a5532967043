import { addSums, errorMetrics, noSums } from '../analysis/metrics';
import { TensorReader, type TensorSlab, type TensorWork } from '../analysis/tensorReader';
import type { Inputs } from '../files/inputs';
import { needsTensorRange } from '../graph/fakeQuant';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { matrixOf } from '../model/rows';
import { savedTensorsKey, scaleSuffix, zeroSuffix, type SavedTensor } from '../layouts/quantscope';
import { loadNative, type ErrorSums, type TensorRange } from '../native';
import type { FormatError } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import type { QuantFormat } from '../quant/format';
import { rowLayout } from '../quant/layout';
import { allocateRows } from '../quant/schemeFormat';
import { writeSafetensors, type SafetensorsGroup } from './writeSafetensors';

/** A tensor and the format that it gets. */
export interface QuantizeChoice {
  readonly tensor: TensorDescriptor;
  readonly format: QuantFormat;
}

export interface QuantizedTensors {
  /** Of the file. */
  readonly bytes: number;
  readonly tensors: readonly { readonly tensor: string; readonly result: FormatError }[];
}

/**
 * Quantizes tensors, each to its format, into a new safetensors file: `NAME`, `NAME_scale` and `NAME_zero` as the format has them; its
 * metadata says how to read them. Each tensor is read once,
 * and measured while it is encoded; a tensor of more than 128 MiB twice where its scale is that of the whole tensor. Memory is bounded
 * by a slab. Progress is reported in weights.
 * @throws QuantscopeError REQUEST when the format does not fit a tensor, MODEL_FILE naming the first weight that is not finite, IO.
 */
export async function quantizeTensors(
  model: Model,
  choices: readonly QuantizeChoice[],
  out: string,
  { inputs, signal, onProgress }: TensorWork & { readonly inputs?: Inputs } = {},
): Promise<QuantizedTensors> {
  for (const { tensor, format } of choices) {
    const { shape, file, name } = tensor;
    const refusal = format.refuse(shape);
    if (refusal !== undefined) throw new QuantscopeError('REQUEST', refusal, { file, tensor: name });
  }
  const total = choices.reduce((sum, { tensor }) => sum + tensor.elements, 0);
  const sums = new Map<TensorDescriptor, ErrorSums>();
  let done = 0;
  const groups = choices.map(({ tensor, format }): SafetensorsGroup => ({
    parts: partsOf(tensor, format),
    async fill(write) {
      const work = new Encoding(new TensorReader(model, tensor), format, write, signal);
      sums.set(tensor, await work.run((weights) => onProgress?.((done += weights), total)));
    },
  }));
  const metadata = {
    format: 'pt',
    [savedTensorsKey]: JSON.stringify(Object.fromEntries(choices.map(savedEntry))),
  };
  const options = { ...(signal ? { signal } : {}), ...(inputs ? { inputs } : {}) };
  const bytes = await writeSafetensors(out, groups, metadata, options);
  return {
    bytes,
    tensors: choices.map(({ tensor, format }) => ({
      tensor: tensor.name,
      result: resultOf(tensor, format, sums.get(tensor)!),
    })),
  };
}

/** How a reader finds the tensor again. */
function savedEntry({ tensor, format }: QuantizeChoice): [string, SavedTensor] {
  const { scheme, id } = format;
  const type = scheme.kind === 'ggml' ? { type: scheme.type } : {};
  return [tensor.name, { format: id, ...type, shape: tensor.shape }];
}

function resultOf({ shape }: TensorDescriptor, format: QuantFormat, sums: ErrorSums): FormatError {
  return {
    format: format.id,
    bytes: format.bytes(shape),
    bitsPerWeight: format.bitsPerWeight(shape),
    error: errorMetrics(sums),
  };
}

/** Parts of a quantized tensor in the order of the file. */
type PartName = 'codes' | 'scales' | 'zeros';
const partNames: readonly PartName[] = ['codes', 'scales', 'zeros'];

/** The tensors that a format writes for one. */
function partsOf({ name, shape }: TensorDescriptor, { scheme }: QuantFormat): SafetensorsGroup['parts'] {
  const { rows, columns } = matrixOf(shape);
  const layout = rowLayout(scheme, columns);
  const sameShape = layout.codesPerRow === columns;
  const parameters = { dtype: 'F32', shape: layout.groups === 0 ? [1] : [rows, layout.groups] };
  return [
    { name, dtype: layout.codeDtype, shape: sameShape ? shape : [rows, layout.codesPerRow] },
    ...(layout.hasScales ? [{ name: `${name}${scaleSuffix}`, ...parameters }] : []),
    ...(layout.hasZeros ? [{ name: `${name}${zeroSuffix}`, ...parameters }] : []),
  ];
}

/** Encodes one tensor slab by slab, and sums the errors. */
class Encoding {
  private sums = noSums;

  constructor(
    private readonly reader: TensorReader,
    private readonly format: QuantFormat,
    private readonly write: (part: number, bytes: Uint8Array) => Promise<void>,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async run(onWeights: (weights: number) => void): Promise<ErrorSums> {
    const { reader, signal } = this;
    const needsRange = needsTensorRange(this.format.scheme);
    const range = needsRange ? await reader.range({ signal }) : { min: NaN, max: NaN };
    for await (const slab of reader.values(signal)) {
      throwIfCancelled(signal);
      await this.encode(slab, range);
      onWeights(slab.weights);
    }
    return this.sums;
  }

  private async encode(
    slab: TensorSlab & { readonly values: Float32Array },
    range: TensorRange,
  ): Promise<void> {
    const { scheme } = this.format;
    const { values, columns, weights, firstWeight } = slab;
    const native = loadNative();
    const encoded = allocateRows(scheme, weights / columns, columns);
    const bad = await native.encodeRows(scheme, values, columns, range, encoded, this.signal);
    if (bad) throw this.reader.badWeight(slab, bad);
    const decoded = new Float32Array(weights);
    await native.decodeRows(scheme, encoded, columns, decoded, this.signal);
    this.sums = addSums(this.sums, await native.errorSums(values, decoded));
    const isShared = rowLayout(scheme, columns).groups === 0;
    for (const [part, name] of partNames.entries()) {
      const data = encoded[name];
      if (!data || (name !== 'codes' && isShared && firstWeight > 0)) continue; // one scale serves all slabs
      await this.write(part, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  }
}
