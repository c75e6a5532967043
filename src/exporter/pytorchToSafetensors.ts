import { join, sep } from 'node:path';
import type { Inputs } from '../files/inputs';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import { readElements } from '../model/strides';
import type { EngineProgress } from '../protocol/engine';
import type { StoredPart, TensorDescriptor } from '../protocol/model';
import { originOf } from './origin';
import { writeSafetensors, type SafetensorsPart } from './writeSafetensors';

/** Bytes that are copied at a time: whole elements of every dtype. */
const chunkBytes = 4 * 1024 * 1024;

export interface ConvertOptions {
  readonly inputs?: Inputs;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EngineProgress) => void;
}

export interface WrittenTensors {
  /** Of the file. */
  readonly bytes: number;
  readonly tensors: number;
}

/**
 * Writes the tensors of a PyTorch model as one safetensors file, atomically: names, shapes, dtypes and bits as they are, elements in order.
 * What libraries store of quantized weights is copied, not decoded. Memory is bounded by a chunk.
 * @throws QuantscopeError REQUEST for a model of another format; UNSUPPORTED naming the first tensor that cannot be read; IO; CANCELLED.
 */
export async function pytorchToSafetensors(
  model: Model,
  out: string,
  { inputs, signal, onProgress }: ConvertOptions = {},
): Promise<WrittenTensors> {
  const { format, path } = model.description;
  if (format !== 'pytorch')
    throw new QuantscopeError('REQUEST', `The model is ${format}; only PyTorch files are converted.`, {
      file: path,
    });
  const stored = ownTensors(model);
  const total = stored.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let done = 0;
  const parts = stored.map((tensor): SafetensorsPart => ({
    ...{ name: tensor.name, dtype: tensor.dtype, shape: tensor.shape },
    async *data() {
      const source = model.source(tensor.file);
      for (let at = 0; at < tensor.byteLength; at += chunkBytes) {
        const chunk = new Uint8Array(Math.min(chunkBytes, tensor.byteLength - at));
        await readElements(source, tensor, at, chunk, signal);
        yield chunk;
        done += chunk.length;
        onProgress?.({ message: tensor.name, done, total, unit: 'bytes' });
      }
    },
  }));
  const origin = originOf(model, 'convert');
  const options = { origin, ...(signal ? { signal } : {}), ...(inputs ? { inputs } : {}) };
  const bytes = await writeSafetensors(out, parts, { format: 'pt' }, options);
  return { bytes, tensors: parts.length };
}

type Part = TensorDescriptor | StoredPart;

/** The tensors of the files themselves; those of modules next to the model stay in their own files. */
function ownTensors({ description, modules = [], folder }: Model): readonly Part[] {
  const others = modules.filter(({ path }) => path !== '').map(({ path }) => join(folder, path) + sep);
  const own = description.tensors.filter(({ file }) => !others.some((other) => file.startsWith(other)));
  const lost = own.find(({ readable }) => !readable);
  if (lost)
    throw new QuantscopeError('UNSUPPORTED', lost.unreadableReason ?? 'The tensor cannot be read.', {
      ...{ file: lost.file, tensor: lost.name },
    });
  if (own.length > 0) return own.flatMap((tensor): readonly Part[] => tensor.stored?.parts ?? [tensor]);
  throw new QuantscopeError('REQUEST', 'The model has no tensors to convert.', { file: description.path });
}
