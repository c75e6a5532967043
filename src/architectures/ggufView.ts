import { join } from 'node:path';
import { QuantscopeError } from '../model/errors';
import type { GgufFile } from '../model/gguf';
import type { GgufScalar } from '../model/ggufValue';
import type { KeyValue } from '../model/keyValue';
import type { Model } from '../model/openModel';
import { convertCheckpoint } from './convertCheckpoint';
import { unchanged, type ConvertedTensor } from './convertedTensor';
import type { ComputedTensor } from './description';

/** What is needed of a model: its headers. */
export type ModelHeaders = Pick<Model, 'description' | 'folder' | 'config' | 'configProblem' | 'gguf'>;

/** A model as GGUF has it, whatever it was; nothing but headers was read. */
export interface GgufView {
  /** `general.architecture`; empty where a file does not say. */
  readonly architecture: string;
  readonly tensors: readonly ConvertedTensor[];
  readonly computed: readonly ComputedTensor[];
  /** Hyper-parameters of a checkpoint under their full keys; a GGUF file brings its own. */
  readonly keyValues: readonly KeyValue[];
  /** How llama.cpp differs from transformers on a checkpoint, as sentences. */
  readonly notes: readonly string[];
  /** The value of a full key; of an array the first element. */
  readonly value: (key: string) => GgufScalar | undefined;
}

const views = new WeakMap<ModelHeaders, GgufView>();

/**
 * The model's tensors under their GGUF names, and its hyper-parameters; computed once for each open model.
 * @throws QuantscopeError REQUEST for missing shards or config.json, MODEL_FILE for one that cannot be read; UNSUPPORTED and MODEL_FILE as `convertCheckpoint`.
 */
export function ggufView(model: ModelHeaders): GgufView {
  const view = views.get(model) ?? makeView(model);
  views.set(model, view);
  return view;
}

function makeView({ description, gguf, config, configProblem, folder }: ModelHeaders): GgufView {
  const { missingFiles, missingBytes, path } = description;
  if (missingFiles.length > 0)
    throw new QuantscopeError('REQUEST', `Shards are missing: ${missingFiles.slice(0, 5).join(', ')}.`, {
      file: path,
    });
  if (missingBytes > 0)
    throw new QuantscopeError('REQUEST', `${missingBytes} bytes are missing: the model is not complete.`, {
      file: path,
    });
  if (gguf) {
    const value = valuesOfGguf(gguf);
    const architecture = value('general.architecture');
    return {
      architecture: typeof architecture === 'string' ? architecture : '',
      tensors: description.tensors.map((tensor) => unchanged(tensor)),
      ...{ computed: [], keyValues: [], notes: [], value },
    };
  }
  const file = join(folder, 'config.json');
  if (configProblem) throw configProblem;
  if (!config)
    throw new QuantscopeError(
      'REQUEST',
      'Names and shapes of a checkpoint follow from its config.json, which is not beside its weights.',
      { file },
    );
  const converted = convertCheckpoint(description.tensors, config, file);
  return { ...converted, value: valuesOfPairs(converted.keyValues) };
}

/** Look-up in the metadata of a GGUF file. */
export const valuesOfGguf =
  (gguf: GgufFile): GgufView['value'] =>
  (key) => {
    const value = gguf.metadata.get(key);
    return value?.array ? value.array.first[0] : value?.scalar;
  };

/** Look-up in the key-values of a file to be. */
export const valuesOfPairs =
  (pairs: readonly KeyValue[]): GgufView['value'] =>
  (key) => {
    const pair = pairs.find((candidate) => candidate.key === key);
    if (!pair || 'raw' in pair) return undefined;
    return pair.type === 'array' ? pair.values[0] : pair.value;
  };
