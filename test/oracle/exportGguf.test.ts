import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { fileTypes } from '../../src/exporter/plan/fileTypes';
import { openModel } from '../../src/model/openModel';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp, nodeLlamaCppCompletion } from '../support/llamaCpp';
import { writeSyntheticGguf, type SyntheticModel } from '../support/syntheticGguf';

const folder = temporaryFolder();
const half = join(folder, 'sample-f16.gguf');
const q4km = join(folder, 'sample-q4km.gguf');

async function exportTo(from: string, type: string, to: string) {
  const model = await openModel(from);
  try {
    return await exportGguf(model, { type }, to);
  } finally {
    await model.close();
  }
}

/** Name, type and bytes of every tensor, in file order. */
async function tensorsOf(path: string) {
  const model = await openModel(path);
  try {
    const { tensors } = model.description;
    return await Promise.all(
      tensors.map(async (tensor) => ({
        name: tensor.name,
        dtype: tensor.dtype,
        shape: tensor.shape.join(),
        bytes: Buffer.from(await model.read(tensor, 0, tensor.byteLength)).toString('base64'),
      })),
    );
  } finally {
    await model.close();
  }
}

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
    await exportTo(sampleFolder, 'F16', half);
    await exportTo(sampleFolder, 'Q4_K_M', q4km);
  });

  for (const { name, id } of fileTypes) {
    it(`writes the sample in ${name} as llama_model_quantize does, to the last byte`, async () => {
      const ours = join(folder, `ours-${name}.gguf`);
      const theirs = join(folder, `theirs-${name}.gguf`);
      await exportTo(half, name, ours);
      expect(await llamaCpp('quantize', { from: half, to: theirs, fileType: id })).toEqual({ code: 0 });
      expect(await tensorsOf(ours)).toEqual(await tensorsOf(theirs));
      expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
    });
  }

  for (const [what, model] of Object.entries(synthetic)) {
    it(`mixes types as llama.cpp does for ${what}`, async () => {
      const source = join(folder, 'synthetic.gguf');
      const ours = join(folder, 'synthetic-ours.gguf');
      const theirs = join(folder, 'synthetic-theirs.gguf');
      await writeSyntheticGguf(source, model);
      for (const { name, id } of fileTypes) {
        await exportTo(source, name, ours);
        expect(await llamaCpp('quantize', { from: source, to: theirs, fileType: id })).toEqual({ code: 0 });
        expect(readFileSync(ours).equals(readFileSync(theirs)), name).toBe(true);
      }
    });
  }

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
    await exportTo(source, 'Q8_0', ours);
    await llamaCpp('quantize', { from: source, to: theirs, fileType: 7 });
    expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
    const lines = ['Hello world', ' twice  spaced', 'naïve 日本語 🙂'];
    const { tokens } = await llamaCpp('tokenize', { model: ours, lines });
    expect(tokens).toEqual((await llamaCpp('tokenize', { model: source, lines })).tokens);
    expect(tokens[0]).toEqual([15043, 3186]); // "▁Hello", "▁world" in Llama 2's vocabulary
  });
});
