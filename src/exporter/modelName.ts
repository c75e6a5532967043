import { exists, joinPlace } from '../model/place';
import type { KeyValue } from '../model/keyValue';
import type { Model } from '../model/model';
import { readTextStart } from '../model/textFile';
import { said } from '../protocol/said';

/** Bytes at the start of a model card that its front matter is looked for in. */
const maxFrontMatter = 64 * 1024;

/**
 * Name of a checkpoint, as llama.cpp's converter finds it: `model_name` or `name` of the model card, else the repository that
 * config.json names, else the folder.
 */
export async function checkpointName(
  { folder, config, description }: Pick<Model, 'folder' | 'config' | 'description'>,
  signal?: AbortSignal,
): Promise<string> {
  const file = joinPlace(folder, 'README.md');
  const card = (await exists(file)) ? await readTextStart(file, maxFrontMatter, signal) : '';
  const stated = nameOfCard(card);
  if (stated !== undefined) return stated;
  const repository: unknown = config?.['_name_or_path'];
  const named = typeof repository === 'string' ? /^[\w.-]+\/([\w.-]+)$/.exec(repository) : null;
  return named?.[1] ?? description.name;
}

function nameOfCard(card: string): string | undefined {
  const frontMatter = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1] ?? '';
  for (const key of ['model_name', 'name']) {
    const value = new RegExp(`^${key}:[ \\t]*(.+)$`, 'm').exec(frontMatter)?.[1]?.trim();
    const name = value?.replace(/^(["'])(.*)\1$/, '$2');
    if (name !== undefined && name !== '') return name;
  }
  return undefined;
}

/** llama.cpp gives these tokens other rules in a model whose name has "phi-3" or "phi3" in it, and fails where one is missing. */
const phi3Name = /phi-?3/gi;
const phi3Tokens = ['<unk>', '<s>', '</s>', '<|endoftext|>'];

/** A name from which llama.cpp does not derive wrong rules. */
export function loadableName(
  name: string,
  architecture: string,
  tokenizer: readonly KeyValue[],
): { readonly text: string; readonly notes: readonly string[] } {
  if (name.search(phi3Name) < 0) return { text: name, notes: [] };
  const pair = tokenizer.find(({ key }) => key === 'tokenizer.ggml.tokens');
  const tokens = new Set<unknown>(pair && 'values' in pair ? pair.values : []);
  if (architecture === 'phi3' && phi3Tokens.every((token) => tokens.has(token)))
    return { text: name, notes: [] };
  const text = name.replace(phi3Name, 'phi 3');
  return {
    text,
    notes: [
      said`The model is called "${text}" in the file, not "${name}": llama.cpp expects Phi-3's tokens in models with that name.`,
    ],
  };
}
