import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readJsonFile } from '../model/jsonFiles';
import type { Model } from '../model/model';
import { joinPlace } from '../model/place';

/**
 * What a model calls its tokenizer: the kind and the splitting rule of a GGUF file, the class that tokenizer_config.json names; undefined where
 * neither says. Reads no vocabulary.
 */
export async function tokenizerName(
  { gguf, folder }: Pick<Model, 'gguf' | 'folder'>,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (!gguf) return classOf(await objectIn(joinPlace(folder, 'tokenizer_config.json'), signal));
  const kind = gguf.metadata.get('tokenizer.ggml.model')?.scalar;
  if (typeof kind !== 'string') return undefined;
  const splitting = gguf.metadata.get('tokenizer.ggml.pre')?.scalar;
  const tokens = gguf.metadata.get('tokenizer.ggml.tokens')?.array?.length;
  const rule = typeof splitting === 'string' ? `, ${splitting}` : '';
  return `${kind}${rule}${tokens === undefined ? '' : `, ${tokens.toLocaleString('en-US')} tokens`}`;
}

const classOf = (config: Readonly<Record<string, unknown>> | undefined): string | undefined => {
  const name = config?.['tokenizer_class'];
  return typeof name === 'string' ? name : undefined;
};

/** A file that is absent or damaged names nothing; reading the tokenizer says what is wrong with it. */
async function objectIn(
  file: string,
  signal: AbortSignal | undefined,
): Promise<Record<string, unknown> | undefined> {
  try {
    const { value } = await readJsonFile(file, signal);
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof QuantscopeError && error.code !== 'CANCELLED') return undefined;
    throw error;
  }
}
