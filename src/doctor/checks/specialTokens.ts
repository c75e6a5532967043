import type { Check, Fix } from '../check';
import { withJsonValue } from '../fixes/jsonEdit';
import type { Patient, PatientJson } from '../patient';
import { tokenText, vocabularyOf } from '../vocabulary';
import { embeddingRows } from './tokenizer';
import { said } from '../../protocol/said';

const roles = ['bos', 'eos', 'pad', 'unk', 'sep', 'mask'] as const;
/** Roles of which all files mean the same token; padding is often set for training alone. */
const comparedRoles = new Set<string>(['bos', 'eos']);

/** What a file says of a role. */
interface Statement {
  readonly json: PatientJson;
  readonly key: string;
  /** Several ends of text may be listed. */
  readonly ids: readonly number[];
}

const idFiles = ['config.json', 'generation_config.json'];
const textFiles = ['tokenizer_config.json', 'special_tokens_map.json'];

/** Special tokens of a checkpoint, which up to five files name by id or by text. */
export const specialTokensCheck: Check = {
  codes: ['special-tokens/out-of-range', 'special-tokens/unknown', 'special-tokens/disagree'],
  async run(patient, { report }) {
    if (!patient.hasSurroundings || patient.model!.gguf) return;
    const rows = embeddingRows(patient);
    const tokenizer = await patient.json('tokenizer.json');
    const vocabulary = tokenizer?.value && vocabularyOf(tokenizer.value);
    for (const role of roles) {
      const byId = await statedIds(patient, role);
      for (const { json, key, ids } of byId)
        for (const id of ids)
          if (rows !== undefined && id >= rows)
            report({
              ...{ code: 'special-tokens/out-of-range', file: json.file, key: [key] },
              message: said`"${key}" is ${id}, but the embedding has ${rows} rows.`,
            });
      if (!vocabulary) continue;
      const byText: Statement[] = [];
      for (const { json, key, text } of await statedTexts(patient, role)) {
        const id = vocabulary.ids.get(text);
        if (id !== undefined) byText.push({ json, key, ids: [id] });
        else
          report({
            ...{ code: 'special-tokens/unknown', file: json.file, key: [key] },
            message: said`"${key}" is ${JSON.stringify(text)}, which tokenizer.json does not have.`,
          });
      }
      if (comparedRoles.has(role))
        for (const found of disagreements(byText, byId))
          report({ code: 'special-tokens/disagree', ...found });
    }
  },
};

async function statedIds(patient: Patient, role: string): Promise<Statement[]> {
  const found: Statement[] = [];
  const key = `${role}_token_id`;
  for (const name of idFiles) {
    const json = await patient.json(name);
    const value = json?.value?.[key];
    const ids = (Array.isArray(value) ? (value as unknown[]) : [value]).filter(
      (id): id is number => typeof id === 'number' && Number.isSafeInteger(id) && id >= 0,
    );
    if (json && ids.length > 0) found.push({ json, key, ids });
  }
  return found;
}

async function statedTexts(patient: Patient, role: string) {
  const found: { readonly json: PatientJson; readonly key: string; readonly text: string }[] = [];
  const key = `${role}_token`;
  for (const name of textFiles) {
    const json = await patient.json(name);
    const text = tokenText(json?.value?.[key]);
    if (json && text !== undefined) found.push({ json, key, text });
  }
  return found;
}

/** Statements that have no token in common with that of the tokenizer. */
function disagreements([tokenizer, ...texts]: readonly Statement[], byId: readonly Statement[]) {
  if (!tokenizer) return [];
  const [meant] = tokenizer.ids as [number];
  const agrees = ({ ids }: Statement): boolean => ids.includes(meant);
  const isConfirmed = byId.some(agrees);
  return [...texts, ...byId].flatMap((statement) => {
    if (agrees(statement)) return [];
    const { json, key, ids } = statement;
    const change = isConfirmed && byId.includes(statement) ? setId(json.file, key, meant) : undefined;
    const message = said`"${key}" is the token ${ids.join(' or ')}, but "${tokenizer.key}" of ${nameOf(tokenizer.json)} is ${meant}.`;
    return [{ file: json.file, key: [key], message, change }];
  });
}

const nameOf = ({ file }: PatientJson): string => file.replace(/^.*[\\/]/, '');

const setId = (file: string, key: string, id: number): Fix => ({
  file,
  description: said`"${key}" becomes ${id}, as the tokenizer and the other files have it.`,
  apply: (text) => withJsonValue(text, [key], id),
});
