import { describe, expect, it } from 'vitest';
import { packTensors } from '../../../src/model/packTensors';
import type { ModelDescription, ModelLimits, TensorDescriptor } from '../../../src/protocol/model';
import { TensorTable } from '../../../src/protocol/tensorTable';
import { findingsOf } from '../../../src/protocol/findings';

const tensor = (name: string, shape: number[], change: Partial<TensorDescriptor> = {}): TensorDescriptor => {
  const elements = shape.reduce((product, size) => product * size, 1);
  return {
    ...{
      name,
      dtype: 'BF16',
      shape,
      elements,
      file: '/m',
      offset: 0,
      byteLength: 2 * elements,
      readable: true,
    },
    ...change,
  };
};
const textsOf = (
  tensors: TensorDescriptor[],
  change: Partial<ModelDescription> = {},
  limits?: ModelLimits,
) => {
  const model = { format: 'safetensors', notes: [], warnings: [], ...change } as unknown as ModelDescription;
  return findingsOf(model, new TensorTable(packTensors(tensors)), limits);
};
const plain = [tensor('a.weight', [512, 512]), tensor('a.bias', [512])];

describe('what is odd about a model', () => {
  it('is nothing where nothing is', () => expect(textsOf(plain)).toEqual([]));

  it('are its warnings, then what cannot be done, then its notes', () => {
    const change = { warnings: ['Odd.'], notes: ['Chosen.'] };
    const levels = textsOf(plain, change, { gguf: 'No description.' }).map(({ level, text }) => [
      level,
      text.slice(0, 12),
    ]);
    expect(levels).toEqual([
      ['warning', 'Odd.'],
      ['note', 'This model c'],
      ['note', 'Chosen.'],
    ]);
  });

  it('are tensors that cannot be read, with the first of them', () => {
    const bad = { readable: false, unreadableReason: 'The file ends before its data.' };
    const [found] = textsOf([...plain, tensor('b.weight', [4, 4], bad), tensor('c.weight', [4, 4], bad)]);
    expect(found).toEqual({
      level: 'warning',
      text: '2 tensors cannot be read, the first is b.weight: The file ends before its data.',
      link: { label: 'Show it', tensor: 'b.weight' },
    });
  });

  it('are rows that super-blocks do not divide, but not the short ones of convolutions', () => {
    const [found] = textsOf([...plain, tensor('odd.weight', [512, 544]), tensor('conv.weight', [4096, 4])]);
    expect(found!.text).toMatch(/^1 matrix with 5\d % of the weights have rows .* \(544 in odd\.weight\)/);
    expect(found!.link).toMatchObject({ tab: 'export' });
  });

  it('are floats that are wider than they need to be', () => {
    const wide = tensor('a.weight', [512, 512], { dtype: 'F32', byteLength: 4 * 512 * 512 });
    expect(textsOf([wide])[0]!.text).toMatch(/^100 % of the weights, in 1 matrix, are floats of 32 bits/);
    expect(textsOf([tensor('norm.weight', [512], { dtype: 'F32' }), ...plain])).toEqual([]);
  });

  it('are weights of a GGUF file that are quantized already', () => {
    const own = tensor('a.weight', [512, 512], { dtype: 'Q4_K', byteLength: (512 * 512 * 4.5) / 8 });
    expect(textsOf([own], { format: 'gguf' })[0]!.text).toMatch(/quantized already/);
    expect(textsOf(plain, { format: 'gguf' })).toEqual([]);
  });

  it('are tensors without elements', () => {
    expect(textsOf([...plain, tensor('none.weight', [0, 8])])[0]!.text).toBe(
      '1 tensor without any element: none.weight.',
    );
  });
});
