import type { Decoder } from '../../src/graph/transformer/decoder';
import { Generation } from '../../src/graph/transformer/generation';

/** Logits of every position of a text that is one window. */
export async function windowLogits(decoder: Decoder, text: Int32Array): Promise<Float32Array[]> {
  const states = await decoder.embed(text);
  await decoder.advance(states);
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
  for (const token of text) rows.push(await generation.next(token));
  return rows;
}
