import type { EvaluationSettings, WeightVariant } from './evaluation';
import type { ModelRef } from './model';

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What a model is compared with: other weights of its own, or another model with the same vocabulary. */
export interface ChatVariant extends WeightVariant {
  /** A GGUF file or a checkpoint. */
  readonly other?: string;
}

/** The variant of a page: the plan of the editor where it is asked for. */
export type PanelVariant = ChatVariant & { readonly usePlan?: boolean };

/** Which model's probabilities a text was chosen by. */
export type ChatSide = 'original' | 'variant';

/** How a token is chosen. Both models draw with the same noise, so that they differ only where their probabilities do. */
export interface SamplingSettings {
  /** Of the probabilities that tokens are drawn from; 0, the default, takes the most probable one. */
  readonly temperature?: number;
  /** Draws from the most probable tokens that have this share of the probability together; 1 when absent. */
  readonly topP?: number;
  /** Of the noise; 0 when absent. */
  readonly seed?: number;
}

export interface ChatSettings extends SamplingSettings, Pick<EvaluationSettings, 'memory' | 'device'> {
  readonly variant: ChatVariant;
  /** The conversation so far; the models say what comes next. */
  readonly messages: readonly ChatMessage[];
  /** Most tokens of an answer; 128 when absent. */
  readonly tokens?: number;
  /** Texts that end an answer, and are no part of it. */
  readonly stop?: readonly string[];
}

/** What a page asks for; where it runs is a setting of the editor. */
export type PanelChat = Omit<ChatSettings, 'variant' | 'device'> & { readonly variant: PanelVariant };

export interface ChatParams extends ModelRef, ChatSettings {
  /** Folder where evidence of recipes is kept. */
  readonly cacheDir: string;
  readonly threads?: number;
}

/** A token that was among the most probable ones of a model. */
export interface ChatCandidate {
  readonly text: string;
  readonly original: number;
  readonly variant: number;
}

/** A token of an answer, with what both models said of it after the same tokens before it. */
export interface ChatToken {
  readonly id: number;
  readonly text: string;
  /** KL divergence of the variant from the original over the whole vocabulary, at temperature 1: nats. */
  readonly divergence: number;
  /** What the model that did not choose this token would have chosen, where it is another one. */
  readonly instead?: string;
  readonly probability: Readonly<Record<ChatSide, number>>;
  /** The most probable tokens of both, by their probability in the original. */
  readonly candidates: readonly ChatCandidate[];
}

/** Why an answer ended: by a token that ends a turn or a text, by a stop text, at its most tokens, or at the end of the context. */
export type ChatEnd = 'token' | 'stop' | 'length' | 'context';

export interface ChatText {
  /** Without the token or text that ended it. */
  readonly text: string;
  /** With the token that ended it. */
  readonly tokens: readonly ChatToken[];
  readonly end: ChatEnd;
}

export interface ChatResult extends Readonly<Record<ChatSide, ChatText>> {
  /** What the variant is called. */
  readonly label: string;
  /** Whether the conversation was written with the chat template of the model; without one, the models go on with its text. */
  readonly hasTemplate: boolean;
  /** Ids of the tokens before the answers. */
  readonly prompt: readonly number[];
  /** How many of them both models had read in an earlier turn. */
  readonly reused: number;
  readonly memory: 'whole' | 'streamed';
  readonly deviceLabel: string;
  readonly seconds: number;
}

/** An answer that is being written: texts of tokens and their divergences. */
export type ChatLine = readonly (readonly [text: string, divergence: number])[];

/** Answers so far. */
export type ChatProgress = Readonly<Record<ChatSide, ChatLine>>;

export interface CausesParams extends ModelRef, Pick<ChatSettings, 'variant' | 'device'> {
  readonly cacheDir: string;
  /** Ids of all tokens before the one that is asked about. */
  readonly tokens: readonly number[];
  readonly threads?: number;
}

/** What the error of one tensor adds to the divergence of a token. */
export interface TensorCause {
  /** Its name in GGUF. */
  readonly tensor: string;
  /** Nats; negative where the error makes up for others. */
  readonly effect: number;
  /** Of the sum over all tensors. */
  readonly share: number;
}

export interface CausesResult {
  /** KL divergence of the token that comes next: nats. */
  readonly divergence: number;
  /** The sum over all tensors; equal to the divergence as far as that is a quadratic function of the errors. */
  readonly sum: number;
  /** Tensors that differ, by their effect, largest first. */
  readonly tensors: readonly TensorCause[];
  readonly seconds: number;
}
