import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ConvertedTensor } from '../../architectures/convertedTensor';
import { ggufView } from '../../architectures/ggufView';
import { QuantscopeError } from '../../model/errors';
import { contentKey } from '../../model/identity';
import type { Model } from '../../model/model';
import type { ModelDescription } from '../../protocol/model';
import type { RefinementParams } from '../../protocol/refinement';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import { versionsOf } from '../../quant/algorithms';
import type { RefinementSchedule, RefinementText } from '../../refinement/refine';
import { layerTable } from '../../graph/transformer/carried';
import { planTraining, type TrainingPlan } from '../../refinement/training';
import { openForText, requireForwardPass } from '../evaluation/openForText';
import { contextLengthOf, planText, runDevice, type RunDevice } from '../evaluation/runPlan';
import { RefinementStore } from './refinementStore';

/** A refinement before it is run. */
export interface PlannedRefinement {
  /** The file that is refined, and the model that it was made from. */
  readonly start: Model;
  readonly original: Model;
  readonly where: RunDevice;
  /** Tokens of a window. */
  readonly length: number;
  readonly text: RefinementText;
  readonly textHash: string;
  readonly schedule: RefinementSchedule;
  readonly training: TrainingPlan;
  readonly store: RefinementStore;
}

const usual = { tokens: 65_536, steps: 200, batch: 4 };

/** Measurements of a run on the text that is kept back. */
const measurements = 20;

/** Windows that are kept back: one of so many, and at most so many. */
const heldBackShare = 12;
const mostHeldBack = 16;

/**
 * @throws QuantscopeError REQUEST for a file that is not GGUF, for one of which nothing can be trained, and for a text with fewer than two
 * windows, or fewer than a step has.
 */
export async function planRefinement(
  start: Model,
  original: Model,
  params: RefinementParams,
  signal: AbortSignal,
): Promise<PlannedRefinement> {
  const { path } = start.description;
  if (!start.gguf)
    throw new QuantscopeError('REQUEST', said`Only GGUF files can be refined: export the model first.`, {
      file: path,
    });
  await requireForwardPass(start);
  const tokenizer = await openForText(original, signal);
  const originals = new Map(
    (await ggufView(original, signal)).tensors.map((tensor) => [tensor.name, tensor]),
  );
  ensureAlike(start.description, originals);
  const parts = params.parts ?? 'codes';
  // The gradient of the table of layers would take as much memory as the table, of which a text uses few rows: it stays as it is.
  const isTrained = (name: string): boolean => originals.has(name) && name !== layerTable;
  const training = planTraining(start.description.tensors, parts, isTrained);
  if (training.slots.size === 0)
    throw new QuantscopeError(
      'REQUEST',
      said`The file has no tensors in common with the original that can be trained.`,
      {
        file: path,
      },
    );
  const where = await runDevice(params.device, signal);
  const contextLength = await contextLengthOf(original, signal);
  const length = params.context ?? Math.min(512, contextLength);
  const wanted = Math.floor((params.tokens ?? usual.tokens) / length);
  const cut = { context: length, windows: Math.max(2, wanted), spread: true };
  const { windows, hash, file } = await planText(params.text, tokenizer, cut, contextLength, signal);
  if (windows.length < 2)
    throw new QuantscopeError(
      'REQUEST',
      said`The text has one window of ${length} tokens; a refinement needs two: one is kept back.`,
      { file },
    );
  const text = { windows, ...splitText(windows.length) };
  const schedule = scheduleOf(text.learned.length, params);
  const key = createHash('sha256').update(
    JSON.stringify([
      ...[contentKey(start.description), contentKey(original.description), hash, schedule, parts],
      ...[where.device, versionsOf(['refinement', 'states'])],
    ]),
  );
  const store = new RefinementStore(join(params.cacheDir, 'refinement', key.digest('hex')));
  return { start, original, where, length, text, textHash: hash, schedule, training, store };
}

/** @throws QuantscopeError REQUEST naming a tensor of another shape. */
function ensureAlike(
  { path, tensors }: ModelDescription,
  originals: ReadonlyMap<string, ConvertedTensor>,
): void {
  for (const { name, shape } of tensors) {
    const other = originals.get(name)?.shape;
    if (!other || describeShape(other) === describeShape(shape)) continue;
    const message = said`The tensor has the shape ${describeShape(shape)}, that of the original ${describeShape(other)}: the file was not made from it.`;
    throw new QuantscopeError('REQUEST', message, { file: path, tensor: name });
  }
}

/** Without dimensions of size 1. */
const describeShape = (shape: readonly number[]): string => shape.filter((size) => size !== 1).join(' × ');

/** @param learned windows that are learned. */
function scheduleOf(
  learned: number,
  { text: file, steps = usual.steps, batch = Math.min(usual.batch, learned) }: RefinementParams,
): RefinementSchedule {
  if (batch > learned) {
    const message = said`A step cannot have ${batch} windows: the text has ${plural(learned, 'window')} to learn from.`;
    throw new QuantscopeError('REQUEST', message, { file });
  }
  return { steps, batch, every: Math.max(1, Math.round(steps / measurements)) };
}

/** Windows that are learned and those that are kept back, which are spread over the text. */
export function splitText(windows: number): Pick<RefinementText, 'learned' | 'heldBack'> {
  const count = Math.min(mostHeldBack, Math.max(1, Math.round(windows / heldBackShare)));
  const heldBack = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * windows) / count));
  const all = Array.from({ length: windows }, (_, index) => index);
  return { learned: all.filter((index) => !heldBack.includes(index)), heldBack };
}
