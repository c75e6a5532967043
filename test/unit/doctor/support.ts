import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSource } from '../../../src/model/place';
import { readGguf } from '../../../src/model/gguf';
import { writeSafetensors, type SafetensorsPart } from '../../../src/exporter/writeSafetensors';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { Checkpoint } from '../../support/reference/checkpoint';

const files = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json'];

/** A copy of the sample whose files a test may damage. */
export function copyOfSample(): string {
  const folder = temporaryFolder();
  for (const file of [...files, 'model.safetensors'])
    copyFileSync(join(sampleFolder, file), join(folder, file));
  return folder;
}

/** The sample in two shards with an index. */
export async function shardedSample(): Promise<string> {
  const folder = temporaryFolder();
  for (const file of files) copyFileSync(join(sampleFolder, file), join(folder, file));
  const checkpoint = new Checkpoint(sampleFolder);
  const map: Record<string, string> = {};
  const names = checkpoint.names();
  for (const [i, own] of [names.slice(0, 20), names.slice(20)].entries()) {
    const file = `model-0000${i + 1}-of-00002.safetensors`;
    for (const name of own) map[name] = file;
    await writeSafetensors(
      join(folder, file),
      own.map((name) => partOf(checkpoint, name)),
      {},
    );
  }
  writeFileSync(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }),
  );
  return folder;
}

function partOf(checkpoint: Checkpoint, name: string): SafetensorsPart {
  const { shape, data } = checkpoint.tensor(name);
  const words = new Uint32Array(Float32Array.from(data).buffer);
  const bytes = new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
  return { name, dtype: 'BF16', shape, data: () => [bytes] };
}

export type Json = Record<string, unknown>;

export function editJson(folder: string, name: string, edit: (value: Json) => void): void {
  const file = join(folder, name);
  const value = JSON.parse(readFileSync(file, 'utf8')) as Json;
  edit(value);
  writeFileSync(file, JSON.stringify(value, undefined, 2));
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Changes the header of the sample's file of weights, and its bytes. */
export function editWeights(
  folder: string,
  edit: (header: Record<string, Entry>, data: Buffer) => Buffer | undefined | void,
): void {
  const file = join(folder, 'model.safetensors');
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, Entry>;
  const data = bytes.subarray(8 + length);
  const changed = edit(header, data) ?? data;
  let text = JSON.stringify(header);
  while (text.length % 8 !== 0) text += ' ';
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(file, Buffer.concat([size, Buffer.from(text), changed]));
}

/** Fills weights of a BF16 tensor: of all rows or one, of all columns or one. */
export function fillWeights(
  folder: string,
  name: string,
  bits: number,
  { row, column }: { readonly row?: number; readonly column?: number } = {},
): void {
  editWeights(folder, (header, data) => {
    const { shape, data_offsets: range } = header[name]!;
    const [rows = 1, columns = 1] = shape.length === 1 ? [1, shape[0]] : shape;
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        if ((row ?? i) === i && (column ?? j) === j)
          data.writeUInt16LE(bits, range[0] + 2 * (i * columns + j));
  });
}

/** Replaces a text of a GGUF header by another one of its length. */
export function renameInGguf(file: string, from: string, to: string): void {
  const bytes = readFileSync(file);
  const at = bytes.indexOf(from);
  if (at < 0 || from.length !== to.length) throw new Error(`${from} cannot become ${to}.`);
  bytes.write(to, at);
  writeFileSync(file, bytes);
}

/** Changes bytes at the value of a key, or at the data of a tensor. */
export async function editGguf(
  file: string,
  at: { readonly key: string } | { readonly tensor: string },
  edit: (bytes: Buffer, offset: number) => void,
): Promise<void> {
  const source = await openSource(file);
  const gguf = await readGguf(source);
  await source.close();
  const offset =
    'key' in at
      ? gguf.metadata.get(at.key)!.offset
      : gguf.tensors.find(({ name }) => name === at.tensor)!.offset;
  const bytes = readFileSync(file);
  edit(bytes, offset);
  writeFileSync(file, bytes);
}
