import { PatternTrials } from '../../model/patternTrials';
import { QuantscopeError } from '../../model/errors';
import { tensorRole } from '../../model/roles';
import type { NamedTensor, NameMatch, NameQuery } from '../../protocol/names';
import type { IndexedModel, IndexedTensor } from './nameIndex';
import { namePattern, weightEnding } from './namePattern';

/** Milliseconds that a pattern may take for the names of a model: nobody waits longer for a hover. */
const limit = 250;

/** Names of exported tensors that an answer holds at most; models have thousands, pathological ones more. */
const maxRows = 20_000;

/** What a query means in a model; undefined where no tensor is meant. */
export function lookUp(model: IndexedModel, query: NameQuery): NameMatch | undefined {
  const found = query.syntax === 'name' ? named(model, query.text) : matching(model, query);
  return found.length === 0 ? undefined : matchOf(model, found);
}

/** Tensors of a name, else those that lie in a module of that name. */
function named({ tensors, byName }: IndexedModel, text: string): IndexedTensor[] {
  const places = byName.get(text) ?? byName.get(text + weightEnding);
  if (places) return places.map((at) => tensors[at]!);
  const prefix = `${text}.`;
  return tensors.filter((entry) => namesOf(entry).some((name) => name.startsWith(prefix)));
}

/** None for a pattern that is not valid, that takes too long or that every name matches. */
function matching({ tensors }: IndexedModel, { text, syntax }: NameQuery): IndexedTensor[] {
  const compiled = syntax === 'name' ? undefined : namePattern(text, syntax);
  if (!compiled) return [];
  const { pattern, isExported } = compiled;
  const trials = new PatternTrials('The patterns of a document');
  const matches = (name: string): boolean =>
    trials.test(pattern, name) ||
    (name.endsWith(weightEnding) && trials.test(pattern, name.slice(0, -weightEnding.length)));
  try {
    return trials.run(
      () => tensors.filter((entry) => (isExported ? entry.exported : namesOf(entry)).some(matches)),
      limit,
    );
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'REQUEST') return [];
    throw error;
  }
}

const namesOf = ({ tensor, exported, restored }: IndexedTensor): string[] => [
  tensor.name,
  ...exported,
  ...restored,
];

function matchOf({ path, name }: IndexedModel, found: readonly IndexedTensor[]): NameMatch {
  const rows = new Set(found.flatMap(({ exported }) => exported));
  const layers = new Set(found.map(({ tensor }) => tensorRole(tensor.name).layer));
  layers.delete(undefined);
  const [first] = found;
  return {
    model: { path, name },
    ...(found.length === 1 ? { tensor: described(first!) } : {}),
    tensors: found.length,
    elements: found.reduce((sum, { tensor }) => sum + tensor.elements, 0),
    byteLength: found.reduce((sum, { tensor }) => sum + tensor.byteLength, 0),
    layers: layers.size,
    rows: [...rows].slice(0, maxRows),
  };
}

function described({ tensor, exported, restored }: IndexedTensor): NamedTensor {
  const { name, dtype, shape, elements, byteLength, unreadableReason } = tensor;
  const alias = [...exported, ...restored].find((other) => other !== name);
  const { role, layer } = roleOf(tensor.name, exported, alias);
  return {
    ...{ name, dtype, shape, elements, byteLength, role },
    ...(layer === undefined ? {} : { layer }),
    ...(alias === undefined ? {} : { alias }),
    ...(unreadableReason === undefined ? {} : { unreadableReason }),
  };
}

/** By the first of its names whose role is known: each scheme has roles that the other's patterns do not know. */
function roleOf(
  name: string,
  exported: readonly string[],
  alias: string | undefined,
): ReturnType<typeof tensorRole> {
  const roles = [name, ...exported, ...(alias === undefined ? [] : [alias])].map(tensorRole);
  const known = roles.find(({ role }) => role !== 'other') ?? roles[0]!;
  const layer = roles.find((item) => item.layer !== undefined)?.layer;
  return { role: known.role, ...(layer === undefined ? {} : { layer }) };
}
