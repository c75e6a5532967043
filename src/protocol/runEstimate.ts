import * as l10n from '@vscode/l10n';
import type { CacheType, RunSettings } from './fit';
import type { ModelRef } from './model';

/** What the weights of a model are, or become. */
export type RunTarget =
  /** As its files have them. */
  | { readonly kind: 'stored' }
  /** A GGUF file type: "Q4_K_M". */
  | { readonly kind: 'type'; readonly type: string }
  /** A preset of recipes: "bnb-nf4". */
  | { readonly kind: 'recipe'; readonly recipe: string }
  | { readonly kind: 'plan'; readonly planFile: string };

export interface RunEstimateParams extends ModelRef {
  readonly targets: readonly RunTarget[];
  /** Tokens of each sequence; the model's context length where absent, but at most 8,192. */
  readonly context?: number;
  /** Sequences at a time; 1 where absent. */
  readonly sequences?: number;
  /** `f16` where absent. */
  readonly cacheType?: CacheType;
}

/** The weights in one of the targets. */
export interface WeightsEstimate {
  readonly target: RunTarget;
  /** As it is shown: "Q4_K_M", "as stored". */
  readonly label: string;
  /** Absent where the model cannot be written so. */
  readonly weights?: {
    readonly bytes: number;
    readonly bitsPerWeight: number;
    /** Of those that a step over `sequences` tokens reads: all but embeddings that are looked up and experts that none of them uses. */
    readonly readBytes: number;
  };
  /** Why it cannot. */
  readonly failure?: string;
}

/** What a model takes at run time besides its weights. */
export interface RunMemory {
  /** Keys, values and states of all layers, bytes. */
  readonly cacheBytes: number;
  /** Buffers that a batch of tokens is computed in, bytes. */
  readonly computeBytes: number;
  /** Of keys, values and states that a step reads with a full context. */
  readonly readBytes: number;
}

/** Memory and traffic of a model when it generates text. */
export interface RunEstimate {
  readonly settings: RunSettings;
  /** The longest context that the model was trained for. */
  readonly contextLength?: number;
  /** Absent where it is not known. */
  readonly memory?: RunMemory;
  /** Why not, as a sentence. */
  readonly unknown?: string;
  /** Where a figure is only an upper bound, as sentences. */
  readonly notes: readonly string[];
  readonly targets: readonly WeightsEstimate[];
}

/** All of it, bytes; undefined where a part is not known. */
export function totalBytes(
  { memory }: Pick<RunEstimate, 'memory'>,
  { weights }: Pick<WeightsEstimate, 'weights'>,
): number | undefined {
  return weights && memory && weights.bytes + memory.cacheBytes + memory.computeBytes;
}

/**
 * Tokens per second of all sequences together, if memory is all that counts: each step reads the weights it uses and what is kept of the context
 * once. Programs reach some 60 to 85 % of it.
 * @param bandwidth bytes per second.
 */
export function tokensPerSecond(
  { memory, settings }: Pick<RunEstimate, 'memory' | 'settings'>,
  { weights }: Pick<WeightsEstimate, 'weights'>,
  bandwidth: number,
): number | undefined {
  if (!weights) return undefined;
  const read = weights.readBytes + (memory?.readBytes ?? 0);
  return read === 0 ? undefined : (settings.sequences * bandwidth) / read;
}

/** What the figures assume, as sentences by what they are about. */
export const assumptions = {
  bytes: l10n.t(
    'Weights are the exact bytes of the tensors in the format; keys, values, states and buffers are those of llama.cpp with flash attention, for batches of 512 tokens.',
  ),
  speed: l10n.t(
    'Tokens per second are bandwidth / bytes that a step reads: the weights that it uses, once for all sequences, and all that is kept of a full context. Programs reach some 60 to 85 % of it.',
  ),
  memory: l10n.t('The system and the driver take some of a memory, too.'),
} as const;
