import { tensorRole } from '../../model/roles';
import type { Check } from '../check';
import { bareMessage, placeOf, type Patient } from '../patient';
import { vocabularyOf } from '../vocabulary';
import { said } from '../../protocol/said';

/** JSON files beside the weights that programs read; config.json is read with the model. */
const jsonFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'generation_config.json',
];

/** Rows of a checkpoint's embedding; undefined where it cannot be told. */
export function embeddingRows({ model }: Patient): number | undefined {
  const found = model?.description.tensors.filter(({ name }) => tensorRole(name).role === 'token_embd') ?? [];
  return found.length === 1 && found[0]!.shape.length === 2 ? found[0]!.shape[0] : undefined;
}

/** The tokenizer's files, and its ids against the embedding. */
export const tokenizerCheck: Check = {
  codes: ['config/unreadable', 'tokenizer/unreadable', 'tokenizer/too-many-tokens', 'tokenizer/doubled-id'],
  async run(patient, { report }) {
    if (!patient.hasSurroundings || patient.model!.gguf) return;
    for (const name of jsonFiles) {
      const problem = (await patient.json(name))?.problem;
      if (problem)
        report({
          code: 'config/unreadable',
          message: bareMessage(problem),
          ...placeOf(problem, patient.path),
        });
    }
    const json = await patient.json('tokenizer.json');
    if (!json?.value) return;
    const { file, value } = json;
    const vocabulary = vocabularyOf(value);
    if (!vocabulary) {
      const message = said`The file has no vocabulary ("model" with "vocab"): no library can load the tokenizer.`;
      report({ code: 'tokenizer/unreadable', file, key: ['model'], message });
      return;
    }
    const rows = embeddingRows(patient);
    const byId = new Map<number, string>();
    const beyond: string[] = [];
    for (const [text, id] of vocabulary.ids) {
      const other = byId.get(id);
      byId.set(id, text);
      if (other !== undefined)
        report({
          ...{ code: 'tokenizer/doubled-id', file, key: ['model', 'vocab', text] },
          message: said`The tokens ${JSON.stringify(other)} and ${JSON.stringify(text)} both have the id ${id}.`,
        });
      if (rows !== undefined && id >= rows) beyond.push(text);
    }
    const [first] = beyond;
    if (first !== undefined)
      report({
        ...{ code: 'tokenizer/too-many-tokens', file, key: ['model', 'vocab', first] },
        message: said`The token ${JSON.stringify(first)} has the id ${vocabulary.ids.get(first)!}, but the embedding has ${rows!} rows${beyond.length > 1 ? said`; so have ${beyond.length - 1} more` : ''}.`,
      });
  },
};
