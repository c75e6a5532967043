import { unchanged, type ConvertedTensor } from '../../architectures/convertedTensor';
import { restoreCheckpoint } from '../../architectures/restore/restoreCheckpoint';
import { isQuantizedDtype, safetensorsDtype } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { ConvertSettings } from '../../protocol/convert';
import type { TensorDescriptor } from '../../protocol/model';
import { plural } from '../../protocol/words';
import { printPython } from '../checkpoint/jsonText';
import { tensorBytes } from '../safetensorsHeader';
import type { FloatDtype } from './castNumbers';
import { torchNames } from './folderFiles';
import { restoreTokenizer } from './restoreTokenizer';
import { copied, type ConversionPlan, type PlannedConversion, type RoundedTensor } from './conversionPlan';

/** Dtype of weights in blocks where the settings name none: it has more bits than any of their types. */
const usualDtype: FloatDtype = 'F16';

const plainDtypes: ReadonlySet<string> = new Set<FloatDtype>(['F32', 'F16', 'BF16']);

/**
 * Plans a GGUF file as safetensors: under the names of its checkpoint, with the config.json that leads to the same file, or under its own names.
 * @throws QuantscopeError UNSUPPORTED as `restoreCheckpoint`, and for types that cannot be decoded; REQUEST for settings of checkpoints.
 */
export async function planRestored(
  model: Model,
  settings: ConvertSettings,
  signal?: AbortSignal,
): Promise<ConversionPlan> {
  const { description } = model;
  if (settings.decode)
    throw new QuantscopeError('REQUEST', 'Weights of GGUF files are always decoded; leave out --decode.', {
      file: description.path,
    });
  if (description.tensors.length === 0)
    throw new QuantscopeError('REQUEST', 'The model has no tensors to convert.', { file: description.path });
  const lost = description.tensors.find(({ readable }) => !readable);
  if (lost)
    throw new QuantscopeError('UNSUPPORTED', lost.unreadableReason ?? 'The tensor cannot be read.', {
      ...{ file: lost.file, tensor: lost.name, offset: lost.offset },
    });
  const dtype = settings.dtype?.toUpperCase() as FloatDtype | undefined;
  const decoded = description.tensors.filter((tensor) => isQuantizedDtype(tensor.dtype));
  const notes =
    decoded.length > 0
      ? [
          `${plural(decoded.length, 'tensor')} of quantized types ${decoded.length === 1 ? 'is' : 'are'} decoded.`,
        ]
      : [];
  if (settings.names === 'gguf') {
    const tensors = description.tensors.map((tensor) => plain(tensor, dtype));
    return { tensors, isDecoded: true, files: new Map(), notes };
  }
  const { config, tensors } = await restoreCheckpoint(model, signal);
  const planned = tensors.map(({ name, shape, rows }) => rounded(name, shape, rows, dtype));
  const stated = { ...config, torch_dtype: torchNames[mostUsed(planned)] };
  const tokenizer = await restoreTokenizer(model, signal);
  return {
    tensors: planned,
    isDecoded: true,
    files: new Map([['config.json', `${printPython(stated)}\n`], ...tokenizer.files]),
    notes: [...notes, ...tokenizer.notes],
  };
}

/** A tensor under its own name. */
function plain(tensor: TensorDescriptor, dtype: FloatDtype | undefined): PlannedConversion {
  const isFloat = plainDtypes.has(tensor.dtype) || isQuantizedDtype(tensor.dtype) || tensor.dtype === 'F64';
  const isKept =
    !isFloat || dtype === tensor.dtype || (dtype === undefined && !isQuantizedDtype(tensor.dtype));
  if (isKept && safetensorsDtype(tensor.dtype)) return copied(tensor);
  return rounded(tensor.name, tensor.shape, [unchanged(tensor)], dtype);
}

function rounded(
  name: string,
  shape: readonly number[],
  rows: readonly ConvertedTensor[],
  dtype: FloatDtype | undefined,
): RoundedTensor {
  const sources = new Set(rows.flatMap(({ pieces }) => pieces.map(({ tensor }) => tensor.dtype)));
  const own = sources.size === 1 ? [...sources][0]! : 'F32';
  const to = dtype ?? (plainDtypes.has(own) ? (own as FloatDtype) : usualDtype);
  const from = [...sources].join(', ');
  return { name, shape, dtype: to, from, bytes: tensorBytes({ name, shape, dtype: to }), rounded: rows };
}

/** The dtype of most weights. */
function mostUsed(tensors: readonly RoundedTensor[]): FloatDtype {
  const weights = new Map<FloatDtype, number>();
  for (const { dtype, shape } of tensors)
    weights.set(dtype, (weights.get(dtype) ?? 0) + shape.reduce((a, b) => a * b, 1));
  return [...weights].sort(([, a], [, b]) => b - a)[0]?.[0] ?? usualDtype;
}
