import type { EvidenceKind, MethodOptions } from '../protocol/recipe';
import type { Evidence, Method } from './methods/method';
import type { WeightTransforms } from './transforms';

/**
 * Channels of an output whose covariance is kept as a matrix: 512 MiB in float64. Of more only the diagonal is kept: the up and gate
 * matrices of models of 7 B weights and more have 11,000 to 28,000, the rest of a block at most this many.
 */
export const maxCovariance = 8192;

/** What a calibration pass measured of a model's matrices, read one matrix at a time. */
export interface EvidenceSource {
  /** The text that the model was run over, and how much of it. */
  readonly text: {
    readonly path: string;
    readonly tokens: number;
    /** SHA-256 of the text as it was used, in hexadecimal digits. */
    readonly hash: string;
  };
  /** What the user should know of it, as sentences. */
  readonly notes: readonly string[];
  /** Names in GGUF of the tensors whose rows are known to differ in what they do to the predictions. */
  readonly outputs: ReadonlySet<string>;
  /**
   * The evidence of a matrix: importance, mean and largest magnitude of its inputs, and what else a method needs. Gradients are absent where
   * they could not be measured, which a note says.
   * @param tensor its name as the checkpoint spells it.
   * @returns an empty object for a tensor whose inputs were not measured. An expert that no token reached has the evidence of all others
   * together.
   * @throws QuantscopeError REQUEST when the pass did not measure what is needed, IO when what was kept cannot be read.
   */
  for(tensor: string, needs: EvidenceKind, options?: EvidenceRequest): Promise<Evidence>;
}

export interface EvidenceRequest {
  /** Which of the experts that are merged in the tensor; without it, all of them together. */
  readonly expert?: number;
  /** What the rows of the matrix are; without it, those of the tensor in the order of the checkpoint, where they are one matrix of a GGUF file. */
  readonly output?: OutputRows;
  /** The order of the inputs: that of a GGUF file, where it differs from that of the checkpoint (Qwen 3.5). */
  readonly columns?: 'gguf';
  readonly signal?: AbortSignal | undefined;
}

/** Rows whose gradients are requested. */
export interface OutputRows {
  /** Its name in GGUF. */
  readonly tensor: string;
  /** Which of the experts that are merged in it. */
  readonly expert?: number;
  /** GGUF has the rows of queries and keys in another order than the checkpoints of some architectures; the forward pass has them as these do. */
  readonly order: 'gguf' | 'checkpoint';
}

type Needs = Pick<Method, 'evidence' | 'evidenceOf' | 'improvedBy'>;

/** What a method must know with some options. */
export const methodEvidence = (method: Needs, options: MethodOptions = {}): EvidenceKind =>
  method.evidenceOf?.(options) ?? method.evidence;

/** What a method uses of a calibration, where there is one. */
export function usedEvidence(method: Needs, isCalibrated: boolean, options?: MethodOptions): EvidenceKind {
  const needed = methodEvidence(method, options);
  return needed === 'none' && isCalibrated ? (method.improvedBy ?? 'none') : needed;
}

/**
 * What was known of a matrix that a method was to use `kind` for: the weights alone where its inputs were not measured, the Hessian alone
 * where gradients at its outputs were not. Their diagonal alone changes no code (docs/METHODS.md).
 */
export function foundEvidence(kind: EvidenceKind, found: Evidence | undefined): EvidenceKind {
  const { importance, hessian, inputs, gradients } = found ?? {};
  const outputs = gradients?.covariance ?? gradients?.own;
  const measured = { none: undefined, importance, hessian, activations: inputs, gradients: outputs }[kind];
  if (measured) return kind;
  return kind === 'gradients' ? foundEvidence('hessian', found) : 'none';
}

/**
 * The evidence of matrices whose columns are scaled: inputs are divided by the same factors. Gradients at rows that are divided are left out,
 * as they are in another order than the divisors.
 */
export function scaledEvidence(source: EvidenceSource, transforms: WeightTransforms): EvidenceSource {
  return {
    ...source,
    async for(tensor, needs, options = {}) {
      const { columnScales: scales, rowDivisors } = transforms.get(tensor) ?? {};
      const { gradients, ...inputs } = await source.for(tensor, needs, options);
      const found: Evidence = rowDivisors || !gradients ? inputs : { ...inputs, gradients };
      const columns = found.importance?.length;
      if (!scales || columns === undefined) return found;
      const first = (options.expert ?? 0) * columns;
      return divided(found, scales.length === columns ? scales : scales.subarray(first, first + columns));
    },
  };
}

function divided(evidence: Evidence, scales: Float32Array): Evidence {
  const { importance, mean, largest, hessian, inputs, gradients } = evidence;
  const columns = scales.length;
  const by = (values: Float32Array): Float32Array => values.map((value, i) => value / scales[i % columns]!);
  return {
    ...(importance ? { importance: by(by(importance)) } : {}),
    ...(mean ? { mean: by(mean) } : {}),
    ...(largest ? { largest: by(largest) } : {}),
    ...(inputs ? { inputs: by(inputs) } : {}),
    // Inputs of single rows are those of the output matrix, whose columns are not scaled.
    ...(gradients ? { gradients } : {}),
    ...(hessian
      ? {
          hessian: hessian.map((value, i) => value / scales[i % columns]! / scales[Math.floor(i / columns)]!),
        }
      : {}),
  };
}
