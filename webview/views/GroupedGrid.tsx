import * as l10n from '@vscode/l10n';
import { useMemo, useRef } from 'preact/hooks';
import type { DataColumn, DataValue } from '../../src/protocol/dataTable';
import { useApp, useAppState } from '../context';
import { menuContext } from '../rowMenu';
import { linesOf, openAtFirst, type Line } from '../lines';
import type { Grouping } from '../../src/protocol/places';
import { groupTensors, sizeOf, type TensorNode } from '../tensorGroups';
import { TensorName } from './TensorName';
import { DataGrid } from './DataGrid';
import { nextOrder, orderFrom, type GridColumn, type GridOrder } from './grid';
import { usePersistent } from '../usePersistent';
import { namesFrom } from '../persistent';

/** A tensor of the list: its name, and the tensors of the model that it is made of. */
export interface ListedTensor {
  readonly tensor: string;
  readonly sources: readonly string[];
}

/** A column of figures about the members of a line: one tensor or a group. Members are indices into the list. */
export interface GroupColumn extends Omit<GridColumn<TensorNode>, 'cell' | 'cellTitle' | 'tint' | 'saved'> {
  readonly cell: (members: readonly number[]) => preact.ComponentChildren;
  readonly cellTitle?: (members: readonly number[]) => string | undefined;
  readonly tint?: (members: readonly number[]) => string | undefined;
  /** What orders the lines; larger values first. */
  readonly value: (members: readonly number[]) => number;
  /** The column in tables that are saved: its label and what orders it, where absent. */
  readonly saved?: {
    readonly name?: string;
    readonly unit?: string;
    readonly value?: (members: readonly number[]) => DataValue;
  };
}

type TensorLine = Line<TensorNode>;

/** Tensors with figures, grouped by layer or role; any number of them. */
export function GroupedGrid(props: {
  id: string;
  label: string;
  tensors: readonly ListedTensor[];
  columns: readonly GroupColumn[];
  grouping: Grouping;
  /** Attributes of a tensor's row. */
  dataOf?: (index: number) => Readonly<Record<`data-${string}`, string | undefined>>;
  /** A key on a line that does not move the active line. @returns whether it has an effect. */
  onKey?: (event: KeyboardEvent, members: readonly number[]) => boolean;
  /** Whether the tensors are those of the plan, whose formats can be pinned. */
  isPlan?: true;
}) {
  const { store } = useApp();
  const { model, selected } = useAppState();
  const { tensors, columns, grouping } = props;
  const names = useUnchanged(tensors.map(({ tensor }) => tensor));
  const nodes = useMemo(() => groupTensors(names, grouping), [names, grouping]);
  const { open, toggle } = useOpen(nodes, tensors.length, `${props.id}.open ${grouping}`);
  const [order, setOrder] = usePersistent<GridOrder | undefined>(`${props.id}.order`, undefined, orderFrom);
  const lines = useLines(nodes, open, order, columns);
  const lineColumns = useMemo(() => columns.map(forLines), [columns]);
  const chosen = selected.at(-1);
  const only = ({ node }: TensorLine): ListedTensor | undefined =>
    node.children ? undefined : tensors[node.members[0]!];
  return (
    <DataGrid<TensorLine>
      key={grouping}
      id={props.id}
      label={props.label}
      nameLabel={l10n.t('Tensor')}
      lines={lines}
      columns={lineColumns}
      keyOf={({ node }) => node.id}
      name={({ node }) => <Name node={node} />}
      nameTitle={(line) => only(line)?.tensor ?? `${line.node.label}: ${sizeOf(line.node)}`}
      depthOf={({ depth }) => depth}
      openOf={({ open }) => open}
      toggle={({ node }) => toggle(node.id)}
      choose={(line) => store.select(only(line)!.sources)}
      isChosen={(line) => {
        const tensor = only(line);
        return tensor !== undefined && chosen !== undefined && tensor.sources.includes(chosen);
      }}
      dataOf={({ node }) =>
        node.children
          ? { 'data-group': node.id }
          : { 'data-tensor': tensors[node.members[0]!]?.tensor, ...props.dataOf?.(node.members[0]!) }
      }
      contextOf={({ node }) => {
        const listed = node.members.map((index) => tensors[index]!);
        return menuContext(
          node.children ? 'group' : 'tensor',
          model?.path,
          listed.flatMap(({ sources }) => sources),
          listed.map(({ tensor }) => tensor),
          props.isPlan,
        );
      }}
      {...(props.onKey ? { onLineKey: (event, { node }) => props.onKey!(event, node.members) } : {})}
      {...(order ? { order } : {})}
      reorder={(column) => setOrder(nextOrder(order, column))}
      empty={l10n.t('Nothing has been measured yet.')}
      savedColumns={() => tensorData(tensors, columns)}
    />
  );
}

function Name({ node }: { node: TensorNode }) {
  return (
    <>
      <TensorName name={node.label} />
      {node.children && <span class="muted times">× {node.members.length.toLocaleString('en-US')}</span>}
    </>
  );
}

/** All tensors in the order of the list, whatever is folded, and their figures. */
function tensorData(tensors: readonly ListedTensor[], columns: readonly GroupColumn[]): DataColumn[] {
  return [
    { name: 'Tensor', values: tensors.map(({ tensor }) => tensor) },
    ...columns.map(({ id, label, value, saved }) => ({
      name: saved?.name ?? (typeof label === 'string' ? label : id),
      ...(saved?.unit === undefined ? {} : { unit: saved.unit }),
      values: tensors.map((_, index) => (saved?.value ?? value)([index])),
    })),
  ];
}

function forLines({ cell, cellTitle, tint, saved: _, ...column }: GroupColumn): GridColumn<TensorLine> {
  return {
    ...column,
    cell: ({ node }) => cell(node.members),
    ...(cellTitle ? { cellTitle: ({ node }: TensorLine) => cellTitle(node.members) } : {}),
    ...(tint ? { tint: ({ node }: TensorLine) => tint(node.members) } : {}),
  };
}

/** The same list object as long as its content is unchanged, so derived values need not be recomputed. */
export function useUnchanged<T>(list: readonly T[]): readonly T[] {
  const kept = useRef(list);
  const isSame =
    kept.current.length === list.length && kept.current.every((item, index) => item === list[index]);
  if (!isSame) kept.current = list;
  return kept.current;
}

const asAtFirst: readonly string[] | undefined = undefined;

/**
 * Which groups are open: those of a small model, until the user folds or opens one.
 * @param key of the groups, unique in the page.
 */
function useOpen(nodes: readonly TensorNode[], tensors: number, key: string) {
  const [chosen, setChosen] = usePersistent(key, asAtFirst, namesFrom);
  const first = useMemo(() => openAtFirst(nodes, tensors), [nodes, tensors]);
  const open = useMemo(() => (chosen ? new Set(chosen) : first), [chosen, first]);
  const toggle = (id: string): void => {
    const next = new Set(open);
    if (!next.delete(id)) next.add(id);
    setChosen([...next]);
  };
  return { open, toggle };
}

function useLines(
  nodes: readonly TensorNode[],
  open: ReadonlySet<string>,
  order: GridOrder | undefined,
  columns: readonly GroupColumn[],
): readonly TensorLine[] {
  const column = columns.find(({ id }) => id === order?.column);
  // Values change with every step of a slider, lines without an order do not.
  return useMemo(() => {
    if (!column || !order) return linesOf(nodes, open);
    const values = new Map<TensorNode, number>();
    const valueOf = (node: TensorNode): number => {
      const known = values.get(node);
      if (known !== undefined) return known;
      const value = column.value(node.members);
      values.set(node, value);
      return value;
    };
    const sign = order.descending ? -1 : 1;
    return linesOf(nodes, open, (siblings) =>
      [...siblings].sort((a, b) => sign * compare(valueOf(a), valueOf(b))),
    );
  }, [nodes, open, order, column?.value]);
}

/** Ascending; undefined values come first. */
function compare(a: number, b: number): number {
  if (a === b) return 0;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(b) ? 1 : -1;
  return a - b;
}
