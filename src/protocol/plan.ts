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

export interface SensitivityRow {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly weights: number;
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
  /** All parameters of the model, measured tensors and others. */
  readonly parameters: number;
  /** Bytes of everything that is not in `rows` and is written as it is (norms, biases). */
  readonly fixedBytes: number;
  readonly fixedParameters: number;
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
  readonly tensor: string;
  readonly format: string;
  readonly bitsPerWeight: number;
  readonly bytes: number;
  readonly relativeSquaredError: number;
}

/** The content of a `*.ampq.json` file (schema: `schemas/ampq.schema.json`). */
export interface Plan {
  readonly version: 1;
  readonly model: { readonly name: string; readonly hash: string; readonly parameters: number };
  readonly budget: Budget;
  readonly total: {
    /** Tensor data of the whole model, bytes. */
    readonly bytes: number;
    /** Of the assigned tensors. */
    readonly bitsPerWeight: number;
    /** Σ relative squared error × weights / Σ weights over the assigned tensors: what the plan minimises without a text. */
    readonly error: number;
    /** Σ relative squared error × gain, nats per token: the KL divergence to expect, which the plan minimises where it is known. */
    readonly divergence?: number;
  };
  /** Measured tensors, in file order. Tensors not listed keep the exporter's rule for unquantized tensors. */
  readonly assignments: readonly PlanAssignment[];
}
