import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../../src/exporter/exportGguf';
import type { ExportTarget } from '../../../src/exporter/plan';
import { verifySource } from '../../../src/exporter/provenance/verifySource';
import { openModel } from '../../../src/layouts/openModel';
import { ggmlType } from '../../../src/model/dtypes';
import type { Imatrix } from '../../../src/model/imatrix';
import type { Model } from '../../../src/model/model';
import type { ProvenanceResult } from '../../../src/protocol/provenance';
import { writeChangedSample } from '../../support/changedSample';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { Random } from '../../support/random';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
let imatrix: Imatrix;
let otherImatrix: Imatrix;

const opened = async <T>(path: string, use: (model: Model) => Promise<T>): Promise<T> => {
  const model = await openModel(path);
  try {
    return await use(model);
  } finally {
    await model.close();
  }
};

const exportTo = (from: string, target: ExportTarget, name: string) =>
  opened(from, (model) => exportGguf(model, target, at(name)));

const verify = (file: string, source = sampleFolder, matrix?: Imatrix): Promise<ProvenanceResult> =>
  opened(file, (model) => opened(source, (original) => verifySource(model, original, { imatrix: matrix })));

async function madeUp(path: string, seed: number): Promise<Imatrix> {
  const random = new Random(seed);
  const entries = await opened(path, ({ description }) =>
    Promise.resolve(
      description.tensors
        .filter(({ name, shape }) => name !== 'token_embd.weight' && shape.length > 1)
        .map(({ name, shape }): [string, Float32Array] => [
          name,
          random.fill(shape[shape.length - 1]!, (r) => r.normal() ** 2),
        ]),
    ),
  );
  return { path: 'made-up.gguf', entries: new Map(entries), datasets: [], chunks: 1 };
}

/** A copy of a file with one byte of a tensor changed; where it lies. */
async function flipped(file: string, tensor: string, byteOfBlock: number, name: string): Promise<number> {
  copyFileSync(at(file), at(name));
  const offset = await opened(at(file), ({ description }) => {
    const found = description.tensors.find((candidate) => candidate.name === tensor)!;
    const block = ggmlType(found.dtype)!.bitsPerBlock / 8;
    return Promise.resolve(found.offset + 3 * block + byteOfBlock);
  });
  const bytes = readFileSync(at(name));
  bytes[offset]! ^= 1;
  writeFileSync(at(name), bytes);
  return offset;
}

beforeAll(async () => {
  await exportTo(sampleFolder, { type: 'F16' }, 'f16.gguf');
  await exportTo(sampleFolder, { type: 'Q4_K_M' }, 'q4km.gguf');
  imatrix = await madeUp(at('f16.gguf'), 3);
  otherImatrix = await madeUp(at('f16.gguf'), 4);
});

describe('a GGUF file against its source', () => {
  it.each(['F32', 'BF16', 'Q8_0', 'Q5_1', 'Q3_K_M', 'IQ4_XS', 'TQ2_0'])('proves %s', async (type) => {
    await exportTo(sampleFolder, { type }, 'file.gguf');
    const result = await verify(at('file.gguf'));
    expect(result).toMatchObject({
      ...{ isProven: true, unprovenCount: 0, unproven: [], keys: [], tensors: 57 },
      fileType: { name: type, mixture: 'usual', otherCount: 0 },
    });
    expect(result.proven.reduce((sum, { tensors }) => sum + tensors, 0)).toBe(57);
    expect(result.proven.every(({ encoding }) => encoding.importance === 'none' && !encoding.via)).toBe(true);
  });

  it('proves that an importance matrix was used, and says when it is another one or none', async () => {
    await exportTo(sampleFolder, { type: 'IQ2_M', imatrix }, 'iq2m.gguf');
    const result = await verify(at('iq2m.gguf'), sampleFolder, imatrix);
    expect(result).toMatchObject({ isProven: true, statedImatrix: 'made-up.gguf' });
    expect(result.fileType).toMatchObject({ name: 'IQ2_M', mixture: 'with importance', otherCount: 0 });
    const without = result.proven.filter(({ encoding }) => encoding.importance === 'none');
    // The matrix has nothing of the token embedding.
    expect(without.map(({ type }) => type)).toEqual(['F32', 'IQ3_S']);

    const other = await verify(at('iq2m.gguf'), sampleFolder, otherImatrix);
    expect(other.isProven).toBe(false);
    expect(new Set(other.unproven.map(({ verdict }) => verdict))).toEqual(new Set(['codes']));

    const none = await verify(at('iq2m.gguf'));
    expect(none.unproven.map(({ verdict }) => verdict)).toContain('unknown');
    expect(none.notes).toEqual([expect.stringContaining('"made-up.gguf"')]);
  });

  it('finds that an importance matrix was not used although one is given', async () => {
    const result = await verify(at('q4km.gguf'), sampleFolder, imatrix);
    expect(result.isProven).toBe(true);
    expect(result.proven.every(({ encoding }) => encoding.importance === 'none')).toBe(true);
    expect(result.notes).toEqual(['The file does not say that it was made with an importance matrix.']);
  });

  it('finds a conversion to F16 in between', async () => {
    // Weights of which F16 keeps fewer bits than float32.
    const wide = at('wide');
    await writeChangedSample(wide, () => undefined);
    const bytes = readFileSync(join(wide, 'model.safetensors'));
    const data = 8 + Number(bytes.readBigUInt64LE(0));
    for (let i = data; i < bytes.length; i += 4) bytes[i]! ^= 0x55;
    writeFileSync(join(wide, 'model.safetensors'), bytes);
    await exportTo(wide, { type: 'F16' }, 'between.gguf');
    await exportTo(at('between.gguf'), { type: 'Q4_K_M', imatrix }, 'twice.gguf');
    const result = await verify(at('twice.gguf'), wide, imatrix);
    expect(result.isProven).toBe(true);
    const q4 = result.proven.filter(({ type }) => type === 'Q4_K');
    expect(q4.map(({ encoding }) => encoding)).toContainEqual({ importance: 'given', via: 'F16' });
  });

  it.each([
    ['a scale', 'blk.1.attn_q.weight', 0],
    ['a packed scale', 'blk.1.attn_q.weight', 6],
    ['a code', 'blk.1.attn_q.weight', 100],
    ['a code of Q6_K', 'output.weight', 17],
    ['a norm', 'blk.2.attn_norm.weight', 1],
  ])('finds a flipped byte of %s', async (_what, tensor, byte) => {
    const offset = await flipped('q4km.gguf', tensor, byte, 'flipped.gguf');
    const result = await verify(at('flipped.gguf'));
    expect(result).toMatchObject({ isProven: false, unprovenCount: 1 });
    expect(result.unproven[0]).toMatchObject({
      ...{ tensor, verdict: 'changed', encoding: { importance: 'none' } },
      difference: { file: at('flipped.gguf'), offset, block: 3, differing: 1 },
    });
  });

  it('finds another value of a key that changes how the model runs', async () => {
    copyFileSync(at('q4km.gguf'), at('key.gguf'));
    const offset = await opened(at('key.gguf'), ({ gguf }) =>
      Promise.resolve(gguf!.metadata.get('llama.rope.freq_base')!.offset),
    );
    const bytes = readFileSync(at('key.gguf'));
    bytes.writeFloatLE(5000, offset);
    writeFileSync(at('key.gguf'), bytes);
    const result = await verify(at('key.gguf'));
    expect(result).toMatchObject({ isProven: false, unprovenCount: 0 });
    expect(result.keys).toEqual([{ key: 'llama.rope.freq_base', kind: 'differs', matters: true }]);
  });

  it('tells weights of another model from other codes', async () => {
    const noisy = at('noisy');
    await writeChangedSample(noisy, (name) => (name.includes('layers.3.mlp') ? 'Q2_K' : undefined));
    await exportTo(noisy, { type: 'Q4_K_M' }, 'noisy.gguf');
    const { unproven } = await verify(at('noisy.gguf'));
    expect(unproven.map(({ tensor, verdict }) => `${tensor} ${verdict}`)).toEqual(
      ['down', 'gate', 'up'].map((part) => `blk.3.ffn_${part}.weight weights`),
    );
  });

  it('names types that the stated file type does not give, and proves their bytes', async () => {
    const tensorTypes = [{ pattern: 'blk\\.2\\.attn_k', type: 'Q8_0' }];
    await exportTo(sampleFolder, { type: 'Q4_K_M', tensorTypes }, 'rules.gguf');
    const result = await verify(at('rules.gguf'));
    expect(result.isProven).toBe(true);
    expect(result.fileType).toEqual({
      ...{ name: 'Q4_K_M', mixture: 'usual', otherCount: 1 },
      others: [{ tensor: 'blk.2.attn_k.weight', type: 'Q8_0', expected: 'Q4_K' }],
    });
    await exportTo(sampleFolder, { type: 'Q4_K_M', pure: true }, 'pure.gguf');
    expect((await verify(at('pure.gguf'))).fileType).toMatchObject({ mixture: 'pure', otherCount: 0 });
  });

  it('names blocks that are missing, and reads files in parts', async () => {
    await exportTo(sampleFolder, { type: 'Q4_0', pruneLayers: [5] }, 'pruned.gguf');
    const { unproven, keys } = await verify(at('pruned.gguf'));
    expect(unproven.map(({ verdict }) => verdict)).toEqual(Array(9).fill('missing'));
    expect(keys).toContainEqual({ key: 'llama.block_count', kind: 'differs', matters: true });

    const split = { kind: 'bytes', value: 1e6 } as const;
    const { files } = await exportTo(sampleFolder, { type: 'Q4_0', split }, 'split.gguf');
    expect(files.length).toBeGreaterThan(2);
    expect(await verify(at(files[0]!.name))).toMatchObject({ isProven: true, tensors: 57 });
  });

  it('refuses a file that is not GGUF', async () => {
    await expect(verify(sampleFolder)).rejects.toMatchObject({ code: 'REQUEST' });
  });
});
