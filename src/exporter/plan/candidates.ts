import { candidateOf, ownCandidates, type Candidates } from '../../ampq/candidates';
import type { ModelHeaders } from '../../architectures/ggufView';
import { QuantscopeError } from '../../model/errors';
import { planExport } from '../plan';

/**
 * The tensors that a plan for this model chooses formats for, in the order of the exported file: those that a file type applies to. What
 * is kept in full precision whatever the type (norms, biases, routers) is fixed.
 */
export async function candidatesOf(model: ModelHeaders, signal?: AbortSignal): Promise<Candidates> {
  try {
    const { tensors } = await planExport(model, { type: 'F16', allowRequantize: true }, signal);
    const fixed = tensors.filter(({ cause }) => cause === 'kept' || cause === 'computed');
    return {
      tensors: tensors.flatMap(({ converted, cause }) =>
        converted && cause !== 'kept' ? [candidateOf(converted)] : [],
      ),
      fixedBytes: fixed.reduce((sum, { bytes }) => sum + bytes, 0),
      fixedParameters: fixed.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    };
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'INTERNAL') throw error;
    return ownCandidates(model, error.message);
  }
}

const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
