import { usualGgufName } from '../architectures/aliases';
import { unchanged, type ConvertedTensor } from '../architectures/convertedTensor';
import { ggufView } from '../architectures/ggufView';
import { isDescribed } from '../architectures/registry';
import type { Model } from '../model/model';
import { said } from '../protocol/said';

/** The same tensor of two models; one side may lack it. */
export interface TensorPair {
  readonly name: string;
  readonly a?: ConvertedTensor;
  readonly b?: ConvertedTensor;
}

/** Outermost dimensions of size 1 do not count, as in ggml. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const sizes = (shape: readonly number[]): string => shape.join().replace(/^(1,)+(?=.)/, '');
  return sizes(a) === sizes(b);
}

export interface MatchedTensors {
  readonly pairs: readonly TensorPair[];
  /** Whether names were translated to those of GGUF. */
  readonly translated: boolean;
  /** How tensors were matched, where that may be wrong, as sentences. */
  readonly notes: readonly string[];
}

/**
 * Matches the tensors of two models. Models of one naming scheme are matched by name; where a checkpoint is compared with a GGUF file, the checkpoint
 * is converted to GGUF's view: names, order of rows, merged and split tensors. For an architecture without a description only names are
 * translated, by the usual names.
 * @throws QuantscopeError as `ggufView`, except for an architecture without a description.
 */
export async function matchTensors(a: Model, b: Model, signal?: AbortSignal): Promise<MatchedTensors> {
  const translated = (a.gguf === undefined) !== (b.gguf === undefined);
  const notes: string[] = [];
  const tensorsOf = async (model: Model): Promise<readonly ConvertedTensor[]> => {
    if (!translated || model.gguf) return asItIs(model);
    if (model.config && isDescribed(model.config)) return (await ggufView(model, signal)).tensors;
    notes.push(undescribedNote(model));
    return model.description.tensors.map((tensor) => unchanged(tensor, usualGgufName(tensor.name)));
  };
  const [inA, inB] = [byName(await tensorsOf(a)), byName(await tensorsOf(b))];
  const names = new Set([...inA.keys(), ...inB.keys()]);
  const pairs = [...names].map((name): TensorPair => {
    const [left, right] = [inA.get(name), inB.get(name)];
    return { name, ...(left ? { a: left } : {}), ...(right ? { b: right } : {}) };
  });
  return { pairs, translated, notes };
}

function undescribedNote({ description }: Model): string {
  const { architecture = 'unknown' } = description;
  return said`There is no description of the architecture "${architecture}": tensors are matched by their usual names. Where a GGUF file orders rows differently or merges tensors (experts, fused matrices), they count as different or as missing on one side.`;
}

const byName = (tensors: readonly ConvertedTensor[]): ReadonlyMap<string, ConvertedTensor> =>
  new Map(tensors.map((tensor) => [tensor.name, tensor]));

const asItIs = ({ description }: Model): ConvertedTensor[] =>
  description.tensors.map((tensor) => unchanged(tensor));
