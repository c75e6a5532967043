import { ggmlType } from '../../model/dtypes';
import type { Architecture } from './architecture';
import { feedForward, type Role } from './roles';
import { said } from '../../protocol/said';

/**
 * The mixtures of llama.cpp v0.5.0 (llama-quant.cpp): which file type gives which tensors more or fewer bits than its base.
 */

/** Inputs of the rules of one tensor. */
export interface Situation {
  readonly role: Role;
  readonly columns: number;
  /** Matrices in the tensor: more than one for merged experts. */
  readonly matrices: number;
  readonly base: string;
  /** Name of the file type. */
  readonly file: string;
  readonly architecture: Architecture;
  /** Query heads that share a key and value head. */
  readonly sharing: number;
  readonly hasImportance: boolean;
  /** The layer among `count` of its role: by counting, or by its name in models with experts. */
  readonly index: number;
  readonly counted: number;
  readonly count: number;
}

interface Choice {
  readonly type: string;
  readonly reason: string;
}

/** A step of a role's rules: its result, given the type so far. */
type Rule = (situation: Situation, type: string) => Choice | undefined;

const when = (condition: boolean, type: string, reason: string): Choice | undefined =>
  condition ? { type, reason } : undefined;

/** The first and last eighth of the layers, and every third between them, get more bits. */
function moreBits({ index, count }: Pick<Situation, 'index' | 'count'>): boolean {
  const eighth = Math.floor(count / 8);
  return index < eighth || index >= Math.floor((7 * count) / 8) || (index - eighth) % 3 === 2;
}

const isFirst = ({ index, count }: Situation, part: number): boolean => index < Math.floor(count / part);

const isFalcon = ({ architecture }: Situation): boolean => architecture.name === 'falcon';

/** File types below three bits, which have their own rules. */
const low: ReadonlySet<string> = new Set(['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ2_M']);
const isBetterLow = (file: string): boolean => file === 'IQ2_S' || file === 'IQ2_M';

const sharedValues = said`value matrix that several heads share: small, so more bits cost little`;

const outputRule: Rule = (situation) => {
  const { file, base, columns } = situation;
  const { block = 1 } = ggmlType(base) ?? {};
  if (file === 'MXFP4_MOE') return { type: 'Q8_0', reason: said`output tensor` };
  if (isFalcon(situation) || columns % block !== 0)
    return { type: 'Q8_0', reason: said`output tensor that Q6_K does not fit` };
  if (low.has(file) || file === 'IQ3_XXS') return { type: 'Q5_K', reason: said`output tensor` };
  return when(base !== 'Q8_0', 'Q6_K', said`output tensor`);
};

const embeddingTypes: Readonly<Record<string, string>> = {
  ...{ IQ1_S: 'Q2_K', IQ1_M: 'Q2_K', IQ2_XXS: 'Q2_K', IQ2_XS: 'Q2_K' },
  ...{ IQ2_S: 'IQ3_S', IQ2_M: 'IQ3_S', IQ3_XXS: 'IQ3_S' },
  ...{ TQ1_0: 'Q4_K', TQ2_0: 'Q4_K', Q2_0: 'Q4_K' },
};

const embeddingRule: Rule = ({ file }) => {
  const type = embeddingTypes[file];
  return type === undefined ? undefined : { type, reason: said`token embedding` };
};

const spare = (situation: Situation): Choice | undefined =>
  when(
    moreBits(situation),
    'Q6_K',
    said`${situation.file} gives layer ${situation.index + 1} of ${situation.count} more bits`,
  );

const early = said`one of the first layers, which matter more`;

type ByFile = Readonly<Record<string, (situation: Situation) => Choice | undefined>>;

const shared =
  (type: string, otherwise?: Choice) =>
  ({ sharing }: Situation): Choice | undefined =>
    sharing >= 4 ? { type, reason: sharedValues } : otherwise;

const lowValue = ({ file, sharing, architecture }: Situation): Choice => {
  if (sharing >= 4 || architecture.experts >= 4) return { type: 'Q4_K', reason: sharedValues };
  return { type: isBetterLow(file) ? 'IQ3_S' : 'Q2_K', reason: said`value matrix` };
};

const always = (type: string, reason: string) => (): Choice => ({ type, reason });

const valueTypes: ByFile = {
  Q2_K: shared('Q4_K', { type: 'Q3_K', reason: said`value matrix` }),
  Q2_K_S: shared('Q4_K'),
  IQ3_XXS: (situation) => {
    const { hasImportance } = situation;
    return shared('Q4_K', {
      type: hasImportance ? 'IQ3_XXS' : 'IQ3_S',
      reason: hasImportance ? said`value matrix` : said`value matrix without an importance matrix`,
    })(situation);
  },
  IQ3_XS: shared('Q4_K'),
  IQ3_S: shared('Q4_K'),
  IQ3_M: always('Q4_K', said`value matrix`),
  Q3_K_M: ({ index }) =>
    index < 2 ? { type: 'Q5_K', reason: early } : { type: 'Q4_K', reason: said`value matrix` },
  Q3_K_L: always('Q5_K', said`value matrix`),
  Q4_K_S: ({ index }) => when(index < 4, 'Q5_K', early),
  Q4_K_M: spare,
  Q5_K_M: spare,
  IQ4_NL: shared('Q5_K'),
  IQ4_XS: shared('Q5_K'),
  ...Object.fromEntries([...low].map((file) => [file, lowValue])),
};

/** Numbers of blocks by which llama.cpp's loaders identify a 70B model. */
const blocksOfSeventyBillion: Readonly<Record<string, number>> = {
  ...{ llama: 80, 'llama-embed': 80, qwen2: 80, deci: 80, olmo: 80 },
  jais2: 68,
};

/** Those of Llama 1 have no shared heads, and are 65B models. */
function isSeventyBillion({ name, blocks, heads, kvHeads }: Architecture): boolean {
  return blocksOfSeventyBillion[name] === blocks && !(name.startsWith('llama') && heads === kvHeads);
}

/** Eight heads share each value matrix of these models, so more bits cost little. */
const seventyBillion: Rule = ({ architecture, file }, type) =>
  when(
    isSeventyBillion(architecture) && !low.has(file) && (type === 'Q3_K' || type === 'Q4_K'),
    'Q5_K',
    said`value matrix of a 70B model`,
  );

const eightExperts =
  (type: string, applies: (file: string) => boolean): Rule =>
  ({ architecture, file }) =>
    when(
      architecture.experts === 8 && applies(file),
      type,
      said`small compared with the weights of 8 experts`,
    );

const keyTypes: ByFile = {
  IQ3_XS: always('IQ3_XXS', said`query and key matrices take fewer bits`),
  IQ3_XXS: always('IQ2_S', said`query and key matrices take fewer bits`),
};

const downTypes: ByFile = {
  Q2_K: always('Q3_K', said`down projection`),
  Q2_K_S: (situation) => when(isFirst(situation, 8), 'Q4_K', early),
  IQ3_XXS: (situation) => {
    if (situation.hasImportance) return undefined;
    return isFirst(situation, 8)
      ? { type: 'Q4_K', reason: early }
      : { type: 'Q3_K', reason: said`down projection without an importance matrix` };
  },
  Q3_K_M: (situation) => {
    if (isFirst(situation, 16)) return { type: 'Q5_K', reason: early };
    const more = !isFalcon(situation) || moreBits(situation);
    return { type: more ? 'Q4_K' : 'Q3_K', reason: said`down projection` };
  },
  IQ3_M: (situation) => {
    const more = situation.architecture.experts === 8 && moreBits(situation);
    return when(isFirst(situation, 8) || more, 'Q4_K', early);
  },
  Q3_K_L: (situation) => ({ type: isFalcon(situation) ? 'Q4_K' : 'Q5_K', reason: said`down projection` }),
  Q4_K_M: (situation) => {
    if (!isFalcon(situation)) return spare(situation);
    if (isFirst(situation, 16)) return { type: 'Q6_K', reason: early };
    return { type: moreBits(situation) ? 'Q5_K' : 'Q4_K', reason: said`down projection of falcon` };
  },
  Q5_K_M: spare,
  Q4_K_S: (situation) => when(!isFalcon(situation) && isFirst(situation, 8), 'Q5_K', early),
  IQ4_NL: (situation) => when(!situation.hasImportance && isFirst(situation, 8), 'Q5_K', early),
  IQ4_XS: (situation) => when(!situation.hasImportance && isFirst(situation, 8), 'Q5_K', early),
  Q4_0: (situation) => when(situation.hasImportance && isFirst(situation, 8), 'Q4_1', early),
  Q5_0: (situation) => when(situation.hasImportance && isFirst(situation, 8), 'Q5_1', early),
};

/** Below three bits, layers are counted even where a model has experts. */
const lowDown: Rule = ({ file, counted, count }) =>
  when(low.has(file) && counted < Math.floor(count / 8), isBetterLow(file) ? 'IQ3_S' : 'Q2_K', early);

const attentionOutputTypes: Readonly<Record<string, string>> = {
  ...{ Q2_K: 'Q3_K', IQ3_XXS: 'IQ3_S', Q3_K_M: 'Q4_K', Q3_K_L: 'Q5_K', IQ3_M: 'Q4_K' },
  ...{ IQ1_S: 'IQ2_XXS', IQ1_M: 'IQ2_XXS', IQ2_S: 'IQ3_S', IQ2_M: 'IQ3_S' },
};

const fewBits: ReadonlySet<string> = new Set([
  ...['Q2_K', 'Q3_K_S', 'Q3_K_M', 'Q4_K_S', 'Q4_K_M'],
  ...['IQ3_XXS', 'IQ3_XS', 'IQ3_S', 'IQ3_M', 'IQ4_NL', 'IQ4_XS'],
]);

const attentionOutputRule: Rule = (situation) => {
  const { file, architecture } = situation;
  const reason = said`output projection of the attention`;
  if (isFalcon(situation) && !low.has(file)) return when(file === 'Q3_K_L', 'Q4_K', reason);
  if (architecture.experts === 8)
    return when(
      fewBits.has(file) || low.has(file),
      'Q5_K',
      said`small compared with the weights of 8 experts`,
    );
  const type = attentionOutputTypes[file];
  return type === undefined ? undefined : { type, reason };
};

/** All but the first and last eighth. */
const middle: Rule = ({ file, index, count }) =>
  when(
    file === 'IQ3_XS' && index >= Math.floor(count / 8) && index < Math.floor((7 * count) / 8),
    'IQ3_XXS',
    said`one of the middle layers, which matter less`,
  );

const byFile =
  (table: ByFile): Rule =>
  (situation) =>
    table[situation.file]?.(situation);

const notLow = (file: string): boolean => !low.has(file);

const rules: Readonly<Record<Role, readonly Rule[]>> = {
  output: [outputRule],
  embedding: [embeddingRule],
  value: [byFile(valueTypes), seventyBillion, eightExperts('Q8_0', notLow)],
  key: [byFile(keyTypes), eightExperts('Q8_0', notLow), eightExperts('Q4_K', (file) => low.has(file))],
  query: [byFile(keyTypes)],
  'attention output': [attentionOutputRule],
  up: [middle],
  gate: [middle],
  down: [byFile(downTypes), lowDown],
  other: [],
};

/** The MXFP4 file type for models with experts distinguishes only the output role. */
const expertsOnly: Rule = ({ role, matrices, architecture }) =>
  // The attention of bailingmoe3 has merged matrices too.
  matrices > 1 && (architecture.name !== 'bailingmoe3' || feedForward.has(role))
    ? { type: 'MXFP4', reason: 'experts' }
    : { type: 'Q8_0', reason: said`not one of the experts` };

/** The rules of a role, in order. */
export function rulesOf(role: Role, file: string): readonly Rule[] {
  return file === 'MXFP4_MOE' && role !== 'output' ? [expertsOnly] : rules[role];
}
