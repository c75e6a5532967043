import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Candidates } from '../../ampq/candidates';
import type { MeasuredDivergences } from '../../ampq/gains';
import { gainsFor, parseGains, type ErrorKind } from '../../ampq/gainsFile';
import { QuantscopeError } from '../../model/errors';
import { contentKey } from '../../model/identity';
import { readJsonFile } from '../../model/jsonFiles';
import type { Model } from '../../model/model';
import { joinPlace, listIfPresent } from '../../model/place';
import { openForText } from './openForText';
import { contextLengthOf, planText, type PlannedText } from './runPlan';
import { said } from '../../protocol/said';

/** Tokens that the model is run over by default: enough to tell tensors apart by a few per cent. */
export const usualTokens = 2048;
/** Tokens per window by default, where the model's context allows. */
const usualContext = 512;

/** Comes with the extension (assets/README.md). */
const generalText = 'general-calibration.txt';

/** How a request asks for gains: over a given text, those of an earlier run, none (the weights alone), or by default. */
export interface GainsChoice {
  readonly text?: string;
  /** Tokens that are scored, rounded up to whole windows. */
  readonly tokens?: number;
  /** Tokens per window; at most the model's context length. */
  readonly context?: number;
  readonly keptGains?: boolean;
  /** A `*.gains.json` file. */
  readonly gainsFile?: string;
  readonly weightsOnly?: boolean;
}

/** Where gains come from: a text that the model is run over, an earlier run, a file for errors of some kind, or nowhere, and why. */
export type GainsChosen =
  | { readonly planned: PlannedText }
  | { readonly measured: MeasuredDivergences; readonly errors?: ErrorKind }
  | { readonly weightsOnly: string };

/**
 * Where the gains of a request come from. Without a choice: a text next to the model with "calib" in its name, else the general one. A model
 * that cannot be run is measured by its weights alone, unless a text was named. Gains of an earlier run over another text are used
 * only where the request asks for them.
 * @param known gains of the latest run, if any, and the tensors that gains are for.
 * @throws QuantscopeError of a model or a text that was named and cannot be used; REQUEST where kept gains are asked for and there are none.
 */
export async function chooseGains(
  model: Model,
  choice: GainsChoice,
  { kept, candidates }: { readonly kept: MeasuredDivergences | undefined; readonly candidates: Candidates },
  signal: AbortSignal,
): Promise<GainsChosen> {
  if (choice.weightsOnly === true) return { weightsOnly: said`this was requested.` };
  if (choice.gainsFile !== undefined) return gainsOfFile(model, choice.gainsFile, candidates);
  if (choice.keptGains === true) {
    if (kept) return { measured: kept };
    const message = said`No gains of this model are kept from an earlier run. Run it over a text first.`;
    throw new QuantscopeError('REQUEST', message, { file: model.description.path });
  }
  if (choice.text !== undefined) return { planned: await planGains(model, choice.text, choice, signal) };
  const own = await textBeside(model.folder, signal);
  try {
    if (own !== undefined) return { planned: await planGains(model, own, choice, signal) };
  } catch (error) {
    if (!isUnusable(error)) throw error; // a text that is too short: the general one may suffice
  }
  try {
    return { planned: await planGains(model, generalTextFile(), choice, signal) };
  } catch (error) {
    if (!isUnusable(error)) throw error;
    return { weightsOnly: error.message };
  }
}

/** @throws QuantscopeError IO, MODEL_FILE or UNSUPPORTED for a file that is not one of gains, REQUEST for one of other tensors. */
async function gainsOfFile(
  { description }: Model,
  file: string,
  { tensors }: Candidates,
): Promise<GainsChosen> {
  const gains = parseGains((await readJsonFile(file)).value, file);
  const wanted = tensors.map(({ converted: { name, shape } }) => ({ name, shape }));
  return { measured: gainsFor(gains, wanted, contentKey(description), file), errors: gains.errors };
}

const isUnusable = (error: unknown): error is QuantscopeError =>
  error instanceof QuantscopeError && !['CANCELLED', 'INTERNAL'].includes(error.code);

/** How a text is cut for gains over so many tokens. */
export const gainsCut = ({ tokens, context }: { readonly tokens: number; readonly context: number }) =>
  ({ convention: 'sliding', context, windows: Math.ceil(tokens / context), spread: true }) as const;

/** The text in windows, after a check that the model can be run. */
async function planGains(
  model: Model,
  text: string,
  { tokens = usualTokens, context: wanted = usualContext }: GainsChoice,
  signal: AbortSignal,
): Promise<PlannedText> {
  const tokenizer = await openForText(model, signal);
  const contextLength = await contextLengthOf(model, signal);
  const context = Math.min(wanted, contextLength);
  return planText(text, tokenizer, gainsCut({ tokens, context }), contextLength, signal);
}

async function textBeside(folder: string, signal: AbortSignal): Promise<string | undefined> {
  const names = await listIfPresent(folder, 'listed', signal);
  const found = names.filter((name) => /calib.*\.txt$/i.test(name)).sort()[0];
  return found === undefined ? undefined : joinPlace(folder, found);
}

/** In `assets`, next to the folder of the bundle (dist) and at the root of the sources. */
function generalTextFile(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const root = basename(here) === 'dist' ? dirname(here) : join(here, '..', '..', '..');
  return join(root, 'assets', generalText);
}
