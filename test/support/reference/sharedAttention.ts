import { attend, headsOf, type AttentionOptions, type Heads } from './attention';
import type { Checkpoint } from './checkpoint';
import { linear, rms, type Block } from './decoder';
import { rmsNorm, type Vector } from './math';
import { rotate, type Rotation } from './rope';

/** Keys and values of all positions. */
interface Stored {
  readonly keys: readonly Heads[];
  readonly values: readonly Heads[];
}

export interface SharedAttentionOptions extends AttentionOptions {
  readonly headSize: number;
  readonly rotation: Rotation;
  /** Keys and values that were computed last, by the kind of layer. */
  readonly stored: Map<string, Stored>;
  readonly kind: string;
  /** The layer takes keys and values of the last layer of its kind. */
  readonly isShared: boolean;
}

/** Attention of Gemma 3n and 4: heads of queries, keys and values are normed, those of values without weights. */
export function sharedAttention(
  checkpoint: Checkpoint,
  prefix: string,
  { headSize, rotation, stored, kind, isShared, ...options }: SharedAttentionOptions,
): Block {
  const epsilon = checkpoint.number('rms_norm_eps');
  const ones = new Float64Array(headSize).fill(1);
  const project = (name: string) => linear(checkpoint, `${prefix}.${name}_proj`);
  const heads = (x: Vector, norm: (head: Vector) => Vector): Heads => headsOf(x, headSize).map(norm);
  const turned = (name: string) => {
    const [weights, norm] = [project(name), rms(checkpoint, `${prefix}.${name}_norm`)];
    return (x: Vector, position: number): Heads =>
      heads(weights(x), norm).map((head) => rotate(head, position, rotation));
  };
  const own = (inputs: readonly Vector[]): Stored => {
    const key = turned('k');
    const value = checkpoint.has(`${prefix}.v_proj.weight`) ? project('v') : project('k');
    return {
      keys: inputs.map(key),
      values: inputs.map((x) => heads(value(x), (head) => rmsNorm(head, ones, epsilon))),
    };
  };
  const [query, output] = [turned('q'), project('o')];
  return (inputs) => {
    if (!isShared) stored.set(kind, own(inputs));
    const { keys, values } = stored.get(kind)!;
    return attend(inputs.map(query), keys, values, { scale: 1, ...options }).map(output);
  };
}
