import type { Spread } from './targets';
import { inLanguage, said } from './said';

/** Figures of a run over a text in which tensors were changed one by one. */
export interface GainsRun {
  /** KL divergence that rounding in float32 alone causes, nats per token: smaller figures are not meaningful. */
  readonly noise: number;
  /** −ln p of the text's tokens by the unchanged model, nats per token; and by chance, ln of the vocabulary. */
  readonly loss: number;
  readonly chance: number;
  /** Name of the model that was run, where it is another one of the same shapes. */
  readonly model?: string;
  /** Divergences of tensors of blocks follow from gradients of one backward pass; absent where each tensor was changed. */
  readonly by?: 'curvature';
  /** Absent where no change of a tensor could be told from noise. */
  readonly spread?: Spread;
}

/** The run over a text that gains come from. */
export interface GainsSource extends GainsRun {
  /** File of the text. */
  readonly text: string;
  /** SHA-256 of its tokens and windows. */
  readonly hash: string;
  /** Tokens that were scored, in windows of `context`. */
  readonly tokens: number;
  readonly context: number;
  /** Where gains were measured in some blocks and interpolated in the others. */
  readonly sample?: GainsSample;
  /** Most tensors were measured in the format for plans of few bits. */
  readonly fewBits?: true;
}

/** Fewest blocks that a sample can have: the first, the last, and one between them that tells how exact interpolation is. */
export const leastSampledBlocks = 3;

/** Blocks of a model whose gains were measured; the others have gains interpolated by role over depth. */
export interface GainsSample {
  readonly measured: number;
  /** Of the model. */
  readonly blocks: number;
  /** Geometric standard deviation of interpolated / measured gain, each measured one being left out in turn; absent where it is not known. */
  readonly deviation?: number;
}

/** "interpolated from 8 of 32 blocks". */
export const sampleText = ({ measured, blocks }: GainsSample): string =>
  inLanguage(said`interpolated from ${measured} of ${blocks} blocks`);

/** Whether a tensor, by its name in GGUF, is one of a block: of those, divergences can follow from gradients. */
export const isInBlock = (tensor: string): boolean => /^blk\.\d+\./.test(tensor);

/** The text that the gains of a plan were measured over; the file without its folder. */
export type GainsText = Omit<GainsSource, 'noise' | 'spread'>;

/** A model whose loss is at least this share of that by chance has not learned to predict such a text. */
const untrained = 0.95;

/** That a model does not predict the text of its gains better than chance, as a sentence; undefined where it does. */
export function chanceNote({
  text,
  loss,
  chance,
}: Pick<GainsText, 'text' | 'loss' | 'chance'>): string | undefined {
  if (loss < untrained * chance) return undefined;
  const [nats, ofChance] = [loss.toFixed(2), chance.toFixed(2)];
  return said`The model predicts ${text} no better than chance (${nats} nats per token, ${ofChance} by chance): it was not trained, or not on such texts, and there is no gain to expect from a plan.`;
}
