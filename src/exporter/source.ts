import { join } from 'node:path';
import { convertCheckpoint } from '../architectures/convertCheckpoint';
import { unchanged, type ConvertedTensor } from '../architectures/convertedTensor';
import type { ComputedTensor } from '../architectures/description';
import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import type { Model } from '../model/openModel';
import { architectureOfGguf, architectureOfKeyValues, type Architecture } from './plan/architecture';

/** What a dry run needs of a model: its headers. */
export type ModelHeaders = Pick<Model, 'description' | 'folder' | 'config' | 'gguf'>;

/** A model as GGUF has it, whatever it was. */
export interface GgufSource {
  readonly tensors: readonly ConvertedTensor[];
  readonly computed: readonly ComputedTensor[];
  readonly architecture: Architecture;
  /** Hyper-parameters of a checkpoint; a GGUF file brings its own. */
  readonly keyValues: readonly KeyValue[];
}

/**
 * The model's tensors under their GGUF names.
 * @throws QuantscopeError REQUEST for missing shards or config.json; UNSUPPORTED and MODEL_FILE as `convertCheckpoint`.
 */
export function sourceOf({ description, gguf, config, folder }: ModelHeaders): GgufSource {
  const { missingFiles, path } = description;
  if (missingFiles.length > 0)
    throw new QuantscopeError('REQUEST', `Shards are missing: ${missingFiles.slice(0, 5).join(', ')}.`, {
      file: path,
    });
  if (gguf) {
    const tensors = description.tensors.map((tensor) => unchanged(tensor));
    return { tensors, computed: [], architecture: architectureOfGguf(gguf), keyValues: [] };
  }
  const file = join(folder, 'config.json');
  if (!config)
    throw new QuantscopeError(
      'REQUEST',
      'The export needs the config.json of the checkpoint beside its weights.',
      { file },
    );
  const { architecture, keyValues, tensors, computed } = convertCheckpoint(description.tensors, config, file);
  return { tensors, computed, architecture: architectureOfKeyValues(architecture, keyValues), keyValues };
}
