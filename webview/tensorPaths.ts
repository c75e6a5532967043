import { splitName, type TensorTable } from '../src/protocol/tensorTable';
import { placeOf, type Grouping } from '../src/protocol/places';

/** A text, or the number of a name that comes in its place. */
type Segment = string | number;

/** How a tree is grouped: as lists are, or with one line for what all blocks, and all experts, have in common. */
export type TreeGrouping = Grouping | 'folded';

/** Where the tensors of a pattern of names come in a tree. */
export interface PatternPath {
  /** Their groups from the outside; a number stands for that of the name. */
  readonly groups: readonly Segment[];
  /** Of each group that stands for all blocks or experts, which number of the name tells them apart. */
  readonly repeatedBy?: readonly (number | undefined)[];
  readonly label: readonly Segment[];
  /** The suffix of the name, where it says little: ".weight". */
  readonly suffix: string;
}

/** Of each pattern of a model. */
export function pathsOf({ patterns }: Pick<TensorTable, 'patterns'>, grouping: TreeGrouping): PatternPath[] {
  // A name of the pattern, whose numbers are their own places.
  return patterns.map((pieces) =>
    pathOf(pieces.map((piece, i) => piece + (i < pieces.length - 1 ? i : '')).join(''), grouping),
  );
}

function pathOf(sample: string, grouping: TreeGrouping): PatternPath {
  const { modules, label, suffix, wrapper, numbers, role } = placeOf(sample);
  if (grouping === 'none') {
    const name = sample.slice(0, sample.length - suffix.length);
    return { groups: [], label: segmentsOf(name), suffix };
  }
  const member = numbers.at(-1);
  if (grouping === 'layer' || member === undefined || role === '')
    return { groups: modules.map(segmentOf), label: segmentsOf(label), suffix };
  if (grouping === 'folded') return foldedPath([...modules, label], suffix);
  const groups = [...wrapper, role + suffix, ...numbers.slice(0, -1)];
  return { groups: groups.map(segmentOf), label: segmentsOf(member), suffix: '' };
}

/** Modules without numbers, then the numbers: "layers", "experts", "up_proj.weight", 3 for expert 7 of layer 3. */
function foldedPath(parts: readonly string[], suffix: string): PatternPath {
  const numberAt = (at: number): number | undefined => {
    const segment = parts[at] === undefined ? undefined : segmentOf(parts[at]);
    return typeof segment === 'number' ? segment : undefined;
  };
  const groups: Segment[] = [];
  const repeatedBy: (number | undefined)[] = [];
  const numbers: number[] = [];
  for (const [at, part] of parts.entries()) {
    const number = numberAt(at);
    if (number !== undefined) numbers.push(number);
    else {
      groups.push(part);
      repeatedBy.push(numberAt(at + 1) ?? numbers.at(-1));
    }
  }
  groups[groups.length - 1] = `${String(groups.at(-1))}${suffix}`;
  return { groups: [...groups, ...numbers.slice(0, -1)], repeatedBy, label: numbers.slice(-1), suffix: '' };
}

const segmentsOf = (text: string): Segment[] => text.split('.').map(segmentOf);

/** Parts that the table took for numbers. */
const segmentOf = (part: string): Segment => splitName(part).numbers[0] ?? part;

/** A segment of a tensor, as a text. */
export const textOf = (table: TensorTable, i: number, segment: Segment): string =>
  typeof segment === 'string' ? segment : String(table.numberOf(i, segment));
