import type { DeviceChoice } from './device';

/** One tensor of an ONNX file. */
export interface OnnxTensor {
  /** In GGUF's terms: "blk.0.attn_q.weight". */
  readonly name: string;
  /** Dtype in the model. */
  readonly from: string;
  /** How it is stored: "F32", "MatMulNBits 4 bit in groups of 32". */
  readonly to: string;
  /** `[out, in]`. */
  readonly shape: readonly number[];
  /** With scales and zero points. */
  readonly bytes: number;
}

/** What an ONNX export will write. */
export interface OnnxPreview {
  readonly tensors: readonly OnnxTensor[];
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Of all files. */
  readonly fileBytes: number;
  /** Weights of all tensors. */
  readonly parameters: number;
  readonly bitsPerWeight: number;
  /** What was chosen or left out, as sentences. */
  readonly notes: readonly string[];
}

export interface OnnxResult extends OnnxPreview {
  /** The folder. */
  readonly out: string;
  readonly seconds: number;
}

/** A way to store weights, as lists show it. `id` is what users type: "matmulnbits-4". */
export interface OnnxForm {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  /** Inputs are rounded by ranges from a calibration text. */
  readonly needsText?: boolean;
}

/** How the range of an input follows from what was measured of it. */
export const inputRanges = ['minmax', 'percentile', 'entropy'] as const;
export type InputRange = (typeof inputRanges)[number];

/** What to write as ONNX, and how. */
export interface OnnxSettings {
  /** Id of a form of weights. */
  weights: string;
  /** Id of the method that finds codes; rounding to nearest when absent. */
  method?: string;
  /** Weights that share a scale; the form's usual number when absent. */
  blockSize?: number;
  /** Codes with zero points. */
  asymmetric?: boolean;
  /** Of weights that are not quantized: F32 when absent, F16 or BF16. */
  floats?: string;
  /** The output matrix is quantized too. */
  quantizeOutput?: boolean;
  /** Weights in a file of their own, however small they are. */
  external?: boolean;
  /** No inputs and outputs of keys and values of earlier tokens. */
  withoutPast?: boolean;
  /** Files lie where transformers.js looks for them: `onnx/model_q4.onnx` below config.json. */
  transformersJs?: boolean;
  /** Tokens of the longest text; the model's context length when absent. */
  positions?: number;
  /** Arithmetic of MatMulNBits: 0 as the operator chooses, 1 to 4 in 32, 16, 16 (brain) and 8 bits. */
  accuracyLevel?: number;
  /** Matrices, as the model spells them, that become models of their own; the whole model when absent. */
  layers?: readonly string[];
  /** Text for methods and ranges that need to know the inputs of matrices, and how ranges follow from them. */
  text?: string;
  inputRange?: InputRange;
}

export interface OnnxParams extends OnnxSettings {
  /** The folder to write into. */
  out: string;
  threads?: number;
  /** For a calibration pass: where it runs, and the folder where its results are kept. */
  device?: DeviceChoice;
  cacheDir?: string;
}
