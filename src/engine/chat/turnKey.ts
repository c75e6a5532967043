import type { OrtDevice } from '../../graph/session';
import { readJsonFile } from '../../model/jsonFiles';
import { openSource } from '../../model/place';
import type { ChatParams, ChatVariant } from '../../protocol/chat';
import { resolveRecipe } from '../../recipes/resolveRecipe';
import { isStretched } from '../evaluation/runPlan';
import type { PairedModels } from './openPair';

/** One turn of a conversation. */
export interface Turn {
  readonly models: PairedModels;
  readonly params: ChatParams;
  readonly where: OrtDevice;
  /** Tokens that the text has at most. */
  readonly length: number;
}

/**
 * What the weights of both models and how they run depend on, besides the models' files: turns with the same key can have the same open models.
 * @throws QuantscopeError as the reading of a plan's or a recipe's file.
 */
export async function turnKey({ models, params, where, length }: Turn, signal: AbortSignal): Promise<string> {
  const { path, alone, adapters, variant, memory, threads, cacheDir } = params;
  const present = [models.model, models.other].filter((model) => model !== undefined);
  const stretched = await Promise.all(present.map((model) => isStretched(model, length, signal)));
  const content = await contentOf(variant, signal);
  return JSON.stringify([
    ...[path, alone, adapters, variant, memory, threads, cacheDir, where, stretched, content],
  ]);
}

/** What the files that a variant names hold: a plan, or a recipe and the text that it measures over. */
async function contentOf({ planFile, recipe }: ChatVariant, signal: AbortSignal): Promise<unknown> {
  if (planFile !== undefined) return (await readJsonFile(planFile, signal)).hash;
  if (!recipe) return undefined;
  const resolved = await resolveRecipe(recipe, signal);
  const text = resolved.calibration?.text;
  if (text === undefined) return resolved;
  const source = await openSource(text);
  try {
    return [resolved, source.size, source.mtimeMs];
  } finally {
    await source.close();
  }
}
