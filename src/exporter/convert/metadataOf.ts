import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { readSafetensorsMetadata } from '../../model/safetensors';
import type { ConversionPlan } from './conversionPlan';

/** Keys that describe how the tensors of a file are quantized. */
const ofQuantization = /^quantscope\./;

/**
 * `__metadata__` of the output: that of the files that its tensors come from.
 * @throws QuantscopeError REQUEST where two files state different values of a key, which one file cannot.
 */
export async function metadataOf(
  { description, source }: Pick<Model, 'description' | 'source'>,
  { tensors, isDecoded }: ConversionPlan,
): Promise<Record<string, string>> {
  const metadata: Record<string, string> = { format: 'pt' };
  if (description.format !== 'safetensors') return metadata;
  const files = tensors.flatMap((tensor) =>
    'copied' in tensor
      ? [tensor.copied.file]
      : tensor.rounded.flatMap(({ pieces }) => pieces.map((piece) => piece.tensor.file)),
  );
  const found = new Map<string, string>();
  for (const file of new Set(files)) {
    for (const [key, value] of Object.entries(await readSafetensorsMetadata(source(file)))) {
      if (typeof value !== 'string' || (isDecoded && ofQuantization.test(key))) continue;
      const other = found.get(key);
      if (other !== undefined && other !== value)
        throw new QuantscopeError(
          'REQUEST',
          `The files state different values of the metadata key "${key}", so they cannot be merged.`,
          { file },
        );
      found.set(key, value);
    }
  }
  return { ...metadata, ...Object.fromEntries(found) };
}
