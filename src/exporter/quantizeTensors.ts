import { addSums, errorMetrics, noSums } from '../analysis/metrics';
import { TensorReader, type TensorSlab, type TensorWork } from '../analysis/tensorReader';
import type { Inputs } from '../files/inputs';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { savedMetadata } from '../layouts/quantscope';
import { savedBytes, savedParts } from '../layouts/quantscopeParts';
import { loadNative, type ErrorSums, type TensorRange } from '../native';
import type { FormatError } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { BadWeightError } from '../quant/badWeight';
import type { QuantFormat } from '../quant/format';
import { originOf } from './origin';
import { requireFinite } from './requireFinite';
import { writeSafetensors, type SafetensorsGroup } from './writeSafetensors';
import { decodeEncoded, encodeIn } from '../quant/codec';

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
 * Quantizes tensors, each to its format, into a new safetensors file in the layout `quantscope`. Each tensor is read once,
 * and measured while it is encoded; a tensor of more than 128 MiB twice where its scale is that of the whole tensor. Memory is bounded
 * by a slab. Progress is reported in weights.
 * @throws QuantscopeError REQUEST when the format does not fit a tensor or its weights are too large for it, MODEL_FILE naming the first weight that is not finite, IO.
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
    parts: savedParts(tensor, format.scheme),
    async fill(write) {
      const work = new Encoding(new TensorReader(model, tensor), tensor, format, write, signal);
      sums.set(tensor, await work.run((weights) => onProgress?.((done += weights), total)));
    },
  }));
  const saved = savedMetadata(choices.map(({ tensor, format }) => [tensor, format] as const));
  const metadata = { format: 'pt', ...saved };
  const formats = Object.fromEntries(choices.map(({ tensor, format }) => [tensor.name, format.id]));
  const origin = originOf(model, 'layers', { formats });
  const options = { origin, ...(signal ? { signal } : {}), ...(inputs ? { inputs } : {}) };
  const bytes = await writeSafetensors(out, groups, metadata, options);
  return {
    bytes,
    tensors: choices.map(({ tensor, format }) => ({
      tensor: tensor.name,
      result: resultOf(tensor, format, sums.get(tensor)!),
    })),
  };
}

function resultOf({ shape }: TensorDescriptor, format: QuantFormat, sums: ErrorSums): FormatError {
  return {
    format: format.id,
    bytes: format.bytes(shape),
    bitsPerWeight: format.bitsPerWeight(shape),
    error: errorMetrics(sums),
  };
}

/** Encodes one tensor slab by slab, and sums the errors. */
class Encoding {
  private sums = noSums;

  constructor(
    private readonly reader: TensorReader,
    private readonly tensor: TensorDescriptor,
    private readonly format: QuantFormat,
    private readonly write: (part: number, bytes: Uint8Array) => Promise<void>,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async run(onWeights: (weights: number) => void): Promise<ErrorSums> {
    const { reader, signal } = this;
    const range = this.format.needsRange ? await reader.range({ signal }) : { min: NaN, max: NaN };
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
    const { reader, format, signal } = this;
    const { values, columns, firstWeight } = slab;
    const encoded = await encodeIn(format, values, columns, range, { signal }).catch((error: unknown) => {
      throw error instanceof BadWeightError ? reader.badWeight(slab, error.bad) : error;
    });
    const decoded = await decodeEncoded(encoded, signal);
    this.sums = addSums(this.sums, await loadNative().errorSums(values, decoded));
    requireFinite(this.sums, this.tensor, format.id);
    for (const [part, bytes] of (await savedBytes(encoded, firstWeight === 0)).entries())
      if (bytes) await this.write(part, bytes);
  }
}
