import { describe, expect, it } from 'vitest';
import {
  encodableTypes,
  fileTypeNamed,
  fileTypeOfMajority,
  fileTypes,
  needsImportance,
} from '../../../../src/exporter/plan/fileTypes';
import { mixTypes } from '../../../../src/exporter/plan/mixture';
import { ggmlRowBytes } from '../../../../src/model/dtypes';
import { loadNative } from '../../../../src/native';
import { realModels } from '../../../support/realModels';

/** Bits per weight of a 70B model. */
function bitsPerWeight(name: string): number {
  const { tensors, architecture } = realModels['Llama-3.1-70B']!;
  const types = mixTypes(tensors, fileTypeNamed(name), architecture, { hasImportance: true });
  let [bytes, weights] = [0, 0];
  for (const tensor of tensors) {
    const columns = tensor.shape[tensor.shape.length - 1]!;
    const rows = tensor.shape.reduce((product, size) => product * size, 1) / columns;
    bytes += rows * ggmlRowBytes(types.get(tensor.name)?.type ?? 'F32', columns);
    weights += rows * columns;
  }
  return (8 * bytes) / weights;
}

describe('file types', () => {
  it('are listed smallest first', () => {
    // MXFP4_MOE is small for models with experts only.
    const names = fileTypes.map(({ name }) => name).filter((name) => name !== 'MXFP4_MOE');
    const sizes = names.map(bitsPerWeight);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  });

  it('have ids of their own, and base types that can be encoded', () => {
    expect(new Set(fileTypes.map(({ id }) => id)).size).toBe(fileTypes.length);
    expect(fileTypes.filter(({ base }) => !encodableTypes.has(base))).toEqual([]);
  });

  it('are found by name in any case, and by the aliases of llama-quantize', () => {
    expect(fileTypeNamed('iq4_xs')).toMatchObject({ id: 30, base: 'IQ4_XS' });
    expect(['Q3_K', 'q4_k', 'Q5_K'].map((name) => fileTypeNamed(name).id)).toEqual([12, 15, 17]);
    expect(() => fileTypeNamed('Q4_K_XL')).toThrow(/"Q4_K_XL" is not a file type .*Q4_K_M/);
  });

  it('are named after the type of most weights', () => {
    const name = (base: string): string => fileTypeOfMajority(base).name;
    expect(['Q4_K', 'Q2_K', 'IQ2_S', 'Q8_0', 'F32'].map(name)).toEqual([
      ...['Q4_K_M', 'Q2_K', 'IQ2_M', 'Q8_0', 'F32'],
    ]);
  });
});

describe('types of tensors', () => {
  it('can be encoded where the addon encodes them', () => {
    const encoded = loadNative().codecs.filter(({ encodes }) => encodes);
    const names = new Set(encoded.map(({ name }) => name));
    expect([...encodableTypes].filter((type) => !names.has(type) && type !== 'F32')).toEqual([]);
  });

  it('need an importance matrix below three bits, but not for output and embedding', () => {
    const needing = [...encodableTypes].filter((type) => needsImportance(type, 'blk.0.attn_q.weight'));
    expect(needing.sort()).toEqual(['IQ1_M', 'IQ1_S', 'IQ2_S', 'IQ2_XS', 'IQ2_XXS', 'IQ3_XXS']);
    expect(needsImportance('Q2_K', 'blk.0.attn_q.weight', 'Q2_K_S')).toBe(true);
    expect(needsImportance('Q2_K', 'blk.0.attn_q.weight', 'Q2_K')).toBe(false);
    for (const name of ['output.weight', 'token_embd.weight', 'per_layer_token_embd.weight'])
      expect(['IQ3_XXS', 'IQ2_S', 'IQ1_M'].map((type) => needsImportance(type, name))).toEqual([
        ...[false, false, false],
      ]);
  });
});
