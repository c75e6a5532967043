import type { TensorDescriptor } from '../../../src/protocol/model';

/** Descriptors of tensors that no file holds. */
export function describeTensors(
  shapes: Readonly<Record<string, readonly number[]>>,
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
): TensorDescriptor[] {
  return Object.entries(shapes).map(([name, shape]) => {
    const elements = shape.reduce((product, size) => product * size, 1);
    const byteLength = elements * (dtype === 'F32' ? 4 : 2);
    return { name, dtype, shape, elements, file: 'm', offset: 0, byteLength, readable: true };
  });
}
