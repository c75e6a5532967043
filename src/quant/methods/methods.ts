import { suggestion } from '../../model/closest';
import { QuantscopeError } from '../../model/errors';
import type { MethodDescription } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { awq } from './awq';
import { ecb } from './ecb';
import { gptq } from './gptq';
import { gptqDescent } from './gptqDescent';
import { imatrix } from './imatrix';
import { llmInt8 } from './llmInt8';
import type { Method } from './method';
import { obq } from './obq';
import { rtn } from './rtn';

/** All methods, in the order in which lists show them. Adding one here adds it everywhere. */
export const methods: readonly Method[] = [rtn, ecb, imatrix, gptq, gptqDescent, obq, awq, llmInt8];

/** What lists show of each. */
export const describeMethods = (): MethodDescription[] =>
  methods.map(({ id, label, description, evidence, improvedBy, options }) => ({
    ...{ id, label, description, evidence, options },
    ...(improvedBy === undefined ? {} : { improvedBy }),
  }));

/**
 * A method by its id, whatever the case.
 * @throws QuantscopeError REQUEST listing the ids when there is none.
 */
export function methodById(id: string): Method {
  const method = methods.find((item) => item.id === id.toLowerCase());
  if (method) return method;
  const ids = methods.map((item) => item.id);
  const message = said`There is no method "${id}".${suggestion(id, ids)} The methods are: ${ids.join(', ')}.`;
  throw new QuantscopeError('REQUEST', message);
}
