import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { withKeys, withoutQuantization } from '../checkpoint/jsonText';

/** A small file beside the graph. */
export interface Companion {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What generation tools read beside the graph. */
const copied = [
  ...['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer.model', 'tokenizer_config.json'],
  ...['added_tokens.json', 'special_tokens_map.json', 'vocab.json', 'merges.txt'],
  ...['chat_template.json', 'chat_template.jinja'],
];

/**
 * The files of a checkpoint's folder that go with the graph; none of a GGUF file. How the checkpoint was quantized is left out of
 * config.json: the graph says how it is.
 * @throws QuantscopeError IO.
 */
export async function companionFiles({ folder, gguf, config }: Model): Promise<Companion[]> {
  if (gguf) return [];
  const files: Companion[] = [];
  for (const name of copied) {
    const bytes = await readIfPresent(join(folder, name));
    if (!bytes) continue;
    const isStated = Object.keys(withoutQuantization).some((key) => config?.[key] !== undefined);
    if (name !== 'config.json' || !isStated) files.push({ name, bytes });
    else files.push({ name, bytes: Buffer.from(`${withKeys(bytes.toString(), withoutQuantization)}\n`) });
  }
  return files;
}

async function readIfPresent(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new QuantscopeError('IO', `The file cannot be read: ${reason(cause)}`, { file }, cause);
  }
}
