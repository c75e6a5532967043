import type { TensorDescriptor } from '../protocol/model';

/**
 * The distinct last parts of names: "weight" of "model.layers.0.mlp.up_proj.weight". A model has few, so that rules which need some part of a
 * name look at them before they look at all tensors.
 */
export function lastPartsOf(tensors: readonly Pick<TensorDescriptor, 'name'>[]): ReadonlySet<string> {
  const found = known.get(tensors) ?? partsOf(tensors);
  known.set(tensors, found);
  return found;
}

/** Lists do not change; some are asked about several times while a model is opened. */
const known = new WeakMap<readonly object[], ReadonlySet<string>>();

function partsOf(tensors: readonly Pick<TensorDescriptor, 'name'>[]): Set<string> {
  const parts = new Set<string>();
  let last = '';
  for (const { name } of tensors) {
    const start = name.lastIndexOf('.') + 1;
    if (name.length - start === last.length && name.endsWith(last)) continue;
    last = name.slice(start);
    parts.add(last);
  }
  return parts;
}
