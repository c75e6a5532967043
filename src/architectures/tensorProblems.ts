import { closest } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';
import type { Size } from './description';

/** A tensor of a checkpoint that is not as its config.json leads to. */
export type TensorProblem =
  | {
      readonly kind: 'missing';
      /** With the prefix that names like it have. */
      readonly name: string;
      /** Without prefix. */
      readonly bare: string;
      readonly expected: readonly Size[];
    }
  | {
      readonly kind: 'unexpected';
      readonly name: string;
      /** Without prefix. */
      readonly bare: string;
      readonly shape: readonly number[];
      readonly file: string;
    }
  | {
      readonly kind: 'misshaped';
      readonly name: string;
      readonly shape: readonly number[];
      readonly expected: readonly Size[];
    };

type Kind = TensorProblem['kind'];
type Missing = Extract<TensorProblem, { kind: 'missing' }>;
type Unexpected = Extract<TensorProblem, { kind: 'unexpected' }>;
type Misshaped = Extract<TensorProblem, { kind: 'misshaped' }>;

/** So many different tensors of a kind are named; those of other blocks and experts count as the same. */
const maxNamed = 8;

/**
 * Refuses tensors that are not those of config.json, all of them in one message: by kind, alike ones of many blocks together, with
 * the closest unexpected name for each that is missing.
 * @param file path of config.json.
 * @throws QuantscopeError MODEL_FILE where tensors are missing or have other shapes; UNSUPPORTED where they are only unexpected.
 */
export function refuseProblems(problems: readonly TensorProblem[], architecture: string, file: string): void {
  const [first] = problems;
  if (!first) return;
  if (problems.length === 1) throw single(first, architecture, file);
  const code = problems.every(({ kind }) => kind === 'unexpected') ? 'UNSUPPORTED' : 'MODEL_FILE';
  throw new QuantscopeError(code, listOf(problems, architecture), { file });
}

function single(problem: TensorProblem, architecture: string, file: string): QuantscopeError {
  const { name } = problem;
  switch (problem.kind) {
    case 'missing': {
      const message = said`The checkpoint lacks a tensor that config.json requires.`;
      return new QuantscopeError('MODEL_FILE', message, { file, tensor: name });
    }
    case 'misshaped': {
      const message = said`The shape is ${shown(problem.shape)}, but according to config.json it should be ${shown(problem.expected)}.`;
      return new QuantscopeError('MODEL_FILE', message, { file, tensor: name });
    }
    case 'unexpected': {
      const message = said`GGUF's architecture "${architecture}" does not have this tensor.`;
      return new QuantscopeError('UNSUPPORTED', message, { file: problem.file, tensor: name });
    }
  }
}

function listOf(problems: readonly TensorProblem[], architecture: string): string {
  const unexpected = groupsOf<Unexpected>(problems, 'unexpected');
  const near = closestOf(unexpected);
  const kinds = [
    kindText('missing', groupsOf<Missing>(problems, 'missing'), ({ name, bare, expected }) => {
      const other = near(bare);
      const meant = other === undefined ? '' : `; is it "${other}"?`;
      return `"${name}" ${shown(expected)}${meant}`;
    }),
    kindText('unexpected', unexpected, ({ name, shape }) => `"${name}" ${shown(shape)}`),
    kindText(
      'of another shape',
      groupsOf<Misshaped>(problems, 'misshaped'),
      ({ name, shape, expected }) => `"${name}" is ${shown(shape)}, not ${shown(expected)}`,
    ),
  ].filter((text) => text !== '');
  return `The checkpoint's tensors are not those that config.json leads to in GGUF's architecture "${architecture}". ${kinds.join(' ')}`;
}

/** Problems of one kind: the first of those that differ only in numbers of blocks and experts, and how many there are. */
interface Group<P> {
  readonly first: P;
  count: number;
}

function groupsOf<P extends TensorProblem>(
  problems: readonly TensorProblem[],
  kind: P['kind'] & Kind,
): Group<P>[] {
  const groups = new Map<string, Group<P>>();
  for (const problem of problems) {
    if (problem.kind !== kind) continue;
    const known = groups.get(patternOf(problem.name));
    if (known) known.count += 1;
    else groups.set(patternOf(problem.name), { first: problem as P, count: 1 });
  }
  return [...groups.values()];
}

/** Numbers of blocks and experts, which do not tell tensors apart. */
const patternOf = (name: string): string => name.replaceAll(/(?<=^|\.)\d+(?=\.)/g, '#');

function kindText<P>(what: string, groups: readonly Group<P>[], text: (problem: P) => string): string {
  if (groups.length === 0) return '';
  const count = groups.reduce((sum, group) => sum + group.count, 0);
  const named = groups
    .slice(0, maxNamed)
    .map((group) => `${text(group.first)}${group.count > 1 ? ` (and ${group.count - 1} alike)` : ''}`);
  const rest = groups.slice(maxNamed).reduce((sum, group) => sum + group.count, 0);
  return `${plural(count, 'tensor')} ${count === 1 ? 'is' : 'are'} ${what}: ${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}.`;
}

/** Finds the unexpected tensor that is probably a missing one: the same behind a prefix, else the closest name. */
function closestOf(unexpected: readonly Group<Unexpected>[]): (name: string) => string | undefined {
  const byPattern = new Map(unexpected.map(({ first }) => [patternOf(first.bare), first.name]));
  const patterns = [...byPattern.keys()];
  return (name) => {
    const pattern = patternOf(name);
    const prefixed = patterns.find((other) => other.endsWith(`.${pattern}`));
    return byPattern.get(prefixed ?? closest(pattern, patterns) ?? '');
  };
}

const shown = (shape: readonly Size[]): string =>
  `[${shape.map((size) => (size === 'any' ? '…' : size)).join(', ')}]`;
