import { ggmlType } from '../../model/dtypes';
import type { TypeCause } from '../../protocol/export';
import type { Architecture } from './architecture';
import type { FileType } from './fileTypes';
import { blockOf } from './order';

/**
 * Which type each tensor of a GGUF file gets: the rules of llama.cpp v0.5.0 (llama-quant.cpp) for the file types of
 * `fileTypes.ts`, without an importance matrix. Names are GGUF names; shapes have the outermost dimension first.
 */

export interface MixedType {
  readonly type: string;
  readonly cause?: TypeCause;
  readonly reason: string;
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Parts of names whose tensors are kept: small, or sensitive, or no matrices at heart. */
const keptNames: readonly RegExp[] = [
  /_norm\.weight/,
  /ffn_gate_inp\.weight/,
  /altup|laurel|per_layer_model_proj/,
  /^position_embd\.weight$|^token_types\.weight$/,
  /ssm_conv1d|shortconv\.conv\.weight/,
  /time_mix_(first|w0|w1|w2|v0|v1|v2|a0|a1|a2|g1|g2|decay_w1|decay_w2|lerp_fused)\.weight/,
  /attn_rel_b\.weight/,
  /\.position_embd|sam\.pos_embd|sam\.neck\.|sam\.net_|\.rel_pos|\.patch_embd|\.patch_merger/,
];

/** Whether a file type applies to this tensor at all: a matrix of weights, not a norm or one of the kept ones. */
export function isMixed({ name, shape }: Tensor): boolean {
  return (
    dimensions(shape) >= 2 && name.endsWith('weight') && !keptNames.some((pattern) => pattern.test(name))
  );
}

/** Number of dimensions as ggml counts them: outermost ones of size 1 do not count; at least 1. */
export function dimensions(shape: readonly number[]): number {
  const first = shape.findIndex((size) => size !== 1);
  return first < 0 ? 1 : shape.length - first;
}

/** The first and last eighth of the layers, and every third between them, get more bits. */
function moreBits(index: number, count: number): boolean {
  const eighth = Math.floor(count / 8);
  return index < eighth || index >= Math.floor((7 * count) / 8) || (index - eighth) % 3 === 2;
}

type Role = 'output' | 'value' | 'key' | 'down' | 'attention output' | 'other';

const roles: readonly (readonly [RegExp, Role])[] = [
  [/attn_(v|qkv|kv_b)\.weight/, 'value'],
  [/attn_k\.weight/, 'key'],
  [/ffn_down/, 'down'],
  [/attn_output\.weight/, 'attention output'],
];

/** What the rules of one tensor look at. `index` of `count` is the layer among those of its role. */
interface Situation {
  readonly base: string;
  readonly columns: number;
  readonly fileType: FileType;
  readonly architecture: Architecture;
  readonly index: number;
  readonly count: number;
}

/** Rules of a role, applied one after the other; one that has nothing to say returns undefined. */
type Rule = (situation: Situation, type: string) => MixedType | undefined;

const bitsToSpare: Rule = ({ fileType, index, count }) => {
  if (fileType.name !== 'Q4_K_M' && fileType.name !== 'Q5_K_M') return undefined;
  if (!moreBits(index, count)) return undefined;
  return {
    type: 'Q6_K',
    reason: `${fileType.name} gives layer ${index + 1} of ${count} more bits`,
  };
};

/** Falcon's down projections take less: measured so by llama.cpp's authors. */
const falconDown: Rule = ({ fileType, architecture, index, count }) => {
  if (architecture.name !== 'falcon' || fileType.name !== 'Q4_K_M') return undefined;
  if (index < Math.floor(count / 16)) return { type: 'Q6_K', reason: 'first layers of falcon' };
  if (moreBits(index, count)) return { type: 'Q5_K', reason: 'falcon gives this layer more bits' };
  return { type: 'Q4_K', reason: 'default of Q4_K_M' };
};

/** Eight heads share each value matrix of these models, so more bits cost little. */
const seventyBillion: Rule = ({ architecture }, type) =>
  isSeventyBillion(architecture) && type === 'Q4_K'
    ? { type: 'Q5_K', reason: 'value matrix of a 70B model' }
    : undefined;

const eightExperts =
  (type: string): Rule =>
  ({ architecture }) =>
    architecture.experts === 8 ? { type, reason: 'small beside the weights of 8 experts' } : undefined;

const expertOutput: Rule = (situation, type) => {
  if (situation.fileType.name !== 'Q4_K_M' || situation.architecture.name === 'falcon') return undefined;
  return eightExperts('Q5_K')(situation, type);
};

const outputTensor: Rule = ({ base, columns, architecture }) => {
  const { block = 1 } = ggmlType(base) ?? {};
  if (architecture.name === 'falcon' || columns % block !== 0)
    return { type: 'Q8_0', reason: 'output tensor that Q6_K does not suit' };
  return base === 'Q8_0' ? undefined : { type: 'Q6_K', reason: 'output tensor' };
};

const rules: Readonly<Record<Role, readonly Rule[]>> = {
  output: [outputTensor],
  value: [bitsToSpare, seventyBillion, eightExperts('Q8_0')],
  key: [eightExperts('Q8_0')],
  down: [bitsToSpare, falconDown],
  'attention output': [expertOutput],
  other: [],
};

/** llama.cpp's own test of "a 70B model", by architecture. */
function isSeventyBillion({ name, blocks, heads, kvHeads, experts }: Architecture): boolean {
  if (blocks !== 80) return false;
  return name === 'qwen2' || (name === 'llama' && heads !== kvHeads && experts !== 8);
}

/** Types for rows that are not whole blocks of the wanted type, and when even these do not fit, F16. */
const narrower: Readonly<Record<string, string>> = { Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' };

function fitShape(wanted: MixedType, columns: number): MixedType {
  const fits = (type: string): boolean => columns % (ggmlType(type)?.block ?? 1) === 0;
  if (fits(wanted.type)) return wanted;
  const fallback = narrower[wanted.type];
  const type = fallback !== undefined && fits(fallback) ? fallback : 'F16';
  return { type, reason: `rows of ${columns} weights are not whole blocks of ${wanted.type}` };
}

/**
 * The types of all tensors that the file type applies to, by name. `tensors` are in the order of the output, which is
 * the order in which layers are counted.
 */
export function mixTypes(
  tensors: readonly Tensor[],
  fileType: FileType,
  architecture: Architecture,
): ReadonlyMap<string, MixedType> {
  const quantized = (ggmlType(fileType.base)?.block ?? 1) > 1;
  const valueCount = tensors.filter(({ name }) => roleOf(name, false) === 'value').length;
  const counts: Partial<Record<Role, number>> = { value: valueCount, down: architecture.blocks };
  const tied = !tensors.some(({ name }) => name === 'output.weight');
  const seen = new Map<Role, number>();
  const types = new Map<string, MixedType>();
  for (const tensor of tensors.filter(isMixed)) {
    const role = roleOf(tensor.name, tied);
    const counted = seen.get(role) ?? 0;
    seen.set(role, counted + 1);
    const index = role === 'down' && architecture.experts > 1 ? blockOf(tensor.name) : counted;
    const columns = tensor.shape[tensor.shape.length - 1] ?? 1;
    const situation = {
      base: fileType.base,
      columns,
      fileType,
      architecture,
      index,
      count: counts[role] ?? 0,
    };
    types.set(tensor.name, fitShape(applyRules(quantized ? rules[role] : [], situation), columns));
  }
  return types;
}

function applyRules(applicable: readonly Rule[], situation: Situation): MixedType {
  const start: MixedType = { type: situation.base, reason: `default of ${situation.fileType.name}` };
  return applicable.reduce((mixed, rule) => rule(situation, mixed.type) ?? mixed, start);
}

function roleOf(name: string, tied: boolean): Role {
  if (name === 'output.weight' || (tied && name === 'token_embd.weight')) return 'output';
  return roles.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
}
