import type { Decoder } from '../../src/graph/transformer/decoder';
import type { RoundInputs } from '../../src/graph/transformer/graphSources';
import { openDecoder } from '../../src/graph/transformer/openDecoder';
import { openModel } from '../../src/layouts/openModel';
import { Generation } from '../../src/graph/transformer/generation';

/** Logits of every position of a text that is one window. */
export async function windowLogits(decoder: Decoder, text: Int32Array): Promise<Float32Array[]> {
  const states = await decoder.advance(await decoder.embed(text));
  const rows = Array.from(text, () => new Float32Array(decoder.shape.vocabulary));
  for await (const slice of decoder.logitSlices()) {
    const logits = await slice.run(states);
    rows.forEach((row, i) => row.set(logits.subarray(i * slice.count, (i + 1) * slice.count), slice.first));
  }
  return rows;
}

/** The same, token by token with a cache of keys and values. */
export async function cachedLogits(decoder: Decoder, text: Int32Array): Promise<Float32Array[]> {
  const generation = new Generation(decoder, text.length);
  const rows: Float32Array[] = [];
  for (const token of text) rows.push(await generation.next(Int32Array.of(token)));
  return rows;
}

/** Logits after pieces of a text, each read in one pass after those before it. */
export async function piecewiseLogits(
  decoder: Decoder,
  pieces: readonly Int32Array[],
): Promise<Float32Array[]> {
  const generation = new Generation(
    decoder,
    pieces.reduce((sum, { length }) => sum + length, 0),
  );
  const rows: Float32Array[] = [];
  for (const piece of pieces) rows.push(await generation.next(piece));
  return rows;
}

/** Logits of every position of a text, by the engine's own forward pass of a model. */
export async function ownLogits(
  path: string,
  tokens: readonly number[],
  roundInputs: RoundInputs = false,
): Promise<Float32Array[]> {
  const model = await openModel(path);
  const options = { device: 'ort-cpu', length: tokens.length, keep: false, roundInputs } as const;
  const decoder = await openDecoder(model, options);
  const logits = await windowLogits(decoder, Int32Array.from(tokens));
  await decoder.close();
  await model.close();
  return logits;
}
