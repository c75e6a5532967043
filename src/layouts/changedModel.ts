import { suggestion } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import { readAs } from '../model/rows';
import { loadNative } from '../native';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { applyTransform, type TensorTransform } from '../quant/transforms';

/** A tensor whose weights are computed from those of the model. */
export interface ChangedTensor {
  /** What lists show as its dtype; not the name of a dtype of safetensors or a type of ggml. */
  readonly dtype: string;
  /** Bytes that it would take as stored. */
  readonly byteLength: number;
  /** All of its weights. */
  values(signal?: AbortSignal): Promise<Float32Array>;
}

/** Changed tensors whose weights are kept for further reads of parts of them. */
const keptTensors = 2;

/**
 * A model in which some tensors have other weights, which read as float32 like those that a layout decodes. Whatever takes a model takes this
 * one: the forward pass, comparisons, exports. Nothing of it is on disk; closing it leaves the original open.
 * @param changes by the tensors' names.
 */
export function changedModel(model: Model, changes: ReadonlyMap<string, ChangedTensor>): Model {
  const tensors = model.description.tensors.map((tensor) => {
    const change = changes.get(tensor.name);
    return change ? changedDescriptor(tensor, change) : tensor;
  });
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const computed = new ComputedTensors(changes);
  const readInto: Model['readInto'] = async (tensor, offset, target, signal) => {
    if (!changes.has(tensor.name)) return model.readInto(tensor, offset, target, signal);
    const values = await computed.of(tensor.name, signal);
    target.set(new Uint8Array(values.buffer, values.byteOffset + offset, target.length));
  };
  return {
    ...model,
    description: {
      ...model.description,
      tensors,
      dataBytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    },
    tensor(name) {
      const tensor = byName.get(name);
      if (tensor) return tensor;
      const message = said`The model has no such tensor.${suggestion(name, byName.keys())}`;
      throw new QuantscopeError('REQUEST', message, { file: model.description.path, tensor: name });
    },
    async read(tensor, offset, length, signal) {
      const bytes = new Uint8Array(length);
      await readInto(tensor, offset, bytes, signal);
      return bytes;
    },
    readInto,
    close: () => Promise.resolve(),
  };
}

function changedDescriptor(tensor: TensorDescriptor, { dtype, byteLength }: ChangedTensor): TensorDescriptor {
  const { name, shape, file, offset } = tensor;
  const part = {
    role: 'original',
    name,
    dtype: tensor.dtype,
    shape,
    file,
    offset,
    byteLength: tensor.byteLength,
  };
  return { ...tensor, dtype, byteLength, stored: { layout: 'changed', parts: [part] } };
}

/** Weights of the tensors that were read last. Readers of a tensor wait for one computation of it. */
class ComputedTensors {
  private kept: { readonly name: string; readonly values: Promise<Float32Array> }[] = [];

  constructor(private readonly changes: ReadonlyMap<string, ChangedTensor>) {}

  of(name: string, signal: AbortSignal | undefined): Promise<Float32Array> {
    const found = this.kept.find((item) => item.name === name);
    const item = found ?? { name, values: this.changes.get(name)!.values(signal) };
    this.kept = [...this.kept.filter((other) => other !== item).slice(-(keptTensors - 1)), item];
    if (!found) item.values.catch(() => (this.kept = this.kept.filter((other) => other !== item)));
    return item.values;
  }
}

/** All weights of a tensor as float32, transformed where there is a transform. */
export async function allWeights(
  model: Model,
  tensor: TensorDescriptor,
  transform?: TensorTransform,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { dtype, bytes } = readAs(tensor);
  const values = new Float32Array(tensor.elements);
  await loadNative().decode(dtype, await model.read(tensor, 0, bytes, signal), values, signal);
  if (transform) applyTransform(values, tensor.shape, 0, transform);
  return values;
}

/** A tensor that is transformed but not quantized. */
export function transformedTensor(
  model: Model,
  tensor: TensorDescriptor,
  transform: TensorTransform,
): ChangedTensor {
  const { byteLength, dtype } = tensor;
  return {
    ...{ dtype: `${dtype}, scaled`, byteLength },
    values: (signal) => allWeights(model, tensor, transform, signal),
  };
}
