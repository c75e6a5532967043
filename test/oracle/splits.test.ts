import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeAtomically } from '../../src/files/atomicFile';
import { exportGguf } from '../../src/exporter/exportGguf';
import { layOutParts, partName, splitTensors, type SplitRule } from '../../src/exporter/gguf/splits';
import { writeGguf, type GgufTensor } from '../../src/exporter/gguf/writer';
import type { ExportTarget } from '../../src/exporter/plan';
import type { KeyValue } from '../../src/model/keyValue';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import type { TensorDescriptor } from '../../src/protocol/model';
import { sampleFolder, temporaryFolder } from '../support/files';
import { ggufLibrary } from '../support/ggufLibrary';
import { hasOracle, llamaCpp } from '../support/llamaCpp';

const folder = temporaryFolder();
const whole = join(folder, 'whole.gguf');
const q4km = 15;
const lines = ['First Citizen: speak.'];

type CopiedTensor = TensorDescriptor & GgufTensor;

async function withModel<T>(path: string, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(path);
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

const exportTo = (from: string, target: ExportTarget, to: string) =>
  withModel(from, (model) => exportGguf(model, target, to));

function copiesOf({ description }: Model): CopiedTensor[] {
  return description.tensors.map((tensor) => ({ ...tensor, to: tensor.dtype, bytes: tensor.byteLength }));
}

async function keyValuesOf(model: Model, file: string): Promise<KeyValue[]> {
  const pairs = [...(model.gguf?.metadata ?? [])].map(async ([key, { type, offset, byteLength }]) => ({
    ...{ key, type },
    raw: await model.source(file).read(offset, byteLength),
  }));
  return Promise.all(pairs);
}

/** Writes a whole model again, in parts; returns their paths. */
async function writeParts(
  from: string,
  to: string,
  rule: SplitRule<CopiedTensor>,
  alignment?: number,
): Promise<string[]> {
  return withModel(from, async (model) => {
    const pairs = await keyValuesOf(model, from);
    if (alignment !== undefined) pairs.push({ key: 'general.alignment', type: 'u32', value: alignment });
    const layouts = layOutParts(pairs, splitTensors(copiesOf(model), rule), rule.kind, alignment);
    const paths = layouts.map((_, part) => join(folder, partName(to, part, layouts.length)));
    for (const [part, layout] of layouts.entries())
      await writeAtomically(paths[part]!, (file) =>
        writeGguf(file, layout, async function* (tensor) {
          yield await model.read(tensor, 0, tensor.byteLength);
        }),
      );
    return paths;
  });
}

describe.skipIf(!hasOracle)('split GGUF against llama.cpp', () => {
  beforeAll(async () => {
    await exportTo(sampleFolder, { type: 'F16' }, whole);
  });

  it.each<[string, SplitRule<GgufTensor>]>([
    ['size', { kind: 'bytes', value: 3_000_000 }],
    ['number of tensors', { kind: 'tensors', value: 13 }],
  ])('gives the headers of its GGUF library when split by %s', async (_, rule) => {
    await withModel(whole, async (model) => {
      const parts = splitTensors(copiesOf(model), rule);
      const pairs = await keyValuesOf(model, whole);
      const theirs = splitHeaders(
        whole,
        parts.map((tensors) => tensors.map(({ name }) => name)),
      );
      expect(parts.length).toBeGreaterThan(2);
      const ours = layOutParts(pairs, parts, rule.kind).map(({ header }) => Buffer.from(header));
      expect(ours.map((header, part) => header.equals(theirs[part]!))).toEqual(parts.map(() => true));
    });
  });

  it('opens from any part as the whole model', async () => {
    const paths = await writeParts(whole, 'any.gguf', { kind: 'tensors', value: 13 });
    const one = join(folder, 'one.gguf');
    await exportTo(whole, { type: 'Q4_K_M' }, one);
    for (const path of [paths[0]!, paths[3]!]) {
      const again = join(folder, 'again.gguf');
      await exportTo(path, { type: 'Q4_K_M' }, again);
      expect(readFileSync(again).equals(readFileSync(one)), path).toBe(true);
    }
  });

  it('keeps a first part without tensors, and left-out blocks, as llama_model_quantize does', async () => {
    const order = await withModel(whole, (model) => Promise.resolve(copiesOf(model).map(({ name }) => name)));
    const partOf = ({ name }: CopiedTensor): number => 1 + Math.floor(order.indexOf(name) / 20);
    const [first] = await writeParts(whole, 'hollow.gguf', { kind: 'keep', partOf });
    for (const [name, pruneLayers] of [
      ['all', undefined],
      ['pruned', [1, 3]],
    ] as const) {
      const target = {
        type: 'Q4_K_M',
        split: { kind: 'keep' },
        ...(pruneLayers ? { pruneLayers } : {}),
      } as const;
      const { files } = await exportTo(first!, target, join(folder, `${name}.gguf`));
      const options = { keepSplit: true, ...(pruneLayers ? { pruneLayers } : {}) };
      const to = join(folder, `${name}-theirs`);
      const runs = [{ to, fileType: q4km, options }];
      expect(await llamaCpp('quantize', { from: first!, runs })).toEqual({ codes: [0] });
      expect(files.map(({ tensors }) => tensors)[0]).toBe(0);
      for (const file of files) {
        const theirs = readFileSync(join(folder, file.name.replace(name, `${name}-theirs`)));
        expect(readFileSync(join(folder, file.name)).equals(theirs), file.name).toBe(true);
      }
    }
  });

  it('gives parts that llama.cpp reads where the model has another alignment', async () => {
    const paths = await writeParts(whole, 'aligned.gguf', { kind: 'tensors', value: 7 }, 256);
    const { tokens } = await llamaCpp('tokenize', { model: paths[0]!, lines });
    expect(tokens).toEqual((await llamaCpp('tokenize', { model: whole, lines })).tokens);
    const requantized = join(folder, 'aligned-q8.gguf');
    await exportTo(paths[0]!, { type: 'Q8_0' }, requantized);
    expect((await llamaCpp('tokenize', { model: requantized, lines })).tokens).toEqual(tokens);
  });
});

/**
 * Headers of the parts as llama.cpp's splitter makes them: its order of calls of the GGUF library, by which a key that is
 * set again moves to the end.
 */
function splitHeaders(file: string, parts: readonly (readonly string[])[]): Buffer[] {
  const library = ggufLibrary();
  const source = library.open(file, false);
  const total = parts.flat().length;
  return parts.map((names, part) => {
    const out: unknown = library.create();
    if (part === 0) library.copyKeyValues(out, source.gguf);
    library.setU16(out, 'split.no', part);
    library.setU16(out, 'split.count', 0);
    library.setI32(out, 'split.tensors.count', total);
    for (const name of names) library.addTensor(out, library.tensor(source.tensors, name));
    library.setU16(out, 'split.count', parts.length);
    const header = Buffer.alloc(Number(library.headerSize(out)));
    library.header(out, header);
    return header;
  });
}
