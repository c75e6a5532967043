import { unchanged, type ConvertedTensor } from '../architectures/convertedTensor';
import { ggufView } from '../architectures/ggufView';
import type { Model } from '../model/openModel';

/** The same tensor of two models; one side may lack it. */
export interface TensorPair {
  readonly name: string;
  readonly a?: ConvertedTensor;
  readonly b?: ConvertedTensor;
}

export interface MatchedTensors {
  readonly pairs: readonly TensorPair[];
  /** Whether names were translated to those of GGUF. */
  readonly translated: boolean;
}

/**
 * Matches the tensors of two models. Models of one naming scheme are matched by name; where a checkpoint meets a GGUF file,
 * the checkpoint is brought to GGUF's view: names, order of rows, merged and split tensors.
 * @throws QuantscopeError UNSUPPORTED for a checkpoint whose architecture has no description.
 */
export async function matchTensors(a: Model, b: Model, signal?: AbortSignal): Promise<MatchedTensors> {
  const translated = (a.gguf === undefined) !== (b.gguf === undefined);
  const tensorsOf = async (model: Model) =>
    byName(translated ? (await ggufView(model, signal)).tensors : asItIs(model));
  const [inA, inB] = [await tensorsOf(a), await tensorsOf(b)];
  const names = new Set([...inA.keys(), ...inB.keys()]);
  const pairs = [...names].map((name): TensorPair => {
    const [left, right] = [inA.get(name), inB.get(name)];
    return { name, ...(left ? { a: left } : {}), ...(right ? { b: right } : {}) };
  });
  return { pairs, translated };
}

const byName = (tensors: readonly ConvertedTensor[]): ReadonlyMap<string, ConvertedTensor> =>
  new Map(tensors.map((tensor) => [tensor.name, tensor]));

const asItIs = ({ description }: Model): ConvertedTensor[] =>
  description.tensors.map((tensor) => unchanged(tensor));
