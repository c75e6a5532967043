import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../files/makeFolder';
import type { Model } from '../../model/model';
import { joinPlace, listIfPresent, listPlace, readPlace, statPlace } from '../../model/place';
import { recordName } from './outputFolder';

/** A file of this size is not a tokenizer, a template or a licence (bytes). */
const maxBytes = 64 * 1024 * 1024;

/** Weights, in whatever form, and files that list them. */
const weights =
  /\.(?:safetensors|sft|bin|pt|pth|ckpt|gguf|ggml|onnx|onnx_data|h5|msgpack|npz|ot|tflite|pdparams)$|\.(?:index|digests)\.json$|\.partial$/i;

/** How an earlier quantization is described: copied where the weights stay as it left them. */
export const quantizationFiles: ReadonlySet<string> = new Set([
  ...['quantize_config.json', 'quant_config.json', 'quant_log.csv', 'recipe.yaml', 'hf_quant_config.json'],
]);

/** What is written again, or describes an earlier quantization. */
const own = new Set([
  ...['config.json', 'README.md', recordName, '.gitattributes', 'imatrix.dat'],
  ...quantizationFiles,
]);

/** Texts that belong to a checkpoint, among others that may lie in its folder. */
const texts = /^(?:vocab|merges|added_tokens|.*(?:licen[cs]e|notice|policy|readme).*)/i;

const isCopied = (name: string, also: ReadonlySet<string>): boolean =>
  (!own.has(name) || also.has(name)) &&
  !weights.test(name) &&
  !name.startsWith('.') &&
  (!/\.txt$/i.test(name) || texts.test(name));

/**
 * The files of a checkpoint that are copied to a quantized one: tokenizer, generation settings, templates, licence, code; folders of
 * sentence-transformers' modules with their weights.
 * @param also names that a quantization writes again, and are copied here.
 * @returns paths in the folder.
 */
export async function filesToCopy(
  { folder, modules }: Pick<Model, 'folder' | 'modules'>,
  also: ReadonlySet<string> = new Set(),
): Promise<string[]> {
  const top = (await listPlace(folder)).filter((name) => isCopied(name, also));
  const ofModules: string[] = [];
  for (const { path } of modules ?? []) {
    if (path === '') continue;
    for (const name of await listIfPresent(joinPlace(folder, path))) ofModules.push(`${path}/${name}`);
  }
  const files: string[] = [];
  for (const name of [...top, ...ofModules]) {
    const found = await statPlace(joinPlace(folder, name)).catch(() => undefined); // a link that leads nowhere
    if (
      found &&
      !found.isFolder &&
      found.special === undefined &&
      (found.size <= maxBytes || name.includes('/'))
    )
      files.push(name);
  }
  return files.sort();
}

/** Bytes of the files that are copied. */
export async function copiedBytes(model: Pick<Model, 'folder' | 'modules'>): Promise<number> {
  const sizes = await Promise.all(
    (await filesToCopy(model)).map(async (name) => (await statPlace(joinPlace(model.folder, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Copies their content, links followed; permissions are those of new files. */
export async function copyFiles(from: string, names: readonly string[], to: string): Promise<void> {
  for (const name of names) {
    await makeFolder(dirname(join(to, name)));
    await writeFile(join(to, name), await readPlace(joinPlace(from, name)));
  }
}
