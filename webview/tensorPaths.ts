import { splitName, type TensorTable } from '../src/protocol/tensorTable';
import { placeOf, type Grouping } from '../src/protocol/places';

/** A text, or the number of a name that comes in its place. */
type Segment = string | number;

/** Where the tensors of a pattern of names come in a tree. */
export interface PatternPath {
  /** Their groups from the outside; a number stands for that of the name. */
  readonly groups: readonly Segment[];
  readonly label: readonly Segment[];
  /** The suffix of the name, where it says little: ".weight". */
  readonly suffix: string;
}

/** Of each pattern of a model. */
export function pathsOf({ patterns }: Pick<TensorTable, 'patterns'>, grouping: Grouping): PatternPath[] {
  // A name of the pattern, whose numbers are their own places.
  return patterns.map((pieces) =>
    pathOf(pieces.map((piece, i) => piece + (i < pieces.length - 1 ? i : '')).join(''), grouping),
  );
}

function pathOf(sample: string, grouping: Grouping): PatternPath {
  const { modules, label, suffix, wrapper, numbers, role } = placeOf(sample);
  if (grouping === 'none') {
    const name = sample.slice(0, sample.length - suffix.length);
    return { groups: [], label: segmentsOf(name), suffix };
  }
  const member = numbers.at(-1);
  if (grouping === 'layer' || member === undefined || role === '')
    return { groups: modules.map(segmentOf), label: segmentsOf(label), suffix };
  const groups = [...wrapper, role + suffix, ...numbers.slice(0, -1)];
  return { groups: groups.map(segmentOf), label: segmentsOf(member), suffix: '' };
}

const segmentsOf = (text: string): Segment[] => text.split('.').map(segmentOf);

/** Parts that the table took for numbers. */
const segmentOf = (part: string): Segment => splitName(part).numbers[0] ?? part;

/** A segment of a tensor, as a text. */
export const textOf = (table: TensorTable, i: number, segment: Segment): string =>
  typeof segment === 'string' ? segment : String(table.numberOf(i, segment));
