import type { SamplingSettings } from '../../protocol/chat';

/**
 * The token that follows. With a temperature it is the largest of logit / temperature + noise, where the noise is drawn from Gumbel's
 * distribution (Maddison et al. 2014): each token has its softmax probability. The noise depends on seed, position and token only, so that
 * two models choose the same token unless their probabilities differ.
 * @param logits of the whole vocabulary.
 * @param position of the token in the text.
 */
export function chooseToken(logits: Float32Array, position: number, settings: SamplingSettings): number {
  const { temperature = 0, topP = 1, seed = 0 } = settings;
  if (temperature === 0) return largest(logits, (logit) => logit);
  const least = topP < 1 ? leastLogit(logits, temperature, topP) : -Infinity;
  return largest(logits, (logit, token) =>
    logit < least ? -Infinity : logit / temperature - Math.log(-Math.log(uniform(seed, position, token))),
  );
}

function largest(logits: Float32Array, score: (logit: number, token: number) => number): number {
  let [best, at] = [-Infinity, 0];
  for (let token = 0; token < logits.length; token++) {
    const value = score(logits[token]!, token);
    if (value > best) [best, at] = [value, token];
  }
  return at;
}

/** The logit of the last of the most probable tokens that together have the share `topP`. */
function leastLogit(logits: Float32Array, temperature: number, topP: number): number {
  const sorted = logits.toSorted();
  const top = sorted.at(-1)!;
  const weight = (logit: number): number => Math.exp((logit - top) / temperature);
  const wanted = topP * sorted.reduce((sum, logit) => sum + weight(logit), 0);
  let sum = 0;
  for (let i = sorted.length - 1; i >= 0; i--) {
    sum += weight(sorted[i]!);
    if (sum >= wanted) return sorted[i]!;
  }
  return -Infinity;
}

/** A number between 0 and 1, both excluded: a hash of the three (the finalizer of MurmurHash3, Appleby). */
function uniform(seed: number, position: number, token: number): number {
  let hash = mixed(mixed(mixed(seed) ^ position) ^ token);
  // 52 bits: with fewer, the largest noise of a long vocabulary would often be shared by several tokens.
  const high = hash >>> 0;
  hash = mixed(hash ^ 0x9e3779b9);
  return (high * 2 ** 20 + (hash >>> 12) + 0.5) / 2 ** 52;
}

function mixed(value: number): number {
  let hash = Math.imul(value ^ 0x5bd1e995, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
