import type { TensorDescriptor } from '../protocol/model';
import type { Conversion, Instead, Size, TensorRule } from './description';
import type { Sources } from './sources';
import type { TensorProblem } from './tensorProblems';

/** A rule, and the tensors of the checkpoint that it takes, in the order of its names. */
export interface MatchedRule {
  readonly rule: TensorRule;
  readonly tensors: readonly TensorDescriptor[];
}

/** Problems that are collected: a config.json can ask for more layers than any list is good for. */
const maxProblems = 10_000;

/**
 * The tensors of a checkpoint by the rules that config.json leads to, and all that differs from them: what is missing, what has
 * another shape, and what no rule takes. Where a list of problems ends early, tensors that no rule takes are not known.
 */
export function matchRules(
  { tensors: rules }: Pick<Conversion, 'tensors'>,
  sources: Sources,
): { matched: MatchedRule[]; problems: TensorProblem[] } {
  const matched: MatchedRule[] = [];
  const problems: TensorProblem[] = [];
  for (const item of rules) {
    for (const usual of 'to' in item ? [item] : item) {
      const match = matchRule(usual, sources, problems);
      if (match) matched.push(match);
      if (problems.length >= maxProblems) return { matched, problems };
    }
  }
  for (const [bare, tensor] of sources.unused()) problems.push({ kind: 'unexpected', ...tensor, bare });
  return { matched, problems };
}

/** A rule whose sources are all there; undefined otherwise. */
function matchRule(usual: TensorRule, sources: Sources, problems: TensorProblem[]): MatchedRule | undefined {
  const { instead } = usual;
  const rule = instead && applies(instead, sources) ? { ...usual, ...instead } : usual;
  const expected = rule.sourceShape ?? rule.shape;
  const found = rule.from.map((name) => ({ name, tensor: sources.take(name) }));
  if (rule.optional && found.every(({ tensor }) => tensor === undefined)) return undefined;
  const tensors = found.flatMap(({ name, tensor }) => {
    if (!tensor) problems.push({ kind: 'missing', name: sources.spelled(name), bare: name, expected });
    else if (!hasShape(tensor, expected)) problems.push({ kind: 'misshaped', ...tensor, expected });
    return tensor ?? [];
  });
  return tensors.length === found.length ? { rule, tensors } : undefined;
}

/** Whether the checkpoint has the other sources of a rule. */
const applies = ({ from, plain }: Instead, sources: Sources): boolean =>
  from.some((name) => {
    const tensor = sources.get(name);
    return tensor !== undefined && !(plain && tensor.stored);
  });

const hasShape = ({ shape }: TensorDescriptor, expected: readonly Size[]): boolean =>
  shape.length === expected.length && shape.every((size, i) => expected[i] === 'any' || size === expected[i]);
