import { isRecord } from '../model/json';
import type { Recipe } from '../protocol/recipe';

/**
 * JSON of everything about a recipe that its result depends on, the same for the same work whatever the order of keys: what kept results
 * are keyed by, together with the versions of the algorithms. Names and descriptions are left out.
 */
export function canonicalRecipe({
  version,
  layout,
  target,
  fileType,
  method,
  rules,
  skip,
  activations,
  calibration,
}: Recipe): string {
  const kept = { version, layout, target, fileType, method, rules, skip, activations, calibration };
  return JSON.stringify(sorted(kept));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sorted(item)]),
  );
}
