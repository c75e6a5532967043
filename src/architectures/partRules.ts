import type { ConfigReader } from './configReader';
import type { Instead, Size, TensorRule, Unit } from './description';

/** A part of a block, or of the model: `from.weight` becomes `to.weight`, and so does its bias. */
export interface Part {
  readonly from: string | readonly string[];
  readonly to: string;
  /** Shape of the weight in GGUF. */
  readonly shape: readonly Size[];
  /** `optional` where only some checkpoints have it. It has one entry for each row of the weight. */
  readonly bias?: 'required' | 'optional';
  /** "weight" is missing from some files (a tied output). */
  readonly optional?: boolean;
  /** Names are whole: "weight" is not appended. */
  readonly exact?: boolean;
  readonly rule?: Partial<Pick<TensorRule, 'rows' | 'unit' | 'add' | 'map' | 'factors' | 'sourceShape'>>;
  /** Another layout of the weight; names with their suffix. */
  readonly instead?: Instead;
}

/** Some checkpoints have biases that config.json does not mention. */
export const biasIf = (config: ConfigReader, key: string): Part['bias'] =>
  config.flag(key, false) ? 'required' : 'optional';

/** Rules of parts outside the blocks. */
export function partRules(parts: readonly Part[]): TensorRule[] {
  return parts.flatMap(({ from, to, shape, bias, optional, exact, rule, instead }) => {
    const sources = typeof from === 'string' ? [from] : from;
    const named = (suffix: string) => ({
      to: `${to}.${suffix}`,
      from: sources.map((name) => `${name}.${suffix}`),
    });
    const weight: TensorRule = {
      ...(exact ? { to, from: sources } : named('weight')),
      shape,
      ...(optional ? { optional } : {}),
      ...(instead ? { instead } : {}),
      ...rule,
    };
    if (bias === undefined) return [weight];
    const rows = rule?.sourceShape?.slice(0, 1);
    // A bias goes with the rows of the product: transposing the weight does not move it.
    const unit: { unit?: Unit } = rule?.unit?.order === 'interleave' ? { unit: rule.unit } : {};
    const biasRule: TensorRule = {
      ...named('bias'),
      shape: shape.slice(0, 1),
      ...(bias === 'optional' || optional ? { optional: true } : {}),
      ...(rule?.rows ? { rows: rule.rows } : {}),
      ...(rows && rule?.unit?.order !== 'transpose' ? { sourceShape: rows } : {}),
      ...unit,
    };
    return [weight, biasRule];
  });
}

/** Rules of the parts of every block, one block at a time: `prefix` and `.N.` go before `from`, `blk.N.` before `to`. */
export function* blockRules(
  prefix: string,
  blocks: number,
  parts: (block: number) => readonly Part[],
): Generator<TensorRule> {
  for (let block = 0; block < blocks; block++) {
    const named = (names: readonly string[]) => names.map((name) => `${prefix}.${block}.${name}`);
    yield* partRules(
      parts(block).map(({ from, to, instead, ...part }) => ({
        ...part,
        from: named(typeof from === 'string' ? [from] : from),
        to: `blk.${block}.${to}`,
        ...(instead ? { instead: { ...instead, from: named(instead.from) } } : {}),
      })),
    );
  }
}
