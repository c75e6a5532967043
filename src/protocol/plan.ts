/** One measured cell of the sensitivity table. */
export interface SensitivityCell {
  readonly format: string;
  /** Exact size of the tensor in that format, bytes. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  /** Σ(x − x')² / Σx². */
  readonly relativeSquaredError: number;
  readonly sqnr: number;
  readonly maxError: number;
  /** What computed it. */
  readonly device: Device;
}

/** A tensor that a plan can give a format: one that the exported file will have, so that merged experts are one row. */
export interface SensitivityRow {
  /** Name in the exported file; in the model itself where no file can be exported. */
  readonly tensor: string;
  /** Names of the model's tensors that it is made of. */
  readonly sources: readonly string[];
  /** In the exported file, outermost dimension first. */
  readonly shape: readonly number[];
  readonly weights: number;
  /** How the tensor is written without loss: in the type that the model has it in, or F32. */
  readonly lossless: { readonly format: string; readonly bytes: number };
  /**
   * KL divergence of the model's output (nats per token) per unit of relative squared error of this tensor; only where the model was
   * run over a text.
   */
  readonly gain?: number;
  readonly cells: readonly SensitivityCell[];
}

export interface SensitivityTable {
  /** SHA-256 over the identities of the model's files. */
  readonly modelHash: string;
  readonly modelPath: string;
  /** All parameters of the exported file, those of `rows` and others. */
  readonly parameters: number;
  /** Bytes of everything that no format can be chosen for, as it will be written: norms, biases, routers, computed tensors. */
  readonly fixedBytes: number;
  readonly fixedParameters: number;
  /** Why no GGUF file can be made of the model; then rows are the tensors of the model itself, and sizes an estimate. */
  readonly notExportable?: string;
  /** The text that gains come from, and its tokens. */
  readonly gainsFrom?: { readonly text: string; readonly tokens: number };
  readonly rows: readonly SensitivityRow[];
}

/** `cuda` and `webgpu` are ONNX Runtime's providers, `ort-cpu` its CPU provider (for checks), `cpu` the native addon. */
export type Device = 'cuda' | 'webgpu' | 'ort-cpu' | 'cpu';
export type DeviceChoice = Device | 'auto';

export interface DeviceReport {
  readonly chosen: Device;
  /** "NVIDIA H200", "native addon, AVX-512": what the status bar shows. */
  readonly label: string;
  /** Faster devices that were tried or ruled out, with the reason, in order of preference. */
  readonly refused: readonly { readonly device: Device; readonly reason: string }[];
}

export type Budget =
  /** Average over the assigned tensors: 8 × their bytes / their weights. */
  | { readonly kind: 'bits-per-weight'; readonly value: number }
  /** Size of the whole exported file, bytes. */
  | { readonly kind: 'bytes'; readonly value: number };

export interface PlanAssignment {
  /** Name in the exported file; in the model itself where no file can be exported. */
  readonly tensor: string;
  /** Names of the model's tensors that it is made of. */
  readonly sources: readonly string[];
  readonly format: string;
  readonly bitsPerWeight: number;
  readonly bytes: number;
  /** Absent where it was not measured in this format: after the format was changed by hand. */
  readonly relativeSquaredError?: number;
  /** KL divergence per unit of relative squared error, nats per token; where it was measured. */
  readonly gain?: number;
}

/** The content of a `*.ampq.json` file (schema: `schemas/ampq.schema.json`). */
export interface Plan {
  readonly version: 2;
  readonly model: { readonly name: string; readonly hash: string; readonly parameters: number };
  readonly budget: Budget;
  readonly total: {
    /** Tensor data of the whole model, bytes. */
    readonly bytes: number;
    /** Of the assigned tensors. */
    readonly bitsPerWeight: number;
    /** Σ relative squared error × weights / Σ weights over the assigned tensors; where all errors are known. */
    readonly error?: number;
    /** Σ relative squared error × gain, nats per token: the KL divergence to expect; where all errors and gains are known. */
    readonly divergence?: number;
  };
  /** In the order of the exported file. Matrices that are not listed are written as F16. */
  readonly assignments: readonly PlanAssignment[];
}

/** The assignment of a tensor, by its name in the exported file or by that of a tensor of the model that it is made of. */
export function assignmentOf(plan: Plan, tensor: string): PlanAssignment | undefined {
  return (
    plan.assignments.find((item) => item.tensor === tensor) ??
    plan.assignments.find(({ sources }) => sources.includes(tensor))
  );
}

/** The row of a tensor, by the same names. */
export function rowOf(table: SensitivityTable, tensor: string): SensitivityRow | undefined {
  return (
    table.rows.find((row) => row.tensor === tensor) ??
    table.rows.find(({ sources }) => sources.includes(tensor))
  );
}

/**
 * Ways to write a tensor that a plan can choose from: cells with a finite error, or without loss where there is none (weights too
 * large to have one, nothing measured yet).
 */
export function choicesOf({ cells, lossless, weights }: SensitivityRow): readonly PlanChoice[] {
  const finite = cells.filter(({ relativeSquaredError }) => Number.isFinite(relativeSquaredError));
  if (finite.length > 0) return finite;
  return [{ ...lossless, bitsPerWeight: (8 * lossless.bytes) / weights, relativeSquaredError: 0 }];
}

export type PlanChoice = Pick<SensitivityCell, 'format' | 'bytes' | 'bitsPerWeight' | 'relativeSquaredError'>;

/** Budgets that change anything: from every tensor at its smallest to every tensor at its largest, in bits per weight. */
export function budgetRange({ rows }: SensitivityTable): { min: number; max: number } {
  let [least, most, weights] = [0, 0, 0];
  for (const row of rows) {
    const sizes = choicesOf(row).map(({ bytes }) => bytes);
    least += Math.min(...sizes);
    most += Math.max(...sizes);
    weights += row.weights;
  }
  return { min: (8 * least) / weights, max: (8 * most) / weights };
}
