import { suggestion } from '../../model/closest';
import { QuantscopeError } from '../../model/errors';
import type { Grid } from '../../protocol/grids';
import type { OnnxForm } from '../../protocol/exportOnnx';
import { said } from '../../protocol/said';
import { bitsandbytes4bit, e4m3, onnxBlocks, onnxInt8 } from '../../quant/grids/libraries';
import type { ActivationForm } from './calibrationRanges';
import type { FloatDtype } from './floats';
import type { CodeStorage } from './storage';
import type { TransformersJsDtype } from './transformersJs';

export interface GridOptions {
  /** Weights that share a scale. */
  readonly blockSize?: number | undefined;
  /** Codes with zero points. */
  readonly asymmetric?: boolean | undefined;
}

/** How an export stores weights: floats, or codes of a grid. `id` is what users type. */
export interface WeightForm extends OnnxForm {
  /** Of weights that stay floats. */
  readonly floats?: FloatDtype;
  readonly codes?: {
    readonly storage: CodeStorage;
    /** @throws QuantscopeError REQUEST for options that the form has no place for. */
    readonly grid: (options: GridOptions) => Grid;
  };
  /** Inputs of matrices are rounded too, with ranges from calibration. */
  readonly activations?: ActivationForm;
  /** What transformers.js calls codes of this kind, where it knows them. */
  readonly transformersJs?: TransformersJsDtype;
}

/** Adding a form here adds it to the command line and to the palette. */
export const weightForms: readonly WeightForm[] = [
  floats('f32', 'F32', said`float32, for every runtime`),
  floats('f16', 'F16', said`float16, cast to float32 when the model is loaded`),
  floats(
    'bf16',
    'BF16',
    said`bfloat16, cast to float32 when the model is loaded; loses nothing of BF16 checkpoints, not for WebGPU`,
  ),
  qdq(8, 'exact', said`int8, one scale per row, or per block with a block size; computed in float32`),
  qdq(4, 'exact', said`int4 in blocks of 32; computed in float32, slowly in ONNX Runtime`),
  qdq(8, 'fusable', said`the same codes as qdq-int8; ONNX Runtime rounds inputs to 8 bits, which is fast`),
  qdq(4, 'fusable', said`the same codes as qdq-int4; ONNX Runtime rounds inputs to 8 bits, which is fast`),
  {
    ...{ id: 'qdq-fp8', label: 'QDQ FP8', description: said`FP8 E4M3, one scale per row` },
    codes: { storage: 'qdq', grid: plain('qdq-fp8', fp8('row')) },
  },
  matMulNBits(4, said`the usual form of language models in ONNX Runtime and transformers.js`),
  matMulNBits(8, said`close to the original; fast on a CPU only with accuracy level 4`),
  matMulNBits(2, said`smallest; needs a method that makes up for errors to be useful`),
  bnb('nf4'),
  bnb('fp4'),
  {
    ...{ id: 'static-int8', label: 'Static QDQ int8' },
    description: said`int8 weights per row, and inputs of matrices rounded to uint8 by ranges from a calibration text`,
    codes: { storage: 'qdq', grid: plain('static-int8', onnxInt8('row', true)) },
    transformersJs: 'q8',
    ...{ needsText: true, activations: { type: 'U8', symmetric: false } },
  },
  {
    ...{ id: 'tensorrt-int8', label: 'TensorRT int8' },
    description: said`int8 weights per row and int8 inputs, all symmetric, as TensorRT takes them`,
    codes: { storage: 'qdq', grid: plain('tensorrt-int8', onnxInt8('row', true)) },
    ...{ needsText: true, activations: { type: 'I8', symmetric: true } },
  },
  {
    ...{ id: 'tensorrt-fp8', label: 'TensorRT FP8' },
    description: said`FP8 E4M3 weights and inputs, one scale per tensor, as TensorRT takes them`,
    codes: { storage: 'qdq', grid: plain('tensorrt-fp8', fp8('tensor')) },
    ...{ needsText: true, activations: { type: 'F8_E4M3', symmetric: true } },
  },
];

/** @throws QuantscopeError REQUEST listing the forms when there is none of this id. */
export function weightForm(id: string): WeightForm {
  const found = weightForms.find((form) => form.id === id.toLowerCase());
  if (found) return found;
  const ids = weightForms.map((form) => form.id);
  const message = said`There is no form of weights "${id}".${suggestion(id, ids)} The forms are: ${ids.join(', ')}.`;
  throw new QuantscopeError('REQUEST', message);
}

function floats(id: string, dtype: FloatDtype, description: string): WeightForm {
  return { id, label: dtype, description, floats: dtype };
}

function qdq(bits: 4 | 8, products: 'exact' | 'fusable', description: string): WeightForm {
  const isExact = products === 'exact';
  return {
    id: `qdq-int${bits}${isExact ? '' : '-fusable'}`,
    label: `QDQ int${bits}${isExact ? '' : ', fusable'}`,
    description,
    codes: {
      storage: isExact ? 'qdq' : 'qdq-fusable',
      grid: bits === 4 ? blockIntegers(4) : int8Grid,
    },
    transformersJs: bits === 4 ? 'q4' : 'int8',
  };
}

/** The blocks of ONNX Runtime's quantizers. */
function blockIntegers(bits: number): (options: GridOptions) => Grid {
  return ({ blockSize = 32, asymmetric }) => onnxBlocks(bits, blockSize, asymmetric !== true);
}

function int8Grid({
  blockSize: group = 'row',
  asymmetric,
}: Omit<GridOptions, 'blockSize'> & { blockSize?: Grid['group'] | undefined }): Grid {
  return onnxInt8(group, asymmetric !== true);
}

function fp8(group: Grid['group']): Grid {
  return {
    levels: e4m3,
    ...{ group, rule: { kind: 'absmax', divisor: 448 }, scale: 'F32' },
  };
}

function matMulNBits(bits: 2 | 4 | 8, description: string): WeightForm {
  return {
    ...{ id: `matmulnbits-${bits}`, label: `MatMulNBits ${bits} bit`, description },
    codes: { storage: 'matmulnbits', grid: blockIntegers(bits) },
    transformersJs: `q${bits}`,
  };
}

function bnb(table: 'nf4' | 'fp4'): WeightForm {
  const id = `bnb-${table}`;
  return {
    ...{ id, label: `MatMulBnb4 ${table.toUpperCase()}` },
    description: said`${table.toUpperCase()} of bitsandbytes in blocks of 64`,
    transformersJs: 'bnb4',
    codes: {
      storage: 'matmulbnb4',
      grid: ({ blockSize = 64, asymmetric }) => {
        if (asymmetric) throw refused(id, 'zero points');
        return bitsandbytes4bit(table, blockSize);
      },
    },
  };
}

/** A grid without options. */
function plain(id: string, grid: Grid): (options: GridOptions) => Grid {
  return ({ blockSize, asymmetric }) => {
    if (asymmetric) throw refused(id, 'zero points');
    if (blockSize !== undefined) throw refused(id, 'block size');
    return grid;
  };
}

const refused = (id: string, what: string): QuantscopeError =>
  new QuantscopeError('REQUEST', said`${id} has no choice of ${what}.`);
