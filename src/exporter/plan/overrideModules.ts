import { QuantscopeError } from '../../model/errors';
import { tensorRole } from '../../model/roles';
import { namedBits } from '../../protocol/formatBits';
import type { Plan } from '../../protocol/plan';
import { listOf } from '../../protocol/tableNotes';
import { said } from '../../protocol/said';

/** A module of the checkpoint and the bits that a plan gives its weight; 16 for one that is left as it is. */
export interface PlannedModule {
  /** "model.layers.0.self_attn.q_proj". */
  readonly module: string;
  readonly bits: number;
  readonly format: string;
}

export interface PlannedModules {
  readonly modules: readonly PlannedModule[];
  /** Weights that do not belong to a module of their own, such as experts that are one tensor. */
  readonly without: readonly string[];
}

/** Bits from which a weight is left as it is. */
const unquantized = 16;

/** Names that only files of GGUF have. */
const ggufName = /^(blk\.\d+|token_embd|output)\./;

/**
 * The modules that a plan of a checkpoint is about. Formats of a plan are those of GGUF, for other runtimes it tells the bits.
 * @throws QuantscopeError REQUEST for a plan of a GGUF file, which has no modules.
 */
export function plannedModules({ assignments }: Pick<Plan, 'assignments'>): PlannedModules {
  const modules: PlannedModule[] = [];
  const without: string[] = [];
  for (const { sources, format } of assignments)
    for (const source of sources) {
      if (ggufName.test(source))
        throw new QuantscopeError(
          'REQUEST',
          said`The plan is of a GGUF file: "${source}" is not the name of a module. Make a plan of the checkpoint that the file was made from.`,
        );
      const module = source.replace(/\.weight$/, '');
      if (module === source) without.push(source);
      else modules.push({ module, format, bits: namedBits(format) ?? unquantized });
    }
  return { modules, without };
}

export const isKept = ({ bits }: Pick<PlannedModule, 'bits'>): boolean => bits >= unquantized;

/** The smallest width of a runtime that holds these bits; the largest where none does. @param widths ascending. */
export const widthFor = (bits: number, widths: readonly number[]): number =>
  widths.find((width) => width >= bits) ?? widths.at(-1)!;

/**
 * The modules of a plan, where those of a layer that a runtime computes together have the widest format of any of them: it loads no others. Plans for
 * the runtime keep to that themselves.
 * @param fused of the runtime's rules: by names of weights.
 * @param widthOf bits that a module is stored with.
 * @returns the modules that are changed, too.
 */
export function inAgreement(
  { modules, without }: PlannedModules,
  fused: readonly RegExp[],
  widthOf: (module: PlannedModule) => number,
): PlannedModules & { readonly raised: readonly string[] } {
  const groupOf = ({ module }: PlannedModule): string | undefined => {
    const at = fused.findIndex((pattern) => pattern.test(`.${module}.weight`));
    return at < 0 ? undefined : `${at} ${tensorRole(`${module}.weight`).layer}`;
  };
  const widest = new Map<string, PlannedModule>();
  for (const item of modules) {
    const group = groupOf(item);
    const known = group === undefined ? undefined : widest.get(group);
    if (group !== undefined && !(known && widthOf(known) >= widthOf(item))) widest.set(group, item);
  }
  const raised: string[] = [];
  const agreeing = modules.map((item) => {
    const { format, bits } = widest.get(groupOf(item) ?? '') ?? item;
    if (widthOf({ ...item, format, bits }) === widthOf(item)) return item;
    raised.push(item.module);
    return { ...item, format, bits };
  });
  return { modules: agreeing, without, raised };
}

/** That modules have got a wider format, as sentences. */
export const raisedNotes = (raised: readonly string[]): string[] =>
  raised.length === 0
    ? []
    : [
        said`The runtime computes some modules of a layer together, in one format; these get the widest of their group: ${listOf(raised)}.`,
      ];

/** Formats that become integers of another width, as a sentence; undefined where all keep their bits. */
export function widenedNote(
  modules: readonly PlannedModule[],
  widths: readonly number[],
): string | undefined {
  const changed = new Map<string, number>();
  for (const { format, bits } of modules)
    if (bits < unquantized && widthFor(bits, widths) !== bits) changed.set(format, widthFor(bits, widths));
  if (changed.size === 0) return undefined;
  const list = [...changed].map(([format, width]) => `${format} to ${width} bits`).join(', ');
  return said`The runtime has integers of ${widths.join(', ')} bits; widened: ${list}.`;
}
