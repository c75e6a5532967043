import type { TokenizerValues } from '../../../evaluation/tokenizer/ggufValues';
import { ggmlPreTokenizers } from '../../../evaluation/tokenizer/ggmlPreTokenizers';
import { tokenTypes } from '../../../tokenizer/vocabulary';
import { said } from '../../../protocol/said';

/** What decides the ids of a text besides tokens and merges. */
const settings: Readonly<Record<string, (values: TokenizerValues) => unknown>> = {
  model: ({ model }) => model,
  // Several names stand for the same rules.
  pre: ({ model, pre }) => (model === 'gpt2' ? rulesOf(pre) : ''),
  add_space_prefix: ({ addSpacePrefix }) => addSpacePrefix,
  normalization: ({ normalization }) => normalization,
  // Where merging always ends with bytes or characters, nothing is unknown.
  unknown: ({ model, unknown }) => (model === 't5' || model === 'bert' ? unknown : undefined),
  bos: ({ bos }) => bos,
  eos: ({ eos }) => eos,
  add_bos_token: ({ addsBos }) => addsBos,
  add_eos_token: ({ addsEos }) => addsEos,
};

function rulesOf(pre: string): unknown {
  const { patterns, ignoreMerges } = ggmlPreTokenizers.get(pre) ?? {};
  return { patterns, ignoreMerges };
}

/**
 * The first difference of two tokenizers by which ids of texts, or texts of ids, could differ; undefined where there is none. Scores count
 * for tokens that text is cut into; tokens that nothing is cut into need no text.
 * @returns what the second has, as part of a sentence.
 */
export function differenceOf(wanted: TokenizerValues, found: TokenizerValues): string | undefined {
  const other = Object.entries(settings).find(([, of]) => stated(of(wanted)) !== stated(of(found)));
  if (other) return said`"${other[0]}" ${stated(other[1](found))} instead of ${stated(other[1](wanted))}`;
  const token = wanted.tokens.findIndex((_, id) => differs(wanted, found, id));
  if (token >= 0) return said`${shown(found, token)} instead of ${shown(wanted, token)} as token ${token}`;
  const merge = wanted.merges.findIndex((pair, rank) => pair !== found.merges[rank]);
  if (merge >= 0) return said`another merge ${merge} than ${JSON.stringify(wanted.merges[merge])}`;
  return wanted.merges.length === found.merges.length ? undefined : said`${found.merges.length} merges`;
}

const stated = (value: unknown): string =>
  value === undefined
    ? 'none'
    : JSON.stringify(value, (_, inner: unknown) =>
        inner instanceof Uint8Array ? Buffer.from(inner).toString('base64') : inner,
      );

function differs(wanted: TokenizerValues, found: TokenizerValues, id: number): boolean {
  const type = wanted.types[id]!;
  if (type === tokenTypes.unused) return found.types[id] !== type;
  if (type !== found.types[id] || wanted.tokens[id] !== found.tokens[id]) return true;
  return type === tokenTypes.normal && wanted.scores[id] !== found.scores[id];
}

const shown = ({ tokens, types, scores }: TokenizerValues, id: number): string => {
  const score = scores.length > 0 ? said`, score ${scores[id]!}` : '';
  return said`${JSON.stringify(tokens[id])} (type ${types[id]!}${score})`;
};
