import * as l10n from '@vscode/l10n';
import { greatestOf } from '../../src/protocol/extremes';
import type { BlockPart } from './blocks';
import type { Row } from '../../src/protocol/partRows';

/** A box of a part, or a step that has no weights. */
export interface Node {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly label: string;
  /** Absent for a step. */
  readonly part?: BlockPart;
}

export interface Edge {
  readonly from: Node;
  readonly to: Node;
}

export interface BlockLayout {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
  /** The residual streams: from where a half of the block begins to where its output is added. */
  readonly streams: readonly { readonly y: number; readonly from: number; readonly to: number }[];
}

/** Sizes in the units of the drawing. */
const sizes = {
  box: 104,
  expertBox: 130,
  boxHeight: 40,
  step: 62,
  stepHeight: 26,
  plus: 26,
  gapX: 18,
  gapY: 8,
  rowGap: 30,
  stream: 16,
};

/** A step without weights: shown where all of some parts and none of others are there. */
interface Step {
  readonly id: string;
  readonly label: string;
  readonly row: Row;
  readonly column: number;
  readonly needs: (ids: ReadonlySet<string>, hasRope: boolean) => boolean;
}

const attends = (ids: ReadonlySet<string>): boolean => ['q', 'qkv', 'kvA'].some((id) => ids.has(id));

const steps: readonly Step[] = [
  {
    id: 'rope',
    label: l10n.t('rope'),
    row: 'mixer',
    column: 4,
    needs: (ids, rope) => rope && attends(ids) && ids.has('attnOut'),
  },
  {
    ...{ id: 'attention', label: l10n.t('attention'), row: 'mixer', column: 5 },
    needs: (ids) => attends(ids) && ids.has('attnOut'),
  },
  {
    id: 'scan',
    label: l10n.t('scan'),
    row: 'mixer',
    column: 5,
    needs: (ids) => ids.has('stateDecay') || ids.has('timeOut'),
  },
  { id: 'choose', label: l10n.t('top k'), row: 'feedForward', column: 2, needs: (ids) => ids.has('router') },
  {
    ...{ id: 'product', label: l10n.t('× act'), row: 'feedForward', column: 4 },
    needs: (ids) =>
      ['ffnGate', 'ffnGateUp', 'expertGate', 'expertGateUp', 'sharedGate'].some((id) => ids.has(id)),
  },
  {
    ...{ id: 'act', label: l10n.t('act'), row: 'feedForward', column: 4 },
    needs: (ids) =>
      (ids.has('ffnUp') || ids.has('expertUp')) && !['ffnGate', 'expertGate'].some((id) => ids.has(id)),
  },
  { id: 'add-mixer', label: '+', row: 'mixer', column: 10, needs: () => true },
  { id: 'add-ffn', label: '+', row: 'feedForward', column: 10, needs: () => true },
];

type Item = Pick<Node, 'id' | 'label' | 'width' | 'height'> & {
  readonly column: number;
  readonly part?: BlockPart;
};

/**
 * The boxes and arrows of a block: two rows, attention or what stands for it, then the feed-forward part; parts of one column below each
 * other.
 */
export function blockLayout(parts: readonly BlockPart[], hasRope: boolean): BlockLayout {
  const ids = new Set(parts.map(({ id }) => id));
  const rows: RowLayout[] = [];
  let top = 0;
  for (const row of ['mixer', 'feedForward'] as const) {
    const items = itemsOf(row, parts, ids, hasRope);
    if (items.every(({ part }) => part === undefined)) continue;
    const laid = layOutRow(columnsOf(items), top);
    rows.push(laid);
    top = laid.bottom + sizes.rowGap;
  }
  return {
    width: greatestOf([0, ...rows.map(({ width }) => width)]) + 2,
    height: Math.max(0, top - sizes.rowGap) + 2,
    nodes: rows.flatMap(({ columns }) => columns.flat()),
    edges: rows.flatMap(({ columns }) => edgesOf(columns)),
    streams: rows.map(({ stream }) => stream),
  };
}

interface RowLayout {
  readonly columns: readonly (readonly Node[])[];
  readonly stream: BlockLayout['streams'][number];
  readonly width: number;
  readonly bottom: number;
}

function layOutRow(columns: readonly (readonly Item[])[], top: number): RowLayout {
  const height = greatestOf(columns.map(heightOf));
  const placed = place(columns, top + sizes.stream, height);
  const [first, last] = [placed[0]![0]!, placed.at(-1)![0]!];
  return {
    columns: placed,
    stream: { y: top + 6, from: first.x, to: last.x + last.width / 2 },
    width: last.x + last.width,
    bottom: top + sizes.stream + height,
  };
}

function itemsOf(row: Row, parts: readonly BlockPart[], ids: ReadonlySet<string>, hasRope: boolean): Item[] {
  const boxes = parts
    .filter((one) => one.row === row)
    .map((part): Item => ({
      ...{ id: part.role, label: part.label, column: part.column, part },
      ...{ width: part.experts > 1 ? sizes.expertBox : sizes.box, height: sizes.boxHeight },
    }));
  const drawn = steps
    .filter((step) => step.row === row && step.needs(ids, hasRope))
    .map(({ id, label, column }): Item => ({
      ...{ id, label, column, height: sizes.stepHeight },
      width: label === '+' ? sizes.plus : sizes.step,
    }));
  return [...boxes, ...drawn];
}

/** Items by their column, from left to right. */
function columnsOf(items: readonly Item[]): Item[][] {
  const columns = new Map<number, Item[]>();
  for (const item of [...items].sort((a, b) => a.column - b.column)) {
    const column = columns.get(item.column);
    if (column) column.push(item);
    else columns.set(item.column, [item]);
  }
  return [...columns.values()];
}

/** What some parts take, where that is not all that comes before them. */
const inputs: Readonly<Record<string, readonly string[]>> = {
  qNorm: ['q', 'qkv', 'qA'],
  kNorm: ['k', 'qkv', 'kvA'],
  qB: ['qA', 'qNorm'],
  ...{ kvB: ['kvA', 'kNorm'], kB: ['kvA', 'kNorm'], vB: ['kvA', 'kNorm'] },
  router: ['ffnNorm'],
};

const kindOf = ({ id, part }: Node): string => part?.id ?? id;

/** Arrows from each column to the next; what nothing takes there goes on to the one after. */
function edgesOf(columns: readonly (readonly Node[])[]): Edge[] {
  const edges: Edge[] = [];
  let open: readonly Node[] = [];
  for (const column of columns) {
    const taken = new Set<Node>();
    for (const to of column) {
      const wanted = inputs[kindOf(to)];
      const all = wanted ? open.filter((from) => wanted.includes(kindOf(from))) : open;
      for (const from of all.length > 0 ? all : open) {
        edges.push({ from, to });
        taken.add(from);
      }
    }
    open = [...open.filter((from) => !taken.has(from)), ...column];
  }
  return edges;
}

const heightOf = (column: readonly Item[]): number =>
  column.reduce((sum, { height }) => sum + height + sizes.gapY, -sizes.gapY);

/** Columns side by side, each in the middle of the row. */
function place(columns: readonly (readonly Item[])[], top: number, height: number): Node[][] {
  let x = 1;
  return columns.map((column) => {
    const width = greatestOf(column.map((item) => item.width));
    let y = top + (height - heightOf(column)) / 2;
    const nodes = column.map(({ id, label, part, ...own }): Node => {
      const node = { id, label, x, y, width: own.width, height: own.height, ...(part ? { part } : {}) };
      y += own.height + sizes.gapY;
      return node;
    });
    x += width + sizes.gapX;
    return nodes;
  });
}
