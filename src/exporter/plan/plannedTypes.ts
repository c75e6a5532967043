import { checkedFormat } from '../../ampq/bindPlan';
import { sourcesOf, type ConvertedTensor } from '../../architectures/convertedTensor';
import { ggmlType } from '../../model/dtypes';
import type { Plan } from '../../protocol/plan';
import { said } from '../../protocol/said';
import { isMixed } from './mixed';
import type { MixedType, MixtureOptions } from './mixture';
import type { NamedTensor } from './tensor';
import { TensorTypeRules } from './tensorTypes';

/**
 * Formats that a plan gives, overridden by types requested by hand; matrices that it does not list become F16.
 * @param file path of the model, for errors.
 * @throws QuantscopeError REQUEST for a format that does not exist or does not fit its tensor.
 */
export function plannedTypes(
  plan: Plan,
  tensors: readonly NamedTensor[],
  file: string,
  { tensorTypes = [], outputType, tokenEmbeddingType, leaveOutput }: MixtureOptions = {},
): ReadonlyMap<string, MixedType> {
  const assigned = new Map(plan.assignments.map(({ tensor, format }) => [tensor, format]));
  const names = tensors.map(({ converted }) => converted.name);
  const overrides = new TensorTypeRules(tensorTypes, names);
  const types = new Map<string, MixedType>();
  for (const { converted, unprunedName } of tensors) {
    const { name } = converted;
    if (!isMixed(converted) || (leaveOutput && name === 'output.weight')) continue;
    const asked = { 'output.weight': outputType, 'token_embd.weight': tokenEmbeddingType }[name];
    const rule = overrides.of(name);
    const format = assigned.get(unprunedName);
    if (asked !== undefined) types.set(name, { type: asked, cause: 'output', reason: said`requested type` });
    else if (rule) types.set(name, { type: rule.type, cause: 'rule', reason: said`rule ${rule.pattern}` });
    else if (format !== undefined) {
      const type = checkedFormat(format, converted.shape, { file, tensor: unprunedName });
      types.set(name, { type, cause: 'plan', reason: 'plan' });
    } else if (!isQuantized(converted))
      types.set(name, { type: 'F16', cause: 'plan', reason: said`not in the plan` });
  }
  return types;
}

const isQuantized = (tensor: ConvertedTensor): boolean =>
  sourcesOf(tensor).some(({ dtype }) => (ggmlType(dtype)?.block ?? 1) > 1);
