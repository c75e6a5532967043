/**
 * Element types of tensors (TensorProto.DataType) by their safetensors names, and their bits. Two elements of U4 and I4 share a byte,
 * the first in its low half.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
const table = {
  F32: { id: 1, bits: 32 },
  U8: { id: 2, bits: 8 },
  I8: { id: 3, bits: 8 },
  U16: { id: 4, bits: 16 },
  I16: { id: 5, bits: 16 },
  I64: { id: 7, bits: 64 },
  F16: { id: 10, bits: 16 },
  BF16: { id: 16, bits: 16 },
  F8_E4M3: { id: 17, bits: 8 },
  F8_E5M2: { id: 19, bits: 8 },
  U4: { id: 21, bits: 4 },
  I4: { id: 22, bits: 4 },
} as const;

export type ElementType = keyof typeof table;

/** Number of an element type in ONNX files. */
export const elementId = (type: ElementType): number => table[type].id;

export const elementBits = (type: ElementType): number => table[type].bits;
