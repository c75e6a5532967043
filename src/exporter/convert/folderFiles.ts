import { configName } from '../../model/jsonFiles';
import type { Model } from '../../model/model';
import { joinPlace, readPlace } from '../../model/place';
import { withKeys, withoutQuantization, withValues } from '../checkpoint/jsonText';
import { filesToCopy, quantizationFiles } from '../checkpoint/smallFiles';
import type { FloatDtype } from './castNumbers';
import type { ConversionPlan } from './conversionPlan';

/** What a folder holds besides weights. */
export interface FolderFiles {
  /** By their names. */
  readonly texts: ReadonlyMap<string, string | Uint8Array>;
  /** Paths in the folder of the model. */
  readonly copied: readonly string[];
}

/** transformers' names of dtypes. */
export const torchNames: Readonly<Record<FloatDtype, string>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

/**
 * The files of a checkpoint besides its weights. Without a config.json a file of weights lies anywhere: what is next to it does not belong
 * to it.
 */
export async function folderFiles(model: Model, plan: ConversionPlan): Promise<FolderFiles> {
  if (plan.files) return { texts: plan.files, copied: [] };
  if (model.configProblem) throw model.configProblem;
  if (!model.config) return { texts: new Map(), copied: [] };
  const file = configName(model.config);
  const also = new Set(['README.md', ...(plan.isDecoded ? [] : quantizationFiles)]);
  const copied = (await filesToCopy(model, also)).filter((name) => name !== file);
  const text = Buffer.from(await readPlace(joinPlace(model.folder, file))).toString();
  const written = file === 'params.json' ? paramsText(text, plan) : configText(text, plan);
  return { texts: new Map([[file, written]]), copied };
}

/** params.json of Mistral, which states no dtype, but how weights are quantized. */
const paramsText = (source: string, { isDecoded }: ConversionPlan): string =>
  isDecoded ? changedKeys(source, source, { quantization: undefined }) : source;

/** config.json as it is, but for the dtype and the quantization where these change. */
export function configText(
  source: string,
  { statedDtype, isDecoded }: Pick<ConversionPlan, 'statedDtype' | 'isDecoded'>,
): string {
  if (statedDtype === undefined) return source;
  const name = torchNames[statedDtype];
  const inStep = withValues(source, { torch_dtype: name, dtype: name });
  const states = /"(?:torch_)?dtype"\s*:/.test(source);
  const changes = { ...(isDecoded ? withoutQuantization : {}), ...(states ? {} : { torch_dtype: name }) };
  return changedKeys(source, inStep, changes);
}

/** @param source ends the text, as it ended before. */
const changedKeys = (source: string, text: string, changes: Readonly<Record<string, unknown>>): string =>
  `${withKeys(text, changes)}${source.endsWith('\n') ? '\n' : ''}`;
