import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import type { ExportTarget } from '../../src/exporter/plan';
import { fileTypeNeedsImportance, fileTypes, type FileType } from '../../src/exporter/plan/fileTypes';
import { imatrixKeyValues, readImatrix, type Imatrix } from '../../src/model/imatrix';
import { openModel } from '../../src/layouts/openModel';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp, nodeLlamaCppCompletion, type QuantizeOptions } from '../support/llamaCpp';
import { Random } from '../support/random';
import { writeSyntheticGguf, type SyntheticModel } from '../support/syntheticGguf';

const folder = temporaryFolder();
const half = join(folder, 'sample-f16.gguf');
const q4km = join(folder, 'sample-q4km.gguf');

async function exportTo(from: string, target: ExportTarget, to: string) {
  const model = await openModel(from);
  try {
    return await exportGguf(model, target, to);
  } finally {
    await model.close();
  }
}

/** Importance of every matrix of a model, made up: columns of all sizes, some never used. */
async function madeUpImatrix(path: string): Promise<Imatrix> {
  const model = await openModel(path);
  await model.close();
  const random = new Random(11);
  const entries = model.description.tensors
    .filter(({ name, shape }) => name !== 'token_embd.weight' && name.endsWith('weight') && shape.length > 1)
    .map(({ name, shape }): [string, Float32Array] => {
      const experts = shape.length > 2 ? (shape[0] ?? 1) : 1;
      const columns = shape[shape.length - 1] ?? 1;
      return [name, random.fill(experts * columns, (r) => (r.next() < 0.05 ? 0 : r.normal() ** 2))];
    });
  return { path: 'made-up.gguf', entries: new Map(entries), datasets: ['a text'], chunks: 7 };
}

const base64 = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');

/** What llama-quantize passes to the library for a matrix: the values, and what it notes in the file. */
function oracleImatrix(imatrix: Imatrix): QuantizeOptions {
  const entries = [...imatrix.entries].map(([name, values]) => [name, base64(values)] as const);
  return {
    imatrix: Object.fromEntries(entries),
    overrides: imatrixKeyValues(imatrix).map((pair) => ({
      key: pair.key,
      type: pair.type === 'string' ? 'str' : 'int',
      value: 'value' in pair ? pair.value : undefined,
    })),
  };
}

interface Case {
  /** Name for a failure. */
  readonly what: string;
  readonly target: ExportTarget;
  readonly fileType: number;
  readonly options?: QuantizeOptions;
}

/** Exports with both, and expects the same files. */
async function expectSame(from: string, ...cases: readonly Case[]): Promise<void> {
  const theirs = (index: number): string => join(folder, `theirs-${index}.gguf`);
  const runs = cases.map(({ fileType, options = {} }, index) => ({ to: theirs(index), fileType, options }));
  const { codes } = await llamaCpp('quantize', { from, runs });
  for (const [index, { what, target }] of cases.entries()) {
    const ours = join(folder, 'ours.gguf');
    await exportTo(from, target, ours);
    expect(codes[index], what).toBe(0);
    const same = readFileSync(ours).equals(readFileSync(theirs(index)));
    if (!same) expect(await headerOf(ours), what).toEqual(await headerOf(theirs(index)));
    expect(same, `${what}: the headers are the same, the data differ`).toBe(true);
    rmSync(theirs(index));
  }
}

/** Key-values and tensors, which show what differs. */
async function headerOf(path: string) {
  const model = await openModel(path);
  await model.close();
  const { description } = model;
  const tensors = description.tensors.map(({ name, dtype, shape }) => `${name} ${dtype} ${shape.join()}`);
  return { keys: description.metadata.map(({ key, type, text }) => `${key} ${type} ${text}`), tensors };
}

/** Of the models below, those that are written in lattice types (IQ1 to IQ3) too. */
const withLattices = new Set(['tied embeddings', 'rows that no block divides']);

/** Models whose layers fall under the special rules. */
const synthetic: Record<string, SyntheticModel> = {
  '32 layers': { architecture: 'llama', blocks: 32, heads: 32, kvHeads: 8 },
  'a 70B model': { architecture: 'llama', blocks: 80, heads: 64, kvHeads: 8 },
  'a 65B model': { architecture: 'llama', blocks: 80, heads: 64, kvHeads: 64 },
  'a 72B model of qwen2': { architecture: 'qwen2', blocks: 80, heads: 64, kvHeads: 8 },
  '8 experts': { architecture: 'llama', blocks: 32, heads: 32, kvHeads: 8, experts: 8 },
  '8 experts in 80 layers': { architecture: 'llama', blocks: 80, heads: 64, kvHeads: 8, experts: 8 },
  '16 experts': { architecture: 'llama', blocks: 24, heads: 32, kvHeads: 8, experts: 16 },
  'tied embeddings': { architecture: 'llama', blocks: 7, heads: 4, kvHeads: 4, tied: true },
  'rows that no block divides': { architecture: 'llama', blocks: 8, heads: 4, kvHeads: 4, columns: 100 },
  falcon: {
    architecture: 'falcon',
    blocks: 32,
    heads: 4,
    kvHeads: 1,
    parts: ['attn_qkv', 'attn_output', 'ffn_up', 'ffn_down'],
  },
  'fused attention': {
    architecture: 'phi3',
    blocks: 32,
    heads: 4,
    kvHeads: 4,
    parts: ['attn_qkv', 'attn_output', 'ffn_up', 'ffn_down'],
  },
  'tensors that are kept': {
    architecture: 'llama',
    blocks: 4,
    heads: 4,
    kvHeads: 4,
    extra: Object.fromEntries(
      [
        'position_embd.weight',
        'token_types.weight',
        'blk.0.ssm_conv1d.weight',
        'blk.0.shortconv.conv.weight',
        'blk.0.time_mix_first.weight',
        'blk.0.time_mix_key.weight',
        'blk.1.attn_rel_b.weight',
        'blk.1.altup_router.weight',
        'blk.2.attn_kv_b.weight',
        'blk.2.ffn_down_shexp.weight',
        'v.patch_embd.weight',
        'something.bias',
        'something.weight',
      ].map((name) => [name, [2, 256]]),
    ),
  },
  'dimensions of size 1': {
    architecture: 'llama',
    blocks: 2,
    heads: 4,
    kvHeads: 4,
    extra: { 'one.weight': [1, 256], 'inner.weight': [2, 1, 256] },
  },
};

describe.skipIf(!hasOracle)('exported GGUF against llama.cpp', () => {
  beforeAll(async () => {
    await exportTo(sampleFolder, { type: 'F16' }, half);
    await exportTo(sampleFolder, { type: 'Q4_K_M' }, q4km);
  });

  /** A file type without and with a matrix; without only where llama.cpp writes it so. */
  function casesOf(fileType: FileType, imatrix: Imatrix, { columns }: { columns?: number } = {}): Case[] {
    const { name, id } = fileType;
    // llama.cpp has no fallback for Q1_0 and reports an error.
    if (name === 'Q1_0' && columns === 100) return [];
    const bare = { what: name, target: { type: name }, fileType: id };
    const weighted = {
      ...bare,
      what: `${name} with imatrix`,
      target: { type: name, imatrix },
      options: oracleImatrix(imatrix),
    };
    return fileTypeNeedsImportance(fileType) ? [weighted] : [bare, weighted];
  }

  for (const fileType of fileTypes) {
    it(`writes the sample in ${fileType.name} as llama_model_quantize does, to the last byte`, async () => {
      await expectSame(half, ...casesOf(fileType, await madeUpImatrix(half)));
      if (!fileTypeNeedsImportance(fileType)) return;
      const bare = exportTo(half, { type: fileType.name }, join(folder, 'refused.gguf'));
      await expect(bare).rejects.toThrow(/importance matrix/);
    });
  }

  for (const [what, model] of Object.entries(synthetic)) {
    it(`mixes types as llama.cpp does for ${what}`, async () => {
      const source = join(folder, 'synthetic.gguf');
      await writeSyntheticGguf(source, model);
      const imatrix = await madeUpImatrix(source);
      // llama.cpp rebuilds the tables of lattice types for each file, which takes a second: some models are enough.
      const compared = fileTypes.filter(({ base }) => withLattices.has(what) || !/^IQ[123]/.test(base));
      await expectSame(source, ...compared.flatMap((fileType) => casesOf(fileType, imatrix, model)));
    });
  }

  const q4 = 15;
  const ggml = { F16: 1, Q8_0: 8, Q6_K: 14, Q5_K: 13, Q3_K: 11, IQ4_NL: 20 };
  const options: Record<string, [ExportTarget, QuantizeOptions]> = {
    pure: [{ pure: true }, { pure: true }],
    'leave output tensor': [{ leaveOutput: true }, { leaveOutput: true }],
    'output type': [{ outputType: 'q8_0' }, { outputType: ggml.Q8_0 }],
    'token-embedding type': [{ tokenEmbeddingType: 'Q3_K' }, { embeddingType: ggml.Q3_K }],
    'types of output and embedding in a pure file': [
      { outputType: 'F16', tokenEmbeddingType: 'IQ4_NL', pure: true },
      { outputType: ggml.F16, embeddingType: ggml.IQ4_NL, pure: true },
    ],
    'tensor types': [
      {
        tensorTypes: [
          { pattern: '3\\.ffn_down', type: 'Q4_K' }, // no more bits, though the mixture would give some
          { pattern: 'blk\\.[0234]\\.ffn_(down|up)', type: 'Q6_K' },
          { pattern: 'attn_v', type: 'q5_k' },
        ],
      },
      {
        tensorTypes: [
          { pattern: '3\\.ffn_down', type: 12 },
          { pattern: 'blk\\.[0234]\\.ffn_(down|up)', type: ggml.Q6_K },
          { pattern: 'attn_v', type: ggml.Q5_K },
        ],
      },
    ],
    'left-out blocks': [{ pruneLayers: [1, 4] }, { pruneLayers: [1, 4] }],
    'an overridden number of heads, which the mixture looks at': [
      { overrideKeyValues: ['llama.attention.head_count_kv=int:1'] },
      { overrides: [{ key: 'llama.attention.head_count_kv', type: 'int', value: 1 }] },
    ],
    'overridden key-values': [
      {
        overrideKeyValues: [
          'llama.rope.freq_base=float:5000',
          'general.name=str:Another',
          'tokenizer.ggml.add_bos_token=bool:true',
          'my.number=int:17',
        ],
      },
      {
        overrides: [
          { key: 'llama.rope.freq_base', type: 'float', value: 5000 },
          { key: 'general.name', type: 'str', value: 'Another' },
          { key: 'tokenizer.ggml.add_bos_token', type: 'bool', value: true },
          { key: 'my.number', type: 'int', value: 17 },
        ],
      },
    ],
  };
  for (const [what, [target, oracle]] of Object.entries(options)) {
    it(`does the same as llama_model_quantize with ${what}`, async () => {
      const all = { type: 'Q4_K_M', ...target };
      await expectSame(half, { what, target: all, fileType: q4, options: oracle });
    });
  }

  it('leaves out blocks with an importance matrix of all', async () => {
    const imatrix = await madeUpImatrix(half);
    await expectSame(half, {
      what: 'IQ2_M',
      target: { type: 'IQ2_M', imatrix, pruneLayers: [0, 3] },
      fileType: 29,
      options: { ...oracleImatrix(imatrix), pruneLayers: [0, 3] },
    });
  });

  it('copies with COPY, and requantizes where it is allowed', async () => {
    const copy = { what: 'COPY', target: { type: 'COPY' }, fileType: q4, options: { onlyCopy: true } };
    const target = { type: 'Q3_K_M', allowRequantize: true };
    await expectSame(q4km, copy, { what: 'again', target, fileType: 12, options: { allowRequantize: true } });
  });

  it.skipIf(!hasSharedData)('quantizes with the matrix that llama-imatrix made', async () => {
    const imatrix = await readImatrix(join(sharedData, 'imatrix-sample', 'imatrix.gguf'));
    expect(imatrix.entries.size).toBe(43);
    const options = oracleImatrix(imatrix);
    await expectSame(
      half,
      { what: 'IQ2_XXS', target: { type: 'IQ2_XXS', imatrix }, fileType: 19, options },
      { what: 'Q4_K_M', target: { type: 'Q4_K_M', imatrix }, fileType: q4, options },
    );
  });

  it('writes a split model that llama.cpp loads, and keeps its parts as llama_model_quantize does', async () => {
    const parts = join(folder, 'parts.gguf');
    const { files } = await exportTo(half, { type: 'F16', split: { kind: 'bytes', value: 4e6 } }, parts);
    expect(files.length).toBeGreaterThan(2);
    const first = join(folder, files[0]!.name);
    const lines = ['First Citizen: speak.'];
    const { tokens } = await llamaCpp('tokenize', { model: first, lines });
    expect(tokens).toEqual((await llamaCpp('tokenize', { model: half, lines })).tokens);

    await expectSame(first, { what: 'from parts', target: { type: 'Q4_K_M' }, fileType: q4 });
    const kept = join(folder, 'kept.gguf');
    const theirs = join(folder, 'kept-theirs');
    const result = await exportTo(first, { type: 'Q4_K_M', split: { kind: 'keep' } }, kept);
    const run = { to: theirs, fileType: q4, options: { keepSplit: true } };
    expect(await llamaCpp('quantize', { from: first, runs: [run] })).toEqual({ codes: [0] });
    expect(result.files.map(({ tensors }) => tensors)).toEqual(files.map(({ tensors }) => tensors));
    for (const { name } of result.files) {
      const other = join(folder, name.replace('kept-', 'kept-theirs-'));
      expect(readFileSync(join(folder, name)).equals(readFileSync(other)), name).toBe(true);
    }
  });

  it('writes a Q4_K_M file that generates text, the same each time', async () => {
    const prompt = 'ROMEO:\n';
    const { text } = await nodeLlamaCppCompletion(q4km, prompt, 40);
    const again = await nodeLlamaCppCompletion(q4km, prompt, 40);
    expect(text).toBe(again.text);
    // Words of more than one letter: what a model with rows in the wrong order does not write.
    expect(text.match(/\b[a-zA-Z']{2,}\b/g)?.length).toBeGreaterThan(10);
    expect(text).toMatch(/\b(the|thou|thee|and|you|my|to)\b/);
  });

  it('gives llama.cpp the tokens of tokenizer.json', async () => {
    const json = (name: string) =>
      JSON.parse(readFileSync(join(sampleFolder, name), 'utf8')) as Record<string, unknown>;
    const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
    const evaluation = readFileSync(join(sampleFolder, 'generated-eval.txt'), 'utf8');
    const lines = [
      ...evaluation.split('\n').slice(0, 60),
      "  I've 12345 things; WE'LL  see?\n\n\tTabs and trailing spaces   ",
      'naïve café – “quotes” 日本語 🙂 \u0000\u007f',
      'don’t, can’t: it’s 3.14159',
    ].filter((line) => line.length > 0);
    const expected = lines.map((line) => tokenizer.encode(line, { add_special_tokens: false }).ids);
    const { tokens } = await llamaCpp('tokenize', { model: q4km, lines });
    expect(tokens).toEqual(expected);
  });

  it.skipIf(!hasSharedData)('exports a GGUF with a SentencePiece tokenizer to Q8_0', async () => {
    const source = join(sharedData, 'gguf', 'llama-2-tiny-random.gguf');
    const ours = join(folder, 'llama-2-q8.gguf');
    const theirs = join(folder, 'llama-2-q8-theirs.gguf');
    await exportTo(source, { type: 'Q8_0' }, ours);
    await llamaCpp('quantize', { from: source, runs: [{ to: theirs, fileType: 7 }] });
    expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
    const lines = ['Hello world', ' twice  spaced', 'naïve 日本語 🙂'];
    const { tokens } = await llamaCpp('tokenize', { model: ours, lines });
    expect(tokens).toEqual((await llamaCpp('tokenize', { model: source, lines })).tokens);
    expect(tokens[0]).toEqual([15043, 3186]); // "▁Hello", "▁world" in Llama 2's vocabulary
  });
});
