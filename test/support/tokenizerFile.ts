import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTokenizer } from '../../src/evaluation/tokenizer/openTokenizer';
import { layOutGguf, writeGguf } from '../../src/exporter/gguf/writer';
import { writeAtomically } from '../../src/files/atomicFile';
import { openModel } from '../../src/layouts/openModel';
import type { KeyValue } from '../../src/model/keyValue';
import { readTokenizer } from '../../src/tokenizer/readTokenizer';

/** A new folder with these files; objects are written as JSON. */
export function tokenizerFolder(folder: string, files: Readonly<Record<string, unknown>>): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(join(folder, name), raw ? content : JSON.stringify(content));
  }
  return folder;
}

/** Writes a GGUF file that holds nothing but the tokenizer of a folder, beside it. */
export async function tokenizerGguf(
  folder: string,
  rows: number,
  config: Record<string, unknown> = {},
): Promise<{ gguf: string; pairs: readonly KeyValue[]; notes: readonly string[] }> {
  const { keyValues: pairs, notes } = await readTokenizer(folder, config, rows);
  return { gguf: await writeTokenizer(`${folder}.gguf`, pairs), pairs, notes };
}

/** Writes a GGUF file of these key-values, without tensors. */
export async function writeTokenizer(gguf: string, pairs: readonly KeyValue[]): Promise<string> {
  const layout = layOutGguf([{ key: 'general.architecture', type: 'string', value: 'llama' }, ...pairs], []);
  await writeAtomically(gguf, (file) =>
    writeGguf(file, layout, () => {
      throw new Error('there are no tensors');
    }),
  );
  return gguf;
}

/** Ids of texts by the tokenizer of a GGUF file, as it is run here. */
export async function ownIds(gguf: string, texts: readonly string[]): Promise<number[][]> {
  const model = await openModel(gguf);
  try {
    const tokenizer = await openTokenizer(model);
    return await Promise.all(texts.map(async (text) => [...(await tokenizer.encode(text))]));
  } finally {
    await model.close();
  }
}

/** Texts that two sides cut in other ways, with both cuts. */
export function differing(texts: readonly string[], one: readonly unknown[], other: readonly unknown[]) {
  return texts.flatMap((text, i) =>
    JSON.stringify(one[i]) === JSON.stringify(other[i]) ? [] : [{ text, one: one[i], other: other[i] }],
  );
}
