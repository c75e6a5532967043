import type { KnownPart } from './nearest';
import type { NamedPart } from './partNames';

/** A part that was recognised. */
export interface ProposedPart extends Omit<NamedPart, 'shape'>, KnownPart {
  /** Sizes as expressions. */
  readonly shape: readonly string[];
  /** Only some blocks have it. */
  readonly isPartial: boolean;
}

/** What the text of a description is made from. */
export interface Proposal {
  readonly className: string;
  readonly modelType: string;
  readonly prefix: string;
  readonly layers: string;
  readonly outer: readonly ProposedPart[];
  readonly inBlocks: readonly ProposedPart[];
  /** `hidden_act` of config.json. */
  readonly activation: unknown;
  /** The share of a head that is rotated, where config.json states it. */
  readonly rotatedShare: number | undefined;
  /** The key of another epsilon than "rms_norm_eps". */
  readonly epsilon: string | undefined;
  readonly hasRms: boolean;
  /** What to look at, as sentences. */
  readonly remarks: readonly string[];
}

/** The file: what comes from a checkpoint is text in quotes, or a comment on one line. */
export function describe(proposal: Proposal): string {
  const { className, modelType, prefix, layers, outer, inBlocks, remarks } = proposal;
  const rotated = proposal.rotatedShare === undefined ? '' : `, { partialRotary: ${proposal.rotatedShare} }`;
  const body = [
    ...settings(proposal),
    `    const decoder = readDecoder(config${rotated});`,
    ...sizeLines([...outer, ...inBlocks]),
    '    return {',
    ...(prefix === '' ? [] : [`      prefixes: [${quoted(prefix)}],`]),
    '      ignored: usualIgnored,',
    '      ...tiedOutput(decoder),',
    `      keyValues: [...decoderKeyValues(decoder), ${epsilonText(proposal)}],`,
    '      tensors: [',
    '        ...partRules([',
    ...outer.flatMap((part) => partLines(part, 10)),
    '        ]),',
    `        blockRules(${quoted(layers)}, decoder.blocks, () => [`,
    ...inBlocks.flatMap((part) => partLines(part, 10)),
    '        ]),',
    '      ],',
    '    };',
  ];
  return [
    ...imports(body.join('\n')),
    '',
    ...remarks.map((remark) => `// ${oneLine(remark)}`),
    '// The order of rows of queries and keys, the settings that GGUF cannot express and the forward pass are to be added: docs/ADDING-A-MODEL.md.',
    `export const ${identifier(modelType)}: ArchitectureDescription = {`,
    `  name: ${quoted(modelType)},`,
    `  classes: { ${quoted(className)}: ${quoted(modelType)} },`,
    '  convert(config) {',
    ...body,
    '  },',
    '};',
    '',
  ].join('\n');
}

/** What descriptions are made with, by the file that has it. */
const helpers: Readonly<Record<string, readonly string[]>> = {
  decoder: ['decoderKeyValues', 'layerNormEpsilon', 'readDecoder', 'rmsEpsilon'],
  decoderParts: ['tiedOutput', 'usualIgnored'],
  partRules: ['blockRules', 'partRules'],
};

function imports(body: string): string[] {
  const isUsed = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(body);
  return [
    ...Object.entries(helpers).map(
      ([file, names]) => `import { ${names.filter(isUsed).join(', ')} } from '../${file}';`,
    ),
    "import type { ArchitectureDescription } from '../description';",
  ];
}

function settings({ activation }: Proposal): string[] {
  if (typeof activation !== 'string') return [];
  const value = quoted(activation);
  return [`    config.expect('hidden_act', ${value}, ${value});`];
}

/** Sizes that shapes name: those of a decoder, and those of experts. */
function sizeLines(parts: readonly ProposedPart[]): string[] {
  const text = parts.flatMap(({ shape, rule }) => [...shape, rule.unit ? 'headSize' : '']).join(' ');
  const uses = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);
  const own = ['hiddenSize', 'feedForwardSize', 'heads', 'kvHeads', 'headSize'].filter(uses);
  const hasMerged = parts.some(({ count }) => count > 1);
  return [
    ...(own.length > 0 ? [`    const { ${own.join(', ')} } = decoder;`] : []),
    ...(uses('experts') || hasMerged
      ? [
          "    const experts = config.count(config.spelled('num_experts', 'num_local_experts', 'n_routed_experts'));",
        ]
      : []),
    ...(uses('expertSize') ? ["    const expertSize = config.integer('moe_intermediate_size');"] : []),
  ];
}

function epsilonText({ hasRms, epsilon }: Proposal): string {
  return hasRms || epsilon === undefined
    ? 'rmsEpsilon(config)'
    : `layerNormEpsilon(config, ${quoted(epsilon)})`;
}

function partLines(part: ProposedPart, indent: number): string[] {
  const { stem, to, shape, bias, isPartial, count, rule } = part;
  const before = ' '.repeat(indent);
  const sizes = shape.join(', ');
  const fields = [
    `from: ${count > 1 ? mergedNames(stem) : quoted(stem)}`,
    `to: ${quoted(to)}`,
    `shape: [${count > 1 ? `experts, ${sizes}` : sizes}]`,
    ...(bias === 'none' ? [] : [`bias: '${bias === 'all' ? 'required' : 'optional'}'`]),
    ...(isPartial ? ['optional: true'] : []),
    ...(count > 1 ? [`rule: { sourceShape: [${sizes}] }`] : []),
    ...(rule.unit?.order === 'interleave' && count === 1
      ? ["rule: { unit: { rows: headSize, order: 'interleave' } }"]
      : []),
  ];
  const others = [
    ...(rule.unit?.order === 'transpose' ? ['matrices are transposed'] : []),
    ...(rule.rows && count === 1 ? ['rows are picked or reordered'] : []),
    ...(rule.add === undefined ? [] : [`${rule.add} is added to its weights`]),
  ];
  return [
    ...others.map((text) => `${before}// In the description that this name is from, ${text}.`),
    `${before}{ ${fields.join(', ')} },`,
  ];
}

/** Names of the part in each expert. */
function mergedNames(stem: string): string {
  const [first = '', ...rest] = stem.split('#');
  const text = escaped([first, ...rest].join('\u0000')).replaceAll('\\u0000', '${expert}');
  return `Array.from({ length: experts }, (_, expert) => \`${text}\`)`;
}

/** The inside of a literal: quotes, backslashes and line breaks of any kind are escaped. */
const escaped = (text: string): string =>
  JSON.stringify(text)
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replaceAll(/['`]/g, '\\$&')
    .replaceAll('${', '\\${')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');

const quoted = (text: string): string => `'${escaped(text)}'`;

const oneLine = (text: string): string => text.replaceAll(/[\r\n\u2028\u2029]+/g, ' ');

/** A name for a constant: "gpt_oss" → "gptOss". */
function identifier(text: string): string {
  const words = text.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const joined = words.map((word, i) => (i === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join('');
  return /^[A-Za-z]/.test(joined) ? joined : `model${joined}`;
}
