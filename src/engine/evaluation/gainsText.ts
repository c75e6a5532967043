import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import { openDecoder } from '../../graph/transformer/openDecoder';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { contextLengthOf, planText, type PlannedText } from './runPlan';

/** Tokens that the model is run over: enough to tell tensors apart by a few per cent. */
const gainTokens = 2048;
/** Tokens per window, where the model's context allows. */
const gainContext = 512;

/** Comes with the extension (assets/README.md). */
const generalText = 'general-calibration.txt';

/** How a request asks for tensors to be measured: over a given text, by the weights alone, or by default. */
export interface GainsChoice {
  readonly text?: string;
  readonly weightsOnly?: boolean;
}

/** A text that the model can be run over, or why there is none. */
export type GainsText = { readonly planned: PlannedText } | { readonly weightsOnly: string };

/**
 * The text that gains are measured over: the one named, else one next to the model with "calib" in its name, else the general
 * one. A model that cannot be run is measured by its weights alone, unless a text was named.
 * @throws QuantscopeError of a model or a text that was named and cannot be used.
 */
export async function gainsText(model: Model, choice: GainsChoice, signal: AbortSignal): Promise<GainsText> {
  if (choice.weightsOnly === true) return { weightsOnly: 'this was requested.' };
  if (choice.text !== undefined) return { planned: await planGains(model, choice.text, signal) };
  const own = await textBeside(model.folder);
  try {
    if (own !== undefined) return { planned: await planGains(model, own, signal) };
  } catch (error) {
    if (!isUnusable(error)) throw error; // a text that is too short: the general one may suffice
  }
  try {
    return { planned: await planGains(model, generalTextFile(), signal) };
  } catch (error) {
    if (!isUnusable(error)) throw error;
    return { weightsOnly: error.message };
  }
}

const isUnusable = (error: unknown): error is QuantscopeError =>
  error instanceof QuantscopeError && !['CANCELLED', 'INTERNAL'].includes(error.code);

/** The text in windows, after a check that the model can be run. */
async function planGains(model: Model, text: string, signal: AbortSignal): Promise<PlannedText> {
  const tokenizer = await openTokenizer(model, signal);
  const contextLength = await contextLengthOf(model, signal);
  const context = Math.min(gainContext, contextLength);
  const settings = { convention: 'sliding', context, windows: Math.ceil(gainTokens / context) } as const;
  const planned = await planText(text, tokenizer, settings, contextLength, signal);
  const decoder = await openDecoder(model, { device: 'ort-cpu', length: context, keep: false });
  await decoder.close();
  return planned;
}

async function textBeside(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  const found = names.filter((name) => /calib.*\.txt$/i.test(name)).sort()[0];
  return found === undefined ? undefined : join(folder, found);
}

/** In `assets`, next to the folder of the bundle (dist) and at the root of the sources. */
function generalTextFile(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const root = basename(here) === 'dist' ? dirname(here) : join(here, '..', '..', '..');
  return join(root, 'assets', generalText);
}
