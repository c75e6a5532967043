import type { DoubleQuantization, Grid, GroupShape, Levels } from '../../protocol/grids';

/**
 * Grids of the libraries that people load checkpoints with: the same scales, zero points and codes, bit for bit, where the library's
 * rounding is deterministic. Each names the function that it follows. `dtype` is that of the model's weights, in which some compute.
 */
export type WeightDtype = 'F32' | 'F16' | 'BF16';

const signed = (bits: number): Levels => ({ kind: 'integer', bits, signed: true });
const unsigned = (bits: number): Levels => ({ kind: 'integer', bits, signed: false });
export const e4m3 = { kind: 'float', exponent: 4, mantissa: 3, special: 'nan' } as const satisfies Levels;
export const e2m1 = { kind: 'float', exponent: 2, mantissa: 1, special: 'finite' } as const satisfies Levels;
export const e5m2 = { kind: 'float', exponent: 5, mantissa: 2, special: 'ieee' } as const satisfies Levels;

const computedIn = (dtype: WeightDtype): Pick<Grid, 'arithmetic'> =>
  dtype === 'F32' ? {} : { arithmetic: dtype };

/** bitsandbytes 4 bit (`quantize_4bit`): blocks of the flattened tensor, x · (1 / absmax), the nearest entry of the table. */
export function bitsandbytes4bit(
  table: 'nf4' | 'fp4',
  block: number,
  options: { readonly nested?: boolean } = {},
): Grid {
  const double: DoubleQuantization = { block: 256 };
  return {
    levels: { kind: 'table', table },
    group: { flat: block },
    rule: { kind: 'absmax', divisor: 1 },
    scale: 'F32',
    rounding: { by: 'reciprocal' },
    ...(options.nested ? { double } : {}),
  };
}

/** bitsandbytes 8 bit (`int8_vectorwise_quant`): weights in half precision, 127 codes to the absmax of a row, which is stored. */
export const bitsandbytes8bit: Grid = {
  levels: { kind: 'integer', bits: 8, signed: true, narrow: true },
  group: 'row',
  rule: { kind: 'absmax', divisor: 1 },
  scale: 'F32',
  weights: 'F16',
  perScale: 127,
  rounding: { by: 'reciprocal' },
};

/** LLM.int8: the same with columns of outliers kept in half precision. */
export const llmInt8: Grid = { ...bitsandbytes8bit, outliers: true };

/**
 * GPTQ (`Quantizer.find_params`): codes with the scales before these are stored in half precision. Symmetric codes are signed; files hold them
 * with 2^(bits − 1) added. A symmetric group without negative weights uses half of the scale.
 */
export function gptq(bits: number, group: GroupShape, symmetric: boolean): Grid {
  return {
    ...(symmetric
      ? {
          levels: signed(bits),
          rule: { kind: 'absmax', divisor: (2 ** bits - 1) / 2, oneSided: true },
        }
      : { levels: unsigned(bits), rule: { kind: 'range', widened: true }, zero: 'integer' }),
    group,
    scale: 'F16',
    least: { zeros: 1 },
    rounding: { from: 'exact' },
  };
}

/** AutoAWQ (`pseudo_quantize_tensor`), which computes in the dtype of the weights. Without zero points codes are signed and narrow. */
export function awq(
  bits: number,
  group: GroupShape,
  options: { readonly zero?: boolean; readonly dtype?: WeightDtype } = {},
): Grid {
  const { zero = true, dtype = 'F16' } = options;
  return {
    ...(zero
      ? { levels: unsigned(bits), rule: { kind: 'range', widened: false }, zero: 'integer' }
      : { levels: signed(bits), rule: { kind: 'absmax', divisor: 2 ** (bits - 1) - 1 } }),
    group,
    scale: dtype,
    ...computedIn(dtype),
    least: { range: 1e-5 },
  };
}

/** EETQ (`symmetric_quantize`): int8 of half-precision weights, absmax / 128, half away from zero; scales are stored in half precision. */
export const eetq: Grid = {
  levels: signed(8),
  group: 'row',
  rule: { kind: 'absmax', divisor: 128 },
  scale: 'F16',
  weights: 'F16',
  rounding: { half: 'away', from: 'exact' },
};

/** torch.finfo(dtype).eps. */
const epsilon: Readonly<Record<WeightDtype, number>> = { F32: 2 ** -23, F16: 2 ** -10, BF16: 2 ** -7 };

interface CompressedOptions {
  readonly dtype?: WeightDtype;
  readonly symmetric?: boolean;
}

/** compressed-tensors (`calculate_qparams`, `quantize`) of integers: everything in the dtype of the weights. */
export function compressedIntegers(
  bits: number,
  group: GroupShape,
  { dtype = 'BF16', symmetric = true }: CompressedOptions = {},
): Grid {
  return {
    levels: signed(bits),
    group,
    ...(symmetric
      ? { rule: { kind: 'absmax', divisor: (2 ** bits - 1) / 2 } }
      : { rule: { kind: 'range', widened: true }, zero: 'integer' }),
    scale: dtype,
    ...computedIn(dtype),
    least: { scale: epsilon[dtype], zeros: true },
    rounding: { zero: 'before' },
  };
}

/** compressed-tensors FP8: E4M3, absmax / 448. */
export function compressedFloat8(group: GroupShape, { dtype = 'BF16' }: CompressedOptions = {}): Grid {
  return {
    levels: e4m3,
    group,
    rule: { kind: 'absmax', divisor: 448 },
    scale: dtype,
    ...computedIn(dtype),
    least: { scale: epsilon[dtype], zeros: true },
    rounding: { zero: 'before' },
  };
}

/** compressed-tensors NVFP4: E2M1 in groups of 16 with E4M3 scales, times one scale for the tensor. */
export function compressedNvfp4({ dtype = 'BF16' }: CompressedOptions = {}): Grid {
  return {
    levels: e2m1,
    group: 16,
    rule: { kind: 'absmax', divisor: 6 },
    scale: 'F8_E4M3',
    ...computedIn(dtype),
    global: 'divisor',
    least: { scale: 0.125, zeros: true },
    rounding: { zero: 'before' },
  };
}

/** compressed-tensors MXFP4 and MXFP8: groups of 32 with powers of two, rounded up from 1.75. */
export function compressedMx(levels: 'fp4' | 'fp8', { dtype = 'BF16' }: CompressedOptions = {}): Grid {
  return {
    levels: levels === 'fp4' ? e2m1 : e4m3,
    group: 32,
    rule: { kind: 'exponent', largest: levels === 'fp4' ? 2 : 8, up: 1.75 },
    scale: 'F8_E8M0',
    ...computedIn(dtype),
    rounding: { zero: 'before' },
  };
}

/** FP8 of transformers and DeepSeek (`Fp8Quantize`): weights times 448 / absmax, stored as its reciprocal, or that up to a power of two. */
export function float8Blocks(group: GroupShape, options: { readonly powerOfTwo?: boolean } = {}): Grid {
  return {
    levels: e4m3,
    group,
    rule: { kind: 'absmax', divisor: 448 },
    scale: options.powerOfTwo ? 'F8_E8M0' : 'F32',
    rounding: { by: 'inverse' },
  };
}

/** TorchAO int8 weight-only (`Int8Tensor`): absmax over half of the number of codes, rounded to the dtype of the weights. */
export function torchaoInt8(group: GroupShape, dtype: WeightDtype = 'F32'): Grid {
  return {
    levels: signed(8),
    group,
    rule: { kind: 'absmax', divisor: 127.5 },
    scale: dtype,
    least: { scale: epsilon.F32 },
    rounding: { by: 'reciprocal' },
  };
}

/** TorchAO intx weight-only (`choose_qparams_affine`): the same in the dtype of the weights. */
export function torchaoIntegers(bits: number, group: GroupShape, dtype: WeightDtype = 'F32'): Grid {
  return {
    levels: signed(bits),
    group,
    rule: { kind: 'absmax', divisor: (2 ** bits - 1) / 2 },
    scale: dtype,
    ...computedIn(dtype),
    least: { scale: 2 ** -126 },
    rounding: { by: 'reciprocal' },
  };
}

/** TorchAO float8 weight-only: E4M3 per row, absmax / 448 rounded to the dtype of the weights. */
export function torchaoFloat8(dtype: WeightDtype = 'F32'): Grid {
  return { levels: e4m3, group: 'row', rule: { kind: 'absmax', divisor: 448 }, scale: dtype };
}

/** ONNX Runtime's MatMulNBits: the extreme weight becomes code −2^(bits − 1), so that scales have signs; or a range with zero points. */
export function onnxBlocks(bits: number, block: number, symmetric: boolean): Grid {
  return {
    ...(symmetric
      ? { levels: signed(bits), rule: { kind: 'extreme', divisor: -(2 ** (bits - 1)) } }
      : { levels: unsigned(bits), rule: { kind: 'range', widened: true }, zero: 'integer' }),
    group: block,
    scale: 'F32',
    rounding: { by: 'reciprocal', half: 'up', zero: 'before' },
  };
}

/** ONNX Runtime's QDQ and dynamic int8 (`compute_scale_zp`): absmax / 127, or a range with 0 and zero points. */
export function onnxInt8(group: GroupShape, symmetric: boolean): Grid {
  return {
    ...(symmetric
      ? {
          levels: { kind: 'integer', bits: 8, signed: true, narrow: true },
          rule: { kind: 'absmax', divisor: 127 },
        }
      : { levels: unsigned(8), rule: { kind: 'range', widened: true }, zero: 'integer' }),
    group,
    scale: 'F32',
  };
}
