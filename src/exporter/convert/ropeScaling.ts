import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';

/** How rotary frequencies are stretched for long contexts. */
export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  /** Divisors of each frequency: what GGUF keeps in the tensor `rope_freqs.weight`. */
  | { readonly kind: 'factors'; readonly factors: Float32Array };

interface RopeShape {
  readonly ropeTheta: number;
  readonly headSize: number;
  readonly contextLength: number;
}

/**
 * Reads `rope_scaling` (or `rope_parameters`) of config.json.
 * @throws QuantscopeError UNSUPPORTED for a kind that cannot be written, MODEL_FILE for impossible numbers.
 */
export function parseRopeScaling(value: unknown, shape: RopeShape, file: string): RopeScaling {
  if (!isRecord(value)) return { kind: 'none' };
  const kind = value['rope_type'] ?? value['type'] ?? 'default';
  const number = (key: string, fallback: number): number => {
    const found = value[key] ?? fallback;
    if (typeof found === 'number' && Number.isFinite(found) && found > 0) return found;
    const message = `"${key}" of the rope scaling is ${JSON.stringify(found)}; a positive number is needed.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  };
  if (kind === 'default') return { kind: 'none' };
  if (kind === 'linear') return { kind: 'linear', factor: number('factor', 1) };
  if (kind === 'llama3') {
    const factors = llama3Factors(shape, {
      factor: number('factor', 8),
      low: number('low_freq_factor', 1),
      high: number('high_freq_factor', 4),
      context: number('original_max_position_embeddings', 8192),
    });
    return { kind: 'factors', factors };
  }
  const message = `Rope scaling of type ${JSON.stringify(kind)} cannot be exported; supported are linear and llama3.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

interface Llama3 {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  /** Context length of the training before the stretch. */
  readonly context: number;
}

/**
 * Divisor of each rotary frequency under Llama 3.1's scaling: 1 for short wavelengths, `factor` for long ones, and a smooth
 * step between (Llama 3.1 reference code, `apply_scaling`).
 */
function llama3Factors(
  { ropeTheta, headSize }: RopeShape,
  { factor, low, high, context }: Llama3,
): Float32Array {
  return Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const frequency = Math.fround(1 / Math.fround(ropeTheta ** Math.fround((2 * i) / headSize)));
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
