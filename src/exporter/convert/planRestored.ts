import { unchanged } from '../../architectures/convertedTensor';
import type { RestoredRows } from '../../architectures/restore/restoredRows';
import { restoreCheckpoint } from '../../architectures/restore/restoreCheckpoint';
import { elementsOf, isQuantizedDtype, safetensorsDtype } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { SentenceModule } from '../../model/sentenceModules';
import type { ConvertSettings } from '../../protocol/convert';
import type { ModelDescription, TensorDescriptor } from '../../protocol/model';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import { printPython } from '../checkpoint/jsonText';
import { tensorBytes } from '../safetensorsHeader';
import type { FloatDtype } from './castNumbers';
import { torchNames } from './folderFiles';
import { restoreTokenizer } from './tokenizer/restoreTokenizer';
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
  refuse(description, settings);
  const dtype = settings.dtype?.toUpperCase() as FloatDtype | undefined;
  const decoded = description.tensors.filter((tensor) => isQuantizedDtype(tensor.dtype)).length;
  const decodedNote =
    decoded === 1
      ? said`1 tensor of quantized types is decoded.`
      : said`${plural(decoded, 'tensor')} of quantized types are decoded.`;
  const notes = decoded > 0 ? [decodedNote] : [];
  if (settings.names === 'gguf') {
    const tensors = description.tensors.map((tensor) => plain(tensor, dtype));
    return { tensors, isDecoded: true, files: new Map(), notes };
  }
  const { config, modules, tensors } = await restoreCheckpoint(model, signal);
  const planned = tensors.map(({ name, shape, rows }) => rounded(name, shape, rows, dtype));
  const stated = { ...config, torch_dtype: torchNames[mostUsed(planned)] };
  const tokenizer = await restoreTokenizer(model, config, signal);
  return {
    tensors: planned,
    isDecoded: true,
    files: new Map<string, string | Uint8Array>([
      ['config.json', `${printPython(stated)}\n`],
      ...moduleFiles(modules),
      ...tokenizer.files,
    ]),
    notes: [...notes, ...widthNotes(planned)],
    notesOfFiles: tokenizer.notes,
  };
}

/** @throws QuantscopeError as `planRestored`, for what its tensors and the settings decide. */
function refuse({ path: file, tensors }: ModelDescription, settings: ConvertSettings): void {
  const message = said`Weights of GGUF files are always decoded; leave out --decode.`;
  if (settings.decode) throw new QuantscopeError('REQUEST', message, { file });
  if (tensors.length === 0)
    throw new QuantscopeError('REQUEST', said`The model has no tensors to convert.`, { file });
  const lost = tensors.find(({ readable }) => !readable);
  if (lost)
    throw new QuantscopeError('UNSUPPORTED', lost.unreadableReason ?? said`The tensor cannot be read.`, {
      ...{ file: lost.file, tensor: lost.name, offset: lost.offset },
    });
}

/** modules.json of sentence-transformers, and the config.json of each module but the model itself. */
function moduleFiles(modules: readonly SentenceModule[]): [string, string][] {
  if (modules.length === 0) return [];
  const listed = modules.map(({ path, type }, idx) => ({ idx, name: String(idx), path, type }));
  const own = modules.filter(({ path }) => path !== '');
  return [
    ['modules.json', `${printPython(listed)}\n`],
    ...own.map(({ path, config }): [string, string] => [`${path}/config.json`, `${printPython(config)}\n`]),
  ];
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
  rows: readonly RestoredRows[],
  dtype: FloatDtype | undefined,
): RoundedTensor {
  const sources = new Set(rows.flatMap(({ pieces }) => pieces.map(({ tensor }) => tensor.dtype)));
  const own = sources.size === 1 ? [...sources][0]! : 'F32';
  const to =
    dtype ?? (plainDtypes.has(own) ? (own as FloatDtype) : isQuantizedDtype(own) ? usualDtype : 'F32');
  const from = [...sources].join(', ');
  return { name, shape, dtype: to, from, bytes: tensorBytes({ name, shape, dtype: to }), rounded: rows };
}

/** Tensors of float64, which have more bits than any dtype that is written here. */
function widthNotes(tensors: readonly RoundedTensor[]): string[] {
  const wide = tensors.filter(({ from }) => from === 'F64');
  const [first] = wide;
  if (!first) return [];
  return [
    wide.length === 1
      ? said`1 tensor of float64 is rounded, "${first.name}" to ${first.dtype}.`
      : said`${plural(wide.length, 'tensor')} of float64 are rounded, "${first.name}" to ${first.dtype}.`,
  ];
}

/** The dtype of most weights. */
function mostUsed(tensors: readonly RoundedTensor[]): FloatDtype {
  const weights = new Map<FloatDtype, number>();
  for (const { dtype, shape } of tensors) weights.set(dtype, (weights.get(dtype) ?? 0) + elementsOf(shape)!);
  return [...weights].sort(([, a], [, b]) => b - a)[0]?.[0] ?? usualDtype;
}
