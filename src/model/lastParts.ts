import type { TensorDescriptor } from '../protocol/model';
import { tableOf } from './tabledModel';

/**
 * The distinct last parts of names: "weight" of "model.layers.0.mlp.up_proj.weight". A model has few, so that rules which need some part of a
 * name look at them before they look at all tensors.
 */
export function lastPartsOf(model: { readonly tensors: readonly TensorDescriptor[] }): ReadonlySet<string> {
  const found = known.get(model) ?? partsOf(namesOf(model));
  known.set(model, found);
  return found;
}

/** Models do not change; some are asked about several times while they are opened. */
const known = new WeakMap<object, ReadonlySet<string>>();

/** Names, at least one for each that ends otherwise. */
function* namesOf(model: { readonly tensors: readonly TensorDescriptor[] }): Generator<string> {
  const table = tableOf(model);
  if (!table) for (const { name } of model.tensors) yield name;
  else {
    const seen = new Set<number>();
    for (let i = 0; i < table.count; i++) {
      const pattern = table.patternOf(i);
      if (seen.has(pattern)) continue;
      if (table.patterns[pattern]!.at(-1) !== '') seen.add(pattern); // no number at its end
      yield table.name(i);
    }
  }
}

function partsOf(names: Iterable<string>): Set<string> {
  const parts = new Set<string>();
  let last = '';
  for (const name of names) {
    const start = name.lastIndexOf('.') + 1;
    if (name.length - start === last.length && name.endsWith(last)) continue;
    last = name.slice(start);
    parts.add(last);
  }
  return parts;
}
