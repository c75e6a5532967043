import { ggmlType } from '../../model/dtypes';
import type { TensorTypeRule, TypeCause } from '../../protocol/export';
import { said } from '../../protocol/said';
import { fittingType } from '../../quant/fittingType';
import type { Architecture } from './architecture';
import type { FileType } from './fileTypes';
import { isMixed } from './mixed';
import { rulesOf, type Situation } from './mixtureRules';
import { blockOf } from './order';
import { feedForward, roleOf, type Role } from './roles';
import { TensorTypeRules } from './tensorTypes';

/**
 * Which type each tensor of a GGUF file gets, as llama.cpp v0.5.0 chooses (llama-quant.cpp): the type asked for output or
 * embedding, else that of a tensor-type rule, else that of the mixture, and for rows that do not fit it another one. Names are
 * GGUF names; shapes have the outermost dimension first.
 */

export interface MixedType {
  readonly type: string;
  readonly cause: TypeCause;
  /** A short sentence. */
  readonly reason: string;
  /** The type before the fallback, where it is another. */
  readonly wanted?: string;
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Options that the user may set besides the file type. */
export interface MixtureOptions {
  /** An importance matrix is used: some rules are more or less careful then. */
  readonly hasImportance?: boolean | undefined;
  /** No mixture: every weight gets the file type's base, unless a type is asked for it. */
  readonly pure?: boolean | undefined;
  /** output.weight is left unchanged. */
  readonly leaveOutput?: boolean | undefined;
  readonly outputType?: string | undefined;
  readonly tokenEmbeddingType?: string | undefined;
  /** The first that matches a name counts. */
  readonly tensorTypes?: readonly TensorTypeRule[] | undefined;
}

const columnsOf = ({ shape }: Tensor): number => shape[shape.length - 1] ?? 1;

function fitShape(wanted: MixedType, columns: number): MixedType {
  const type = fittingType(wanted.type, columns);
  if (type === wanted.type) return wanted;
  const reason = said`the row length (${columns}) is not a multiple of the block size of ${wanted.type}`;
  return { type, cause: 'fallback', reason, wanted: wanted.type };
}

/**
 * The types of all tensors that the file type applies to, by name. `tensors` are in the order of the output, which is
 * the order in which layers are counted.
 * @throws QuantscopeError REQUEST for a rule that is not a regular expression or does not name a type.
 */
export function mixTypes(
  tensors: readonly Tensor[],
  fileType: FileType,
  architecture: Architecture,
  options: MixtureOptions = {},
): ReadonlyMap<string, MixedType> {
  const mixer = new Mixer(tensors, fileType, architecture, options);
  const applies = (tensor: Tensor): boolean =>
    isMixed(tensor) && !(options.leaveOutput && tensor.name === 'output.weight');
  return new Map(tensors.filter(applies).map((tensor) => [tensor.name, mixer.typeOf(tensor)]));
}

/** Gives types in order; it counts the layers of each role. */
class Mixer {
  private readonly seen = new Map<Role, number>();
  private readonly counts: Partial<Record<Role, number>>;
  private readonly tied: boolean;
  private readonly overrides: TensorTypeRules;

  constructor(
    tensors: readonly Tensor[],
    private readonly fileType: FileType,
    private readonly architecture: Architecture,
    private readonly options: MixtureOptions,
  ) {
    const { blocks } = architecture;
    const values = tensors.filter(({ name }) => roleOf(name) === 'value').length;
    this.counts = { value: values, down: blocks, up: blocks, gate: blocks };
    this.tied = !tensors.some(({ name }) => name === 'output.weight');
    const names = tensors.map(({ name }) => name);
    this.overrides = new TensorTypeRules(options.tensorTypes ?? [], names);
  }

  typeOf(tensor: Tensor): MixedType {
    const { outputType, tokenEmbeddingType, pure } = this.options;
    const { base, name } = this.fileType;
    const role = roleOf(tensor.name);
    if (tokenEmbeddingType !== undefined && role === 'embedding')
      return { type: tokenEmbeddingType, cause: 'embedding', reason: said`requested token-embedding type` };
    if (outputType !== undefined && role === 'output')
      return { type: outputType, cause: 'output', reason: said`requested output type` };
    const start: MixedType = { type: base, cause: 'default', reason: said`default of ${name}` };
    if ((ggmlType(base)?.block ?? 1) === 1) return start;
    const wanted = this.overridden(tensor.name) ?? (pure ? start : this.mixed(tensor, role, start));
    return fitShape(wanted, columnsOf(tensor));
  }

  private overridden(name: string): MixedType | undefined {
    const rule = this.overrides.of(name);
    return rule && { type: rule.type, cause: 'rule', reason: said`rule ${rule.pattern}` };
  }

  private mixed(tensor: Tensor, role: Role, start: MixedType): MixedType {
    const { outputType, hasImportance = false } = this.options;
    const isOutput = role === 'output' || (this.tied && role === 'embedding');
    if (isOutput && outputType !== undefined)
      return {
        type: outputType,
        cause: 'output',
        reason: said`requested output type: the embedding is the output`,
      };
    const counted = this.seen.get(role) ?? 0;
    this.seen.set(role, counted + 1);
    const { architecture, fileType } = this;
    const byName = feedForward.has(role) && architecture.experts > 1;
    const situation: Situation = {
      role,
      columns: columnsOf(tensor),
      matrices: tensor.shape[tensor.shape.length - 3] ?? 1,
      base: fileType.base,
      file: fileType.name,
      architecture,
      sharing: architecture.kvHeads > 0 ? Math.floor(architecture.heads / architecture.kvHeads) : 0,
      hasImportance,
      index: byName ? blockOf(tensor.name) : counted,
      counted,
      count: this.counts[role] ?? 0,
    };
    return rulesOf(isOutput ? 'output' : role, fileType.name).reduce<MixedType>((mixed, rule) => {
      const choice = rule(situation, mixed.type);
      return choice ? { ...choice, cause: 'mixture' } : mixed;
    }, start);
  }
}
