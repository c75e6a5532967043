import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import type { Model } from '../model/model';
import { readTokenizer } from '../tokenizer/readTokenizer';
import { checkpointName, loadableName } from './modelName';
import type { ExportPlan } from './plan';
import { said } from '../protocol/said';

/** Key-values of a checkpoint's file, and what was chosen or left out, as sentences. */
export interface CheckpointKeyValues {
  readonly pairs: readonly KeyValue[];
  readonly notes: readonly string[];
}

/**
 * Everything about a checkpoint's file but its tensors: name, hyper-parameters, tokenizer.
 * @throws QuantscopeError as `readTokenizer`.
 */
export async function checkpointKeyValues(
  model: Model,
  { architecture, keyValues, tensors }: Pick<ExportPlan, 'architecture' | 'keyValues' | 'tensors'>,
  signal: AbortSignal | undefined,
): Promise<CheckpointKeyValues> {
  const rows = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
  if (rows === undefined)
    throw new QuantscopeError('INTERNAL', said`The checkpoint has no token embedding.`, {
      file: model.folder,
    });
  const text = (key: string, value: string): KeyValue => ({ key, type: 'string', value });
  const u32 = (key: string, value: number): KeyValue => ({ key, type: 'u32', value });
  const vocabularySize = `${architecture}.vocab_size`;
  const tokenizer = await readTokenizer(model.folder, model.config ?? {}, rows, signal);
  const name = loadableName(await checkpointName(model, signal), architecture, tokenizer.keyValues);
  return {
    pairs: [
      text('general.architecture', architecture),
      text('general.type', 'model'),
      text('general.name', name.text),
      ...keyValues,
      ...(keyValues.some(({ key }) => key === vocabularySize) ? [] : [u32(vocabularySize, rows)]),
      ...tokenizer.keyValues,
    ],
    notes: [...name.notes, ...tokenizer.notes],
  };
}
