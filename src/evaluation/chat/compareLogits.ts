import { QuantscopeError } from '../../model/errors';
import type { ChatSide } from '../../protocol/chat';
import { said } from '../../protocol/said';

/** What two models say of the token that follows. */
export type LogitPair = Readonly<Record<ChatSide, Float32Array>>;

export interface ComparedLogits {
  /** Σ p ln(p / q) over the vocabulary, p of the original and q of the variant: nats. */
  readonly divergence: number;
  readonly probability: (token: number) => Readonly<Record<ChatSide, number>>;
  /** The most probable tokens of both, by their probability in the original. */
  readonly candidates: readonly number[];
}

/** Tokens of each model among the candidates. */
const perModel = 4;

/** @throws QuantscopeError UNSUPPORTED for logits that are NaN or infinite. */
export function compareLogits({ original, variant }: LogitPair): ComparedLogits {
  const normalizers = { original: normalizer(original, 'original'), variant: normalizer(variant, 'variant') };
  let divergence = 0;
  for (let token = 0; token < original.length; token++) {
    const [own, other] = [original[token]! - normalizers.original, variant[token]! - normalizers.variant];
    divergence += Math.exp(own) * (own - other);
  }
  const candidates = new Set([...mostProbable(original), ...mostProbable(variant)]);
  return {
    // Below 0 it is a rounding.
    divergence: Math.max(0, divergence),
    probability: (token) => ({
      original: Math.exp(original[token]! - normalizers.original),
      variant: Math.exp(variant[token]! - normalizers.variant),
    }),
    candidates: [...candidates].sort((a, b) => original[b]! - original[a]!),
  };
}

/** ln Σ e^logit. */
function normalizer(logits: Float32Array, side: ChatSide): number {
  const top = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - top), 0);
  const result = top + Math.log(sum);
  if (Number.isFinite(result) && !logits.includes(-Infinity)) return result;
  const message = said`The ${side} gives logits that are not finite: the weights, or what the formats make of them, overflow.`;
  throw new QuantscopeError('UNSUPPORTED', message);
}

function mostProbable(logits: Float32Array): number[] {
  const found: number[] = [];
  for (let token = 0; token < logits.length; token++) {
    if (found.length === perModel && logits[token]! <= logits[found.at(-1)!]!) continue;
    const at = found.findIndex((other) => logits[token]! > logits[other]!);
    found.splice(at < 0 ? found.length : at, 0, token);
    found.length = Math.min(found.length, perModel);
  }
  return found;
}
