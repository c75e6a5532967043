import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { readSafetensorsMetadata } from '../../model/safetensors';
import type { ConversionPlan } from './conversionPlan';
import { said } from '../../protocol/said';

/** Keys that describe how the tensors of a file are quantized. */
const ofQuantization = /^quantscope\./;

export interface OutputMetadata {
  readonly metadata: Readonly<Record<string, string>>;
  /** What was left out, as sentences. */
  readonly notes: readonly string[];
}

/**
 * `__metadata__` of the output: that of the files that its tensors come from. A key of which two of them state different values is left out.
 * @throws QuantscopeError UNSUPPORTED where such a key says how tensors are quantized.
 */
export async function metadataOf(
  { description, source }: Pick<Model, 'description' | 'source'>,
  { tensors, isDecoded }: ConversionPlan,
): Promise<OutputMetadata> {
  const usual: Record<string, string> = { format: 'pt' };
  if (description.format !== 'safetensors') return { metadata: usual, notes: [] };
  const files = tensors.flatMap((tensor) =>
    'copied' in tensor
      ? [tensor.copied.file]
      : tensor.rounded.flatMap(({ pieces }) => pieces.map((piece) => piece.tensor.file)),
  );
  const found = new Map<string, string>();
  const differing = new Set<string>();
  for (const file of new Set(files)) {
    for (const [key, value] of Object.entries(await readSafetensorsMetadata(source(file)))) {
      if (typeof value !== 'string' || (isDecoded && ofQuantization.test(key))) continue;
      const other = found.get(key);
      if (other !== undefined && other !== value) {
        if (ofQuantization.test(key))
          throw new QuantscopeError(
            'UNSUPPORTED',
            said`The files state different values of the metadata key "${key}", by which their tensors are read.`,
            { file },
          );
        differing.add(key);
      }
      found.set(key, value);
    }
  }
  const kept = [...found].filter(([key]) => !differing.has(key));
  return {
    metadata: { ...usual, ...Object.fromEntries(kept) },
    notes: [...differing].map(
      (key) => said`The metadata key "${key}" is left out: the files state different values of it.`,
    ),
  };
}
