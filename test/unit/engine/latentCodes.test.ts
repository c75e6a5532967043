import { join } from 'node:path';
import { expect, it } from 'vitest';
import { obtainEvidence } from '../../../src/engine/evaluation/obtainEvidence';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { deepseek } from '../../support/deepseekCheckpoints';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const context = { signal: new AbortController().signal, progress: () => undefined };

/** A file with optimised codes, and what a row of each tensor of a block decodes to. */
async function optimised(source: string, name: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const model = await openModel(source);
  const text = join(sampleFolder, 'generated-calibration.txt');
  const settings = { text, needs: ['hessian'], context: 64, tokens: 128, device: 'cpu' } as const;
  const evidence = await obtainEvidence(model, settings, join(folder, 'cache'), context);
  const out = join(folder, `${name}.gguf`);
  await exportGguf(model, { type: 'Q4_0', codes: 'optimised', objective: 'one-sided' }, out, { evidence });
  await model.close();
  const file = await openModel(out);
  const found = new Map<string, Uint8Array>();
  for (const tensor of file.description.tensors)
    found.set(tensor.name, await file.read(tensor, 0, tensor.byteLength));
  await file.close();
  return found;
}

it('codes of matrices that heads have are found by their own inputs, from a checkpoint as from its GGUF file', async () => {
  const source = join(folder, 'checkpoint');
  await writeCheckpoint(source, deepseek(null, 32));
  const model = await openModel(source);
  const gguf = `${source}.gguf`;
  await exportGguf(model, { type: 'F32' }, gguf);
  const plain = join(folder, 'plain.gguf');
  await exportGguf(model, { type: 'Q4_0' }, plain);
  await model.close();
  const [ours, same] = [await optimised(source, 'ours'), await optimised(gguf, 'same')];
  const reference = await openModel(plain);
  for (const part of ['attn_k_b', 'attn_v_b', 'attn_q']) {
    const name = `blk.1.${part}.weight`;
    expect(ours.get(name), part).toEqual(same.get(name));
    const tensor = reference.tensor(name);
    expect(ours.get(name), part).not.toEqual(await reference.read(tensor, 0, tensor.byteLength));
  }
  await reference.close();
});
