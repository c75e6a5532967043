import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { obtainEvidence } from '../../../src/engine/evaluation/obtainEvidence';
import { exportGguf, previewGguf, type ExportOptions } from '../../../src/exporter/exportGguf';
import type { ExportTarget } from '../../../src/exporter/plan';
import { withThreads } from '../../../src/graph/threads';
import { allWeights } from '../../../src/layouts/changedModel';
import { openModel } from '../../../src/layouts/openModel';
import type { Imatrix } from '../../../src/model/imatrix';
import type { Model } from '../../../src/model/model';
import { matrixOf } from '../../../src/model/rows';
import type { EvidenceSource } from '../../../src/quant/evidence';
import { gptqDescent } from '../../../src/quant/methods/gptqDescent';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { fuseExperts } from '../../support/fuseExperts';
import { correlatedHessian } from '../../support/hessian';
import { outputError } from '../../support/outputError';
import { reduced, writeReducedSample } from '../../support/reducedSample';
import { writeSyntheticGguf } from '../../support/syntheticGguf';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
/** The sample, reduced to what is encoded in seconds. */
const checkpoint = path('model');
const text = join(sampleFolder, 'generated-calibration.txt');
const optimised = { type: 'Q4_K_M', codes: 'optimised' } as const;
/** Seven in each block, and the output. */
const matrices = 7 * reduced.blocks + 1;
let sample: Model;
let evidence: EvidenceSource;

const measured = (model: Model, context: number, tokens: number): Promise<EvidenceSource> =>
  obtainEvidence(model, { ...{ text, needs: ['hessian'], device: 'cpu' }, context, tokens }, path('cache'), {
    signal: new AbortController().signal,
    progress: () => undefined,
  });

beforeAll(async () => {
  await writeReducedSample(checkpoint);
  sample = await openModel(checkpoint);
  evidence = await measured(sample, 256, 2048);
});
afterAll(() => sample.close());

async function withModel<T>(from: string, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(from);
  return use(model).finally(() => model.close());
}

const exportTo = (from: string, target: ExportTarget, name: string, options: ExportOptions = {}) =>
  withModel(from, (model) => exportGguf(model, target, path(name), options));

/** The key-values of a file that say how its codes were found. */
const codesKeys = (name: string): Promise<Record<string, string>> =>
  withModel(path(name), ({ description }) =>
    Promise.resolve(
      Object.fromEntries(
        description.metadata
          .filter(({ key }) => key.startsWith('quantscope.'))
          .map(({ key, text }) => [key, text]),
      ),
    ),
  );

/** That of the sample over the text. */
async function importanceMatrix(): Promise<Imatrix> {
  const entries = new Map<string, Float32Array>();
  for (const { name, source } of (await previewGguf(sample, { type: 'Q4_K_M' })).tensors) {
    const { importance } = await evidence.for(source, 'importance');
    if (importance) entries.set(name, importance);
  }
  return { path: 'own', entries, datasets: [], chunks: 8 };
}

/** The bytes of each tensor of a file. */
const tensorsOf = (name: string): Promise<Map<string, Buffer>> =>
  withModel(path(name), ({ description }) => {
    const file = readFileSync(path(name));
    const bytes = description.tensors.map(({ name, offset, byteLength }): [string, Buffer] => [
      name,
      file.subarray(offset, offset + byteLength),
    ]);
    return Promise.resolve(new Map(bytes));
  });

describe('optimised codes', () => {
  it('take the place of llama.cpp’s where inputs are known, in a file that names the method and the text', async () => {
    const plain = await exportTo(checkpoint, { type: 'Q4_K_M' }, 'plain.gguf');
    const result = await exportTo(checkpoint, optimised, 'optimised.gguf', { evidence });
    expect(await codesKeys('plain.gguf')).toEqual({});
    expect(await codesKeys('optimised.gguf')).toEqual({
      'quantscope.codes.method': 'gptq-cd 6',
      'quantscope.codes.text': evidence.text.hash,
      'quantscope.codes.objective': 'one-sided',
      'quantscope.codes.two_sided_tensors': '0',
    });
    const [theirs, ours] = [await tensorsOf('plain.gguf'), await tensorsOf('optimised.gguf')];
    expect([...ours].map(([name, bytes]) => [name, bytes.length])).toEqual(
      [...theirs].map(([name, bytes]) => [name, bytes.length]),
    );
    const same = [...ours].filter(([name, bytes]) => bytes.equals(theirs.get(name)!)).map(([name]) => name);
    const norms = plain.tensors.filter(({ to }) => to === 'F32').map(({ name }) => name);
    expect(same.sort()).toEqual([...norms, 'token_embd.weight'].sort());
    expect(result.optimised?.tensors).toBe(matrices);
    expect(result.warnings).toEqual([
      ...plain.warnings,
      "Inputs were not measured for 1 tensor (token_embd.weight): llama.cpp's encoder found the codes.",
    ]);
  });

  it('are planned at the size that is then written, with the time that they take', async () => {
    const preview = await previewGguf(sample, optimised);
    expect(preview.fileBytes).toBe(readFileSync(path('optimised.gguf')).length);
    expect(preview.optimised?.tensors).toBe(matrices + 1);
    expect(preview.optimised?.seconds).toBeGreaterThan(0.1);
  });

  it('of types that need importance weights have them from the text, in the mixture of such a matrix', async () => {
    const target = { type: 'IQ2_M', codes: 'optimised' } as const;
    const written = await exportTo(checkpoint, target, 'lattice.gguf', { evidence });
    const withMatrix = { type: 'IQ2_M', imatrix: await importanceMatrix() };
    const expected = await exportTo(checkpoint, withMatrix, 'lattice-importance.gguf');
    const typesOf = ({ tensors }: typeof written) => tensors.map(({ name, to }) => `${name} ${to}`);
    expect(typesOf(written)).toEqual(typesOf(expected));
    expect(typesOf(written)).toContain('blk.1.ffn_up.weight IQ2_S');
    expect(written.optimised!.tensors).toBe(matrices);
  });

  it('of a type that needs importance weights are rejected for an embedding, whose inputs nobody knows', async () => {
    const target = { type: 'IQ2_M', codes: 'optimised', tokenEmbeddingType: 'IQ2_XXS' } as const;
    await expect(exportTo(checkpoint, target, 'embedding.gguf', { evidence })).rejects.toMatchObject({
      code: 'REQUEST',
      place: { tensor: 'token_embd.weight' },
    });
  });

  it.each([
    ['Q4_K_M', 'optimised.gguf'],
    ['IQ2_M', 'lattice.gguf'],
  ])(
    'in %s have in no row a larger error of the outputs than the encoder with importance',
    async (type, file) => {
      await exportTo(checkpoint, { type: 'F32' }, 'exact.gguf');
      const imatrix = await importanceMatrix();
      const { tensors } = await exportTo(checkpoint, { type, imatrix }, 'importance.gguf');
      const weights = (file: string, name: string): Promise<Float32Array> =>
        withModel(path(file), (model) => allWeights(model, model.tensor(name)));
      let rows = 0;
      for (const { name, source, shape } of tensors.filter(({ name }) => /^blk\..*[^m]\.weight/.test(name))) {
        const { hessian } = await evidence.for(source, 'hessian');
        const { columns } = matrixOf(shape);
        const [exact, encoder, ours] = [
          await weights('exact.gguf', name),
          await weights('importance.gguf', name),
          await weights(file, name),
        ];
        for (let at = 0; at < exact.length; at += columns, rows++) {
          const error = (values: Float32Array): number =>
            outputError(hessian!, exact.subarray(at, at + columns), values.subarray(at, at + columns));
          expect(error(ours), `${name} ${at / columns}`).toBeLessThanOrEqual(error(encoder) * (1 + 1e-5));
        }
      }
      expect(rows).toBe(reduced.blocks * (2 * 256 + 2 * 128 + 2 * reduced.inner + 256));
    },
  );

  it('are the same for any number of threads', async () => {
    const written = [];
    for (const threads of [1, 3]) {
      await withThreads(threads, () => exportTo(checkpoint, optimised, 'threads.gguf', { evidence }));
      written.push(readFileSync(path('threads.gguf')));
    }
    expect(written[0]!.equals(written[1]!)).toBe(true);
    expect(written[0]!.equals(readFileSync(path('optimised.gguf')))).toBe(true);
  });

  it('are named in a copy of the file, and no longer where tensors are written with other codes', async () => {
    const source = path('optimised.gguf');
    for (const type of ['COPY', 'Q4_K_M']) {
      await exportTo(source, { type }, 'again.gguf');
      expect(readFileSync(path('again.gguf')).length, type).toBe(readFileSync(source).length);
      expect(await codesKeys('again.gguf'), type).toEqual(await codesKeys('optimised.gguf'));
    }
    await exportTo(source, { type: 'Q8_0', allowRequantize: true }, 'other.gguf');
    expect(await codesKeys('other.gguf')).toEqual({});
  });

  it('are not stated where no type of the file can have them', async () => {
    const result = await exportTo(checkpoint, { type: 'F16', codes: 'optimised' }, 'half.gguf', {
      evidence,
    });
    expect(result.optimised).toEqual({ objective: 'one-sided', tensors: 0, seconds: 0 });
    expect(await codesKeys('half.gguf')).toEqual({});
  });

  it('need to know the inputs', async () => {
    await expect(exportTo(checkpoint, optimised, 'never.gguf')).rejects.toMatchObject({
      ...{ code: 'REQUEST', message: expect.stringContaining('give a text to run the model over') as string },
    });
    expect(existsSync(path('never.gguf'))).toBe(false);
  });

  it('leave nothing when the export is cancelled in the middle', async () => {
    const before = readdirSync(folder);
    const stop = new AbortController();
    const cancelled = exportTo(checkpoint, optimised, 'cancelled.gguf', {
      ...{ evidence, signal: stop.signal },
      onProgress: ({ done }) => {
        if (done > 0) stop.abort();
      },
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(folder)).toEqual(before);
  });
});

describe('optimised codes of experts', () => {
  it('follow the inputs of each expert, whether the checkpoint stores experts one by one or together', async () => {
    await writeCheckpoint(path('separate'), 'mixtral');
    await fuseExperts(path('separate'), path('fused'));
    const target = { type: 'Q4_0', codes: 'optimised' } as const;
    const found = new Map<string, EvidenceSource>();
    for (const name of ['separate', 'fused']) {
      const own = await withModel(path(name), (model) => measured(model, 32, 12 * 32));
      found.set(name, own);
      await exportTo(path(name), target, `${name}.gguf`, { evidence: own });
    }
    const [separate, fused] = [await tensorsOf('separate.gguf'), await tensorsOf('fused.gguf')];
    for (const [name, bytes] of separate) expect(bytes.equals(fused.get(name)!), name).toBe(true);

    // Each expert by itself, from its own evidence.
    const experts = separate.get('blk.1.ffn_down_exps.weight')!;
    for (const expert of [0, 1, 2, 3]) {
      const name = `model.layers.1.block_sparse_moe.experts.${expert}.w2.weight`;
      const own = await found.get('separate')!.for(name, 'hessian');
      const task = { name, type: 'Q4_0', shape: [64, 96], options: {}, evidence: own } as const;
      const values = await withModel(path('separate'), (model) => allWeights(model, model.tensor(name)));
      const blocks = await (await gptqDescent.blocks!.open(task)).quantize(values);
      const size = experts.length / 4;
      expect(experts.subarray(expert * size, (expert + 1) * size).equals(blocks), name).toBe(true);
    }
  });
});

describe('a weight that is not finite', () => {
  it.each([
    [NaN, /Weight 300 is NaN; such a tensor cannot be exported/],
    [-Infinity, /Weight 300 is infinite; such a tensor cannot be exported/],
  ])('%d ends an export with optimised codes and is named with its tensor', async (bad, message) => {
    const source = path('bad.gguf');
    await writeSyntheticGguf(source, { architecture: 'llama', blocks: 1, heads: 4, kvHeads: 4 });
    const { offset } = await withModel(source, (model) =>
      Promise.resolve(model.tensor('blk.0.attn_k.weight')),
    );
    const bytes = readFileSync(source);
    bytes.writeFloatLE(bad, offset + 4 * 300);
    writeFileSync(source, bytes);
    const hessian = correlatedHessian(256, 300);
    const known: EvidenceSource = {
      ...{ text: { path: 'text', tokens: 1, hash: '0'.repeat(64) }, notes: [], outputs: new Set() },
      for: () => Promise.resolve({ hessian }),
    };
    await expect(exportTo(source, optimised, 'never.gguf', { evidence: known })).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringMatching(message) as string,
      place: expect.objectContaining({ file: source, tensor: 'blk.0.attn_k.weight', offset }) as object,
    });
    expect(existsSync(path('never.gguf'))).toBe(false);
  });
});
