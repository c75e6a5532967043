import { sourcesOf, type ConvertedTensor } from '../../architectures/convertedTensor';
import { ggmlType } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { ModelDescription } from '../../protocol/model';
import type { Plan } from '../../protocol/plan';
import { encodableTypes } from './fileTypes';
import { isMixed } from './mixed';
import { fits, type MixedType, type MixtureOptions } from './mixture';
import { compileRules } from './tensorTypes';

/**
 * Types that a plan gives, by GGUF name, and above it the types that were asked for by hand; matrices that it does not list become F16. Merged tensors (experts) take the widest
 * type of their parts.
 * @throws QuantscopeError REQUEST for a plan that names a tensor that is not there, or a type that does not fit one.
 */
export function plannedTypes(
  plan: Plan,
  tensors: readonly ConvertedTensor[],
  { path, tensors: descriptors }: ModelDescription,
  { tensorTypes = [], outputType, tokenEmbeddingType, leaveOutput }: MixtureOptions = {},
): ReadonlyMap<string, MixedType> {
  const assigned = new Map(plan.assignments.map(({ tensor, format }) => [tensor, format]));
  const known = new Set(descriptors.map(({ name }) => name));
  const stranger = plan.assignments.find(({ tensor }) => !known.has(tensor));
  if (stranger)
    throw new QuantscopeError('REQUEST', 'The plan names a tensor that the model does not have.', {
      file: path,
      tensor: stranger.tensor,
    });
  const overrides = compileRules(tensorTypes);
  const types = new Map<string, MixedType>();
  for (const tensor of tensors) {
    const asked = { 'output.weight': outputType, 'token_embd.weight': tokenEmbeddingType }[tensor.name];
    const rule = overrides.find(({ regex }) => isMixed(tensor) && regex.test(tensor.name));
    if (leaveOutput && tensor.name === 'output.weight') continue;
    if (asked !== undefined) {
      types.set(tensor.name, { type: asked, cause: 'output', reason: 'type asked for' });
      continue;
    }
    if (rule) {
      types.set(tensor.name, { type: rule.type, cause: 'rule', reason: `rule ${rule.pattern}` });
      continue;
    }
    const formats = sourcesOf(tensor).flatMap(({ name }) => assigned.get(name) ?? []);
    const planned = formats.map((format) => checkFormat(format, tensor)).sort((a, b) => bits(b) - bits(a))[0];
    const quantized = sourcesOf(tensor).some(({ dtype }) => (ggmlType(dtype)?.block ?? 1) > 1);
    if (planned !== undefined) {
      const reason = new Set(formats).size > 1 ? 'plan: the widest of the merged tensors' : 'plan';
      types.set(tensor.name, { type: planned, cause: 'plan', reason });
    } else if (isMixed(tensor) && !quantized) {
      types.set(tensor.name, { type: 'F16', cause: 'plan', reason: 'not in the plan' });
    }
  }
  return types;
}

const bits = (type: string): number => {
  const { bitsPerBlock = 0, block = 1 } = ggmlType(type) ?? {};
  return bitsPerBlock / block;
};

function checkFormat(format: string, tensor: ConvertedTensor): string {
  const { name, shape } = tensor;
  const place = { tensor: sourcesOf(tensor)[0]?.name ?? name };
  const block = ggmlType(format)?.block;
  if (block === undefined || !encodableTypes.has(format)) {
    const known = [...encodableTypes].join(', ');
    throw new QuantscopeError(
      'REQUEST',
      `The plan's format "${format}" does not exist in GGUF; it can hold ${known}.`,
      place,
    );
  }
  const columns = shape[shape.length - 1] ?? 1;
  if (fits(format, columns)) return format;
  throw new QuantscopeError(
    'REQUEST',
    `The plan asks for ${format}, but rows of ${columns} weights are not whole blocks of ${block}.`,
    place,
  );
}
