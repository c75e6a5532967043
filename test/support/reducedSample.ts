import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors, type SafetensorsPart } from '../../src/exporter/writeSafetensors';
import { sampleFolder } from './files';
import { Checkpoint } from './reference/checkpoint';

/** Blocks and the width of the feed-forward network, which are 6 and 768 in the sample. */
export const reduced = { blocks: 2, inner: 256 };

/** The sample with its first blocks and a part of their feed-forward networks: trained weights, a fifth as many in matrices that are encoded. */
export async function writeReducedSample(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(sampleFolder, file), join(folder, file));
  const config = JSON.parse(readFileSync(join(sampleFolder, 'config.json'), 'utf8')) as object;
  const sizes = { num_hidden_layers: reduced.blocks, intermediate_size: reduced.inner };
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...sizes }));
  const checkpoint = new Checkpoint(sampleFolder);
  const parts = checkpoint
    .names()
    .filter((name) => Number(/\.layers\.(\d+)\./.exec(name)?.[1] ?? 0) < reduced.blocks)
    .map((name) => partOf(name, checkpoint.tensor(name)));
  await writeSafetensors(join(folder, 'model.safetensors'), parts, {});
}

/** A tensor in BF16, which holds the sample's weights exactly; of a feed-forward network its first rows or columns. */
function partOf(name: string, { shape, data }: ReturnType<Checkpoint['tensor']>): SafetensorsPart {
  const [rows = 1, columns = 1] = shape;
  const kept = {
    rows: /(gate|up)_proj/.test(name) ? reduced.inner : rows,
    columns: name.includes('down_proj') ? reduced.inner : columns,
  };
  const values = Float32Array.from({ length: kept.rows * kept.columns }, (_, i) => {
    return data[Math.floor(i / kept.columns) * columns + (i % kept.columns)]!;
  });
  const words = new Uint32Array(values.buffer);
  const bytes = new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
  const own = shape.length === 1 ? [kept.rows] : [kept.rows, kept.columns];
  return { name, dtype: 'BF16', shape: own, data: () => [bytes] };
}
