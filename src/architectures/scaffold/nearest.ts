import { QuantscopeError } from '../../model/errors';
import { usualGgufName } from '../aliases';
import { ConfigReader } from '../configReader';
import type { ArchitectureDescription, Conversion, TensorRule } from '../description';
import { stemOf, type NamedPart, type NamedParts } from './partNames';

type Config = Readonly<Record<string, unknown>>;

/** What a description makes of a part: its name in GGUF without suffix, and what happens to its rows. */
export interface KnownPart {
  readonly to: string;
  readonly rule: Pick<TensorRule, 'unit' | 'rows' | 'add'>;
}

/** Parts that a description knows, by their stems; those of blocks begin with "#.". */
export interface KnownParts {
  readonly description: ArchitectureDescription;
  readonly parts: ReadonlyMap<string, KnownPart>;
  /** Of the parts that it or the checkpoint has, the share that both have. */
  readonly likeness: number;
}

/** The numbers of a decoder; other settings may be values that a description rejects, and do not change names. */
const sizes = [
  ...['hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads', 'num_key_value_heads'],
  ...['head_dim', 'num_experts', 'num_local_experts', 'n_routed_experts', 'moe_intermediate_size'],
];

/** No tensor limits how many layers or heads there are. */
const facts = { tensors: 65_536, largestDimension: 1_048_576 };

/** Some descriptions reject windows, or models without. */
const withoutWindow = { sliding_window: null };

/** Rules of so many blocks show all kinds of blocks. */
const shownBlocks = 8;

/** All descriptions, the one with the most parts in common with the checkpoint first. */
export function likeness(
  descriptions: readonly ArchitectureDescription[],
  config: Config,
  names: NamedParts,
): KnownParts[] {
  const own = new Set([
    ...names.outer.map(({ stem }) => stem),
    ...names.inBlocks.map(({ stem }) => `#.${stem}`),
  ]);
  const plain = Object.fromEntries(Object.entries(config).filter(([key]) => sizes.includes(key)));
  const attempts = [config, plain, { ...plain, ...withoutWindow }];
  return descriptions
    .map((description) => {
      const parts = partsOf(description, attempts);
      const shared = [...own].filter((stem) => parts.has(stem)).length;
      return { description, parts, likeness: shared / (own.size + parts.size - shared) };
    })
    .sort((a, b) => b.likeness - a.likeness);
}

/** Parts by stem, by the first of the configurations that the description takes; none where it takes none. */
function partsOf(
  description: ArchitectureDescription,
  configs: readonly Config[],
): ReadonlyMap<string, KnownPart> {
  for (const config of configs) {
    try {
      const { tensors } = description.convert(new ConfigReader(config, 'config.json', facts));
      return partsOfRules(tensors);
    } catch (error) {
      if (!(error instanceof QuantscopeError)) throw error;
    }
  }
  return new Map();
}

function partsOfRules(rules: Conversion['tensors']): ReadonlyMap<string, KnownPart> {
  const parts = new Map<string, KnownPart>();
  for (const item of rules) {
    for (const rule of 'to' in item ? [item] : item) {
      const [, block = 0] = /^blk\.(\d+)\./.exec(rule.to) ?? [];
      if (Number(block) >= shownBlocks) break;
      for (const name of [...rule.from, ...(rule.instead?.from ?? [])]) {
        const stem = stemOf(name).replace(/^.*?\.#\./, '#.');
        if (!parts.has(stem)) parts.set(stem, { to: partOf(rule.to), rule });
      }
    }
  }
  return parts;
}

/** "blk.3.attn_q.weight" → "attn_q". */
const partOf = (name: string): string => name.replace(/^blk\.\d+\./, '').replace(/\.(weight|bias)$/, '');

/**
 * The norm of this name is before the feed-forward network in a block that has one before attention and no other, and after attention
 * else.
 */
const ambiguousNorm = 'post_attention_layernorm';

function ambiguousPart(stems: ReadonlySet<string>): KnownPart {
  const isBefore = stems.has('input_layernorm') && !stems.has('pre_feedforward_layernorm');
  return { to: isBefore ? 'ffn_norm' : 'post_attention_norm', rule: {} };
}

/**
 * What a part is called in GGUF: by the closest description that knows it, else by the usual names; undefined where none does.
 * @param stems those of all parts of blocks.
 */
export function knownPart(
  known: readonly KnownParts[],
  { stem, blocks }: Pick<NamedPart, 'stem' | 'blocks'>,
  stems: ReadonlySet<string>,
): KnownPart | undefined {
  const isInBlock = blocks > 0;
  if (isInBlock && stem === ambiguousNorm) return ambiguousPart(stems);
  const key = isInBlock ? `#.${stem}` : stem;
  const found = known.find(({ parts }) => parts.has(key))?.parts.get(key);
  if (found) return found;
  const name = isInBlock ? `layers.0.${stem}.weight` : `${stem}.weight`;
  const usual = usualGgufName(name);
  return usual === name ? undefined : { to: partOf(usual), rule: {} };
}

/** Keys of config.json that no description reads and that can change what the model computes. */
export function unreadKeys(descriptions: readonly ArchitectureDescription[], config: Config): string[] {
  const unread = descriptions.map((description) => {
    const reader = new ConfigReader(config, 'config.json', facts);
    try {
      description.convert(reader);
    } catch (error) {
      if (!(error instanceof QuantscopeError)) throw error;
    }
    return new Set(reader.unread());
  });
  const [first = new Set<string>(), ...others] = unread;
  return [...first].filter((key) => others.every((keys) => keys.has(key)));
}
