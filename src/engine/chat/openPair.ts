import { basename } from 'node:path';
import type { OrtDevice } from '../../graph/session';
import type { Decoder } from '../../graph/transformer/decoder';
import { openDecoder } from '../../graph/transformer/openDecoder';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { nameFromPath } from '../../model/modelName';
import type { ChatSide, ChatVariant } from '../../protocol/chat';
import type { EvaluationSettings } from '../../protocol/evaluation';
import { said } from '../../protocol/said';
import { requireForwardPass } from '../evaluation/openForText';
import { checkVocabularies } from '../evaluation/sameTokens';
import { keepsWhole } from '../evaluation/runPlan';
import { planVariant } from '../evaluation/weightVariant';
import type { JobContext } from '../job';
import type { PrepareOptions } from '../prepareRecipe';

/** The models of a conversation. */
export interface PairedModels {
  readonly model: Model;
  /** Of another file; absent where the variant's weights are made of the model's. */
  readonly other: Model | undefined;
  readonly variant: ChatVariant;
}

export interface PairOptions extends PrepareOptions, Pick<EvaluationSettings, 'memory'> {
  readonly where: OrtDevice;
  /** Tokens of a text. */
  readonly length: number;
  /** Inputs stay as they are, also where the variant would round them: gradients do not pass a rounding. */
  readonly unrounded?: boolean;
}

/** Both, ready to run. Close them. */
export interface OpenPair {
  readonly decoders: Readonly<Record<ChatSide, Decoder>>;
  /** What the variant is called. */
  readonly label: string;
  /** Whether a tensor, by its name in GGUF, may have other weights in the variant. */
  readonly mayDiffer: (tensor: string) => boolean;
  close(): Promise<void>;
}

/**
 * Opens a model and its variant. Both are kept in memory where there is room for both, else both are read block by block.
 * @throws QuantscopeError REQUEST for a variant that is none or several, or has another vocabulary; as `planVariant` and `openDecoder`.
 */
export async function openPair(
  models: PairedModels,
  options: PairOptions,
  context: JobContext,
): Promise<OpenPair> {
  const { model } = models;
  const { length, where, memory, unrounded } = options;
  const usual = { device: where, length, keep: keepsWhole(where, memory, 2) };
  const changed = await changesOf(models, options, context);
  const original = await openDecoder(model, usual);
  try {
    const { changes, roundInputs, label } = changed;
    const variant = await openDecoder(changed.model ?? model, {
      ...{ ...usual, keep: original.keeps, changes },
      ...(roundInputs && !unrounded ? { roundInputs } : {}),
    });
    const { path } = model.description;
    try {
      checkVocabularies(variant.shape.vocabulary, 'The variant', original.shape.vocabulary, path);
    } catch (error) {
      await variant.close();
      throw error;
    }
    return {
      ...{ decoders: { original, variant }, label },
      mayDiffer: (tensor) => changed.model !== undefined || changes.has(tensor),
      close: async () => {
        try {
          await variant.close();
        } finally {
          await original.close();
        }
      },
    };
  } catch (error) {
    await original.close();
    throw error;
  }
}

/** The weights of the variant, as changes of the model or as a model of their own. */
async function changesOf({ model, other, variant }: PairedModels, options: PairOptions, context: JobContext) {
  const { other: path, ...weights } = variant;
  const named = Object.values(variant).filter((value) => value !== undefined).length;
  if (named !== 1)
    throw new QuantscopeError(
      'REQUEST',
      said`Name one variant: a file, a plan, a file type, a format or a recipe.`,
    );
  if (path === undefined || !other) return planVariant(model, { ...weights, ...options }, context);
  await requireForwardPass(other);
  const label = nameFromPath(other.folder, basename(path));
  return { label, model: other, changes: new Map(), roundInputs: undefined };
}
