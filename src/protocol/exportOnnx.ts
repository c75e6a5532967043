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
