import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onnxMatrices } from '../../src/exporter/onnx/matrices';
import type { OnnxOptions } from '../../src/exporter/onnx/planOnnx';
import { weightForm } from '../../src/exporter/onnx/weightForms';
import { writeOnnx } from '../../src/exporter/onnx/writeOnnx';
import { openDecoder } from '../../src/graph/transformer/openDecoder';
import { openModel } from '../../src/layouts/openModel';
import { openTokenizer } from '../../src/evaluation/tokenizer/openTokenizer';
import { windowLogits } from '../support/decoderLogits';
import { sampleFolder, temporaryFolder } from '../support/files';
import { nearestChoice } from '../support/nearestCodes';
import { likeliest, openOnnx, OnnxText, OnnxTexts, type Slot } from '../support/onnxRun';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
/** Tokens that are generated. */
const count = 24;

/** What the engine's own forward pass generates after a prompt: it runs the whole text again for each token. */
async function ownTokens(path: string, prompt: readonly number[]): Promise<number[]> {
  const model = await openModel(path);
  const length = prompt.length + count;
  const decoder = await openDecoder(model, { device: 'ort-cpu', length, keep: true });
  const text = Int32Array.from({ length }, (_, i) => prompt[i] ?? 0);
  for (let end = prompt.length; end < length; end++)
    text[end] = likeliest((await windowLogits(decoder, text))[end - 1]!);
  await decoder.close();
  await model.close();
  return [...text.subarray(prompt.length)];
}

/** What a file generates, with keys and values of earlier tokens: each token costs one run over itself. */
async function cachedTokens(file: string, prompt: readonly number[]): Promise<number[]> {
  const session = await openOnnx(file);
  const text = new OnnxText(session);
  const found: number[] = [];
  for (let next = [...prompt]; found.length < count; next = [found.at(-1)!])
    found.push(likeliest((await text.next(next)).at(-1)!));
  await session.release();
  return found;
}

/** What a file without inputs for keys and values generates, from the whole text for each token. */
async function uncachedTokens(file: string, prompt: readonly number[]): Promise<number[]> {
  const session = await openOnnx(file);
  const text = [...prompt];
  while (text.length < prompt.length + count)
    text.push(likeliest((await new OnnxText(session).next(text)).at(-1)!));
  await session.release();
  return text.slice(prompt.length);
}

/** Writes a model as ONNX; with an id of weights, its matrices in that form. */
async function written(
  path: string,
  name: string,
  options: OnnxOptions = {},
  weights?: string,
): Promise<string> {
  const model = await openModel(path);
  const { grid, storage } = { ...(weights === undefined ? undefined : weightForm(weights).codes) };
  const matrices = grid ? await onnxMatrices(model) : [];
  const choices = new Map(matrices.map((matrix) => [matrix.name, nearestChoice(grid!({}), storage!)]));
  const out = join(folder, name);
  await writeOnnx(model, choices, out, options);
  await model.close();
  return join(out, 'model.onnx');
}

async function samplePrompts(...texts: readonly string[]): Promise<number[][]> {
  const model = await openModel(sampleFolder);
  const tokenizer = await openTokenizer(model);
  const prompts = await Promise.all(texts.map(async (text) => [...(await tokenizer.encode(text))]));
  await model.close();
  return prompts;
}

describe('greedy generation with an exported model', () => {
  it('the sample: with a cache the tokens of the forward pass, which is text of its kind', async () => {
    const [prompt] = await samplePrompts('KING HENRY:\nMy lord,');
    const expected = await ownTokens(sampleFolder, prompt!);
    expect(new Set(expected).size).toBeGreaterThan(8);
    expect(await cachedTokens(await written(sampleFolder, 'cached'), prompt!)).toEqual(expected);
    const uncached = await written(sampleFolder, 'uncached', { withoutPast: true });
    expect(await uncachedTokens(uncached, prompt!)).toEqual(expected);
  });

  it.each(['matmulnbits-4', 'qdq-int8', 'bnb-nf4'])(
    '%s: the same tokens with and without a cache',
    async (weights) => {
      const [prompt] = await samplePrompts('First Citizen:\nWe are');
      const cached = await cachedTokens(await written(sampleFolder, weights, {}, weights), prompt!);
      const plain = await written(sampleFolder, `${weights} plain`, { withoutPast: true }, weights);
      expect(await uncachedTokens(plain, prompt!)).toEqual(cached);
    },
  );

  // Layers that see a window; experts; a layer without positions.
  it.each(['gemma2', 'qwen3moe', 'smollm3'])('%s: the tokens of the forward pass', async (name) => {
    const source = join(folder, name);
    await writeCheckpoint(source, name);
    const prompt = [5, 17, 3, 29, 11];
    const file = await written(source, `${name} onnx`, { context: prompt.length + count });
    expect(await cachedTokens(file, prompt)).toEqual(await ownTokens(source, prompt));
  });

  /** Generation tools pad on the left, ONNX Runtime GenAI on the right. */
  it.each(['left', 'right'] as const)(
    'two prompts side by side, the shorter one padded on the %s, continue as each does alone',
    async (side) => {
      const prompts = await samplePrompts('KING HENRY:\nMy lord,', 'ROMEO:');
      const session = await openOnnx(await written(sampleFolder, `padded ${side}`));
      const longest = Math.max(...prompts.map(({ length }) => length));
      const padded = prompts.map((prompt): Slot[] => {
        const padding = Array<undefined>(longest - prompt.length).fill(undefined);
        return side === 'left' ? [...padding, ...prompt] : [...prompt, ...padding];
      });
      expect(padded.flat()).toContain(undefined);
      const texts = new OnnxTexts(session, prompts.length);
      const found = prompts.map((): number[] => []);
      for (let next = padded; found[0]!.length < count; next = found.map((tokens) => [tokens.at(-1)!])) {
        const logits = await texts.next(next);
        logits.forEach((rows, text) => {
          const last = next[text]!.findLastIndex((slot) => slot !== undefined);
          found[text]!.push(likeliest(rows[last]!));
        });
      }
      await session.release();
      for (const [text, tokens] of found.entries())
        expect(tokens).toEqual(await ownTokens(sampleFolder, prompts[text]!));
    },
  );
});
