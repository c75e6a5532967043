import { convertModel, type ConvertTarget } from '../../src/exporter/convert/writeConversion';
import { openModel } from '../../src/layouts/openModel';
import type { ConvertResult, ConvertSettings } from '../../src/protocol/convert';

/** Opens a model and writes it as safetensors. */
export async function convert(
  source: string,
  out: string,
  settings: ConvertSettings = {},
  target: Omit<ConvertTarget, 'out'> = {},
): Promise<ConvertResult> {
  const model = await openModel(source);
  return convertModel(model, settings, { ...target, out }).finally(() => model.close());
}
