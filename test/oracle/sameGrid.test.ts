import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openDecoder } from '../../src/graph/transformer/openDecoder';
import { openModel } from '../../src/layouts/openModel';
import { windowLogits } from '../support/decoderLogits';
import { hasSharedData, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { modelOptFolder } from '../support/modelOpt';
import { expectedLogits, farthest, logitsOf } from '../support/referenceLogits';
import { exportableFolder, reference } from '../support/referenceRecipes';

/** Logits of the file as llama.cpp's kernels compute them, which round the inputs of matrices. */
async function roundedLogits(path: string, tokens: Int32Array): Promise<Float32Array> {
  const model = await openModel(path);
  const options = { device: 'ort-cpu', length: tokens.length, keep: false, roundInputs: true } as const;
  const decoder = await openDecoder(model, options);
  const rows = await windowLogits(decoder, tokens);
  await decoder.close();
  await model.close();
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

describe.skipIf(!hasOracle || !hasSharedData)(
  'llama.cpp runs what becomes GGUF with codes and scales as they are',
  () => {
    it.each([
      ['MXFP4A16', 'compressed-tensors', exportableFolder],
      ['NVFP4A16', 'compressed-tensors', exportableFolder],
      ['NVFP4A16', 'ModelOpt', modelOptFolder],
    ] as const)('%s of %s', async (name, _, folderOf) => {
      const folder = `compressed-tensors/folders/${name}`;
      const out = join(temporaryFolder(), 'out.gguf');
      const model = await openModel(folderOf(folder));
      const { tokens, logits } = await expectedLogits(join(reference, folder));
      expect(farthest(await logitsOf(model, tokens), logits)).toBeLessThan(1e-4);
      await exportGguf(model, { type: 'COPY' }, out);
      await model.close();
      const found = await llamaCpp('logits', { model: out, tokens: [...tokens] });
      const theirs = Float32Array.from(found.logits.flat());
      // Logits are of the size of 3. llama.cpp rounds inputs of matrices to 8 bits, which one sum in another order can carry over a midpoint.
      expect(farthest(theirs, await roundedLogits(out, tokens))).toBeLessThan(0.02);
      expect(farthest(theirs, logits)).toBeLessThan(0.2);
    });
  },
);
