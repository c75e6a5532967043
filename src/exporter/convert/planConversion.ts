import { join, sep } from 'node:path';
import { unchanged } from '../../architectures/convertedTensor';
import { modelDtype } from '../../layouts/layout';
import { statedBesides } from '../../layouts/stated';
import { dtypeNamed, safetensorsDtype } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { ConvertSettings } from '../../protocol/convert';
import type { TensorDescriptor } from '../../protocol/model';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import type { FloatDtype } from './castNumbers';
import { copied, type ConversionPlan, type PlannedConversion, type RoundedTensor } from './conversionPlan';
import { planRestored } from './planRestored';
import { tensorBytes } from '../safetensorsHeader';

/** Dtype of decoded weights where neither the settings nor config.json state one. */
const usualDtype: FloatDtype = 'F16';

/** What runtimes multiply inputs, keys and values by: means nothing for plain weights. */
const runtimeScale = /\.(?:(?:input|output)_(?:global_)?scale|[kv]_scale)$/;

/**
 * Plans a conversion.
 * @throws QuantscopeError UNSUPPORTED naming the first tensor that cannot be read, decoded or given back to a checkpoint; REQUEST where the
 * settings do not fit the model.
 */
export async function planConversion(
  model: Model,
  settings: ConvertSettings = {},
  signal?: AbortSignal,
): Promise<ConversionPlan> {
  refuseIncomplete(model);
  return model.gguf ? planRestored(model, settings, signal) : planCheckpoint(model, settings);
}

/** Tensors of PyTorch files or safetensors. */
function planCheckpoint(model: Model, settings: ConvertSettings): ConversionPlan {
  const own = ownTensors(model);
  const isStored = own.some(({ stored }) => stored);
  refuseSettings(model, settings, isStored);
  refuseMerged(model, settings, isStored);
  const decodes = settings.decode === true && isStored;
  const left = decodes ? own.filter(({ name }) => runtimeScale.test(name)) : [];
  const dtype = settings.dtype?.toUpperCase() as FloatDtype | undefined;
  const decoded = dtype ?? modelDtype(model.config) ?? usualDtype;
  const merged = model.merged ?? new Map<string, TensorDescriptor>();
  const tensors = own
    .filter((tensor) => !left.includes(tensor))
    .flatMap((tensor) => {
      if (!tensor.stored) return planned(tensor, decodes && merged.has(tensor.name) ? decoded : dtype);
      return decodes ? rounded(tensor, decoded) : tensor.stored.parts.map((part) => copied(part));
    });
  // Merged weights are F32: a configuration that states less would have them rounded when they are loaded.
  const stated = decodes ? decoded : (dtype ?? (merged.size > 0 ? 'F32' : undefined));
  return {
    tensors,
    ...(stated === undefined ? {} : { statedDtype: stated }),
    isDecoded: decodes,
    notes:
      left.length > 0
        ? [said`${plural(left.length, 'scale')} of inputs, keys and values are left out: weights are plain.`]
        : [],
  };
}

/** @throws QuantscopeError UNSUPPORTED, REQUEST where settings and model do not go together. */
function refuseSettings({ description, config }: Model, settings: ConvertSettings, isStored: boolean): void {
  const { path, quantizedLayout } = description;
  const refuse = (code: 'REQUEST' | 'UNSUPPORTED', message: string): never => {
    throw new QuantscopeError(code, message, { file: path });
  };
  if (settings.allowInfinity && settings.dtype === undefined && !settings.decode)
    refuse(
      'REQUEST',
      said`Infinite weights are only allowed where a dtype is given (--dtype): nothing is rounded.`,
    );
  if (settings.names)
    refuse(
      'REQUEST',
      said`Names as in GGUF are for GGUF files: the tensors of a checkpoint keep their names.`,
    );
  if (settings.decode && quantizedLayout)
    refuse('UNSUPPORTED', said`The layout ${quantizedLayout.name} cannot be decoded.`);
  if (settings.decode && statedBesides(config).warnings.length > 0)
    refuse(
      'UNSUPPORTED',
      said`config.json names transforms of weights and inputs (transform_config): plain weights would be those of another model.`,
    );
  if (settings.decode && !isStored)
    refuse('REQUEST', said`No weight of the model is stored quantized: there is nothing to decode.`);
  if (settings.dtype === undefined || settings.decode || !(isStored || quantizedLayout)) return;
  refuse(
    'REQUEST',
    said`The weights are stored quantized: codes and scales have no other dtype. Decode them (--decode), or leave out the dtype.`,
  );
}

/** @throws QuantscopeError REQUEST for adapters merged into some weights of which the others stay codes and scales. */
function refuseMerged({ description, merged }: Model, { decode }: ConvertSettings, isStored: boolean): void {
  if (!merged || decode || !(isStored || description.quantizedLayout)) return;
  const message = said`The weights are stored quantized, those that adapters change would not be: decode all of them (--decode).`;
  throw new QuantscopeError('REQUEST', message, { file: description.path });
}

/** A tensor of the files, in its own dtype unless it holds floats of another one than is asked for. */
function planned(tensor: TensorDescriptor, dtype: FloatDtype | undefined): PlannedConversion {
  if (dtype === undefined || tensor.dtype === dtype || !dtypeNamed(tensor.dtype)?.float)
    return copied(tensor);
  if (tensor.readable) return rounded(tensor, dtype);
  const message = said`Weights of the dtype ${tensor.dtype} cannot be decoded, so they cannot be converted to ${dtype}.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file: tensor.file, tensor: tensor.name });
}

function rounded(tensor: TensorDescriptor, dtype: FloatDtype): RoundedTensor {
  const { name, shape, dtype: from } = tensor;
  return {
    name,
    dtype,
    shape,
    from,
    bytes: tensorBytes({ name, dtype, shape }),
    rounded: [unchanged(tensor)],
  };
}

/** @throws QuantscopeError REQUEST where files of the model are missing. */
function refuseIncomplete({ description }: Model): void {
  const { path, missingFiles, part } = description;
  if (part?.alone === true || missingFiles.length === 0) return;
  const message = said`Shards are missing: ${missingFiles.slice(0, 5).join(', ')}.`;
  throw new QuantscopeError('REQUEST', message, { file: path });
}

/** The tensors of the files themselves; those of modules next to the model stay in their own files. */
function ownTensors({ description, modules = [], folder }: Model): readonly TensorDescriptor[] {
  const others = modules.filter(({ path }) => path !== '').map(({ path }) => join(folder, path) + sep);
  const own = description.tensors.filter(({ file }) => !others.some((other) => file.startsWith(other)));
  const lost = own.find((tensor) => !tensor.readable && !canBeCopied(tensor));
  if (lost)
    throw new QuantscopeError('UNSUPPORTED', lost.unreadableReason ?? said`The tensor cannot be read.`, {
      ...{ file: lost.file, tensor: lost.name },
    });
  if (own.length > 0) return own;
  throw new QuantscopeError('REQUEST', said`The model has no tensors to convert.`, {
    file: description.path,
  });
}

/** A dtype that cannot be decoded is no obstacle to a copy. */
const canBeCopied = ({ dtype, missingBytes }: TensorDescriptor): boolean =>
  missingBytes === undefined && safetensorsDtype(dtype)?.decodable === false;
