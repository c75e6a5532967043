import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors, type SafetensorsPart } from '../../src/exporter/writeSafetensors';
import { formatById } from '../../src/quant/catalogue';
import { sampleFolder } from './files';
import { Checkpoint } from './reference/checkpoint';
import { decodeEncoded, encodeIn } from '../../src/quant/codec';

/** Formats of some of a checkpoint's tensors, by the tensors' names. */
export type Formats = (tensor: string) => string | undefined;

/** The sample as a float32 checkpoint whose tensors hold what formats store of them: encoded and decoded one by one, whole. */
export async function writeChangedSample(folder: string, formats: Formats): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(sampleFolder, file), join(folder, file));
  const checkpoint = new Checkpoint(sampleFolder);
  const parts: SafetensorsPart[] = [];
  for (const name of checkpoint.names()) {
    const { shape, data } = checkpoint.tensor(name);
    const values = await stored(Float32Array.from(data), shape.at(-1)!, formats(name));
    parts.push({ name, dtype: 'F32', shape, data: () => [new Uint8Array(values.buffer)] });
  }
  await writeSafetensors(join(folder, 'model.safetensors'), parts, {});
}

async function stored(
  values: Float32Array,
  columns: number,
  format: string | undefined,
): Promise<Float32Array> {
  if (format === undefined) return values;
  const stores = formatById(format);
  const range = {
    min: values.reduce((a, b) => Math.min(a, b)),
    max: values.reduce((a, b) => Math.max(a, b)),
  };
  return decodeEncoded(await encodeIn(stores, values, columns, range));
}
