import { QuantscopeError } from '../../model/errors';
import { configName } from '../../model/jsonFiles';
import type { Model } from '../../model/model';
import { said } from '../../protocol/said';
import { plural } from '../../protocol/words';

/** @throws QuantscopeError UNSUPPORTED for a model that is not a whole checkpoint, or whose weights cannot all be decoded. */
export function refuseModel({ description, configProblem, config }: Model): void {
  const { format, path, quantizedLayout, missingFiles, missingBytes, part } = description;
  const refuse = (message: string): never => {
    throw new QuantscopeError('UNSUPPORTED', message, { file: path });
  };
  if (format === 'gguf')
    refuse(
      said`A GGUF file does not have the names and the configuration of a checkpoint: quantize the Hugging Face checkpoint that it was made from.`,
    );
  if (configProblem) throw configProblem;
  if (!config)
    refuse(
      said`There is no config.json next to the weights: runtimes need it, and it says how the weights are quantized.`,
    );
  if (part?.alone) refuse(said`One shard alone cannot be quantized to a checkpoint: open the whole model.`);
  if (missingFiles.length > 0 || missingBytes > 0)
    refuse(said`The model is incomplete: ${missingFiles[0] ?? plural(missingBytes, 'byte')} missing.`);
  if (quantizedLayout)
    refuse(
      said`The weights are stored in the layout ${quantizedLayout.name}, which cannot be decoded: start from the original checkpoint.`,
    );
}

/** @throws QuantscopeError UNSUPPORTED for a model that only a params.json of Mistral describes. */
export function refuseParams({ config, description }: Model): void {
  if (configName(config) === 'config.json') return;
  const message = said`There is a params.json next to the weights, but no config.json, which says how the weights of a quantized checkpoint are stored: start from the checkpoint in the form of transformers.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file: description.path });
}
