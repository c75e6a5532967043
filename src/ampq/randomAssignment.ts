import { createHash } from 'node:crypto';

/** A way to store a tensor. */
export interface SizedFormat {
  readonly format: string;
  readonly bytes: number;
}

/**
 * A random assignment within a budget, as a control of a plan: from the smallest format of each tensor, tensors drawn at random get a larger
 * one drawn at random while it fits, until nothing fits. The same seed gives the same assignment.
 * @param choices of each tensor, at least one.
 * @param budget bytes of all tensors. @returns the format of each; undefined where even the smallest formats exceed the budget.
 */
export function randomAssignment(
  choices: readonly (readonly SizedFormat[])[],
  budget: number,
  seed: string,
): readonly SizedFormat[] | undefined {
  const chosen = choices.map((options) => options.reduce((a, b) => (b.bytes < a.bytes ? b : a)));
  let left = budget - chosen.reduce((sum, { bytes }) => sum + bytes, 0);
  if (left < 0) return undefined;
  const upgrades = shuffled(
    choices.flatMap((options, tensor) => options.map((option) => ({ tensor, option }))),
    seed,
  );
  for (let changed = true; changed;) {
    changed = false;
    for (const { tensor, option } of upgrades) {
      const more = option.bytes - chosen[tensor]!.bytes;
      if (more <= 0 || more > left) continue;
      chosen[tensor] = option;
      left -= more;
      changed = true;
    }
  }
  return chosen;
}

/** In the order of digests with the seed. */
function shuffled<T>(items: readonly T[], seed: string): T[] {
  const keyed = items.map((item, i) => ({
    item,
    key: createHash('sha256').update(`${seed} ${i}`).digest('hex'),
  }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ item }) => item);
}
