import type { ProductGradients } from '../graph/transformer/gradientReports';
import { loadNative } from '../native';
import { maxCovariance } from '../quant/evidence';
import type { OwnEntries } from './ownInputs';

/** Gradients at the output of a matrix, summed over tokens. */
export interface OutputGradients {
  /** Its name in GGUF. */
  readonly tensor: string;
  /** Which of the experts that are merged in the tensor. */
  readonly expert?: number;
  /** Tokens that were added up: those that went through the matrix. */
  readonly tokens: number;
  /** Σ g², one per channel of the output. */
  readonly diagonal: Float64Array;
  /** Σ g gᵀ, `[rows, rows]`; absent for outputs of more channels than `maxCovariance`. */
  readonly covariance?: Float64Array;
  /** Of the output matrix: which inputs count for single rows. The inputs are valid until they have been received. */
  readonly own?: OwnEntries & { readonly inputs: InputPieces };
}

/** Inputs `[tokens, columns]`, piece by piece. */
export interface InputPieces {
  readonly tokens: number;
  readonly columns: number;
  readonly pieces: () => Iterable<{ readonly piece: Float32Array }>;
}

/** Adds up the gradients at the outputs of the matrices of a block, or of an expert, in float64. */
export class GradientSums {
  private readonly found = new Map<string, OutputGradients>();

  /** @param limit channels whose covariance is kept. */
  constructor(private readonly limit = maxCovariance) {}

  /** Adds those of a run. @throws QuantscopeError CANCELLED. */
  async add(product: ProductGradients, signal?: AbortSignal): Promise<void> {
    const { tensor, expert, rows, gradients } = product;
    const key = `${tensor} ${expert}`;
    const known = this.found.get(key) ?? this.start(product);
    const { diagonal, covariance } = known;
    if (covariance) await loadNative().accumulateGram(gradients, rows, covariance, signal);
    for (let i = 0; i < gradients.length; i++) diagonal[i % rows]! += gradients[i]! ** 2;
    this.found.set(key, { ...known, tokens: known.tokens + gradients.length / rows });
  }

  finish(): OutputGradients[] {
    return [...this.found.values()];
  }

  private start({ tensor, expert, rows }: ProductGradients): OutputGradients {
    return {
      ...{ tensor, tokens: 0, diagonal: new Float64Array(rows) },
      ...(expert === undefined ? {} : { expert }),
      ...(rows <= this.limit ? { covariance: new Float64Array(rows * rows) } : {}),
    };
  }
}
