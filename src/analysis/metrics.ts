import type { ErrorSums } from '../native';
import type { ErrorMetrics } from '../protocol/analysis';

export const noSums: ErrorSums = { count: 0, source: 0, decoded: 0, error: 0, maxError: 0 };

export function addSums(a: ErrorSums, b: ErrorSums): ErrorSums {
  return {
    count: a.count + b.count,
    source: a.source + b.source,
    decoded: a.decoded + b.decoded,
    error: a.error + b.error,
    maxError: Math.max(a.maxError, b.maxError),
  };
}

/**
 * The usual measures from float64 sums. With S = Σx², D = Σx'² and E = Σ(x − x')²: relative squared error E/S, SQNR
 * 10·log10(S/E) dB, cosine (S + D − E) / (2·√(S·D)).
 */
export function errorMetrics({ count, source, decoded, error, maxError }: ErrorSums): ErrorMetrics {
  const relativeSquaredError = error === 0 ? 0 : error / source;
  const norms = Math.sqrt(source) * Math.sqrt(decoded);
  return {
    mse: count === 0 ? 0 : error / count,
    relativeSquaredError,
    relativeError: Math.sqrt(relativeSquaredError),
    sqnr: error === 0 ? Infinity : 10 * Math.log10(source / error),
    cosine: norms === 0 ? (error === 0 ? 1 : 0) : (source + decoded - error) / (2 * norms),
    maxError,
  };
}
