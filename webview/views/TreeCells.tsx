import * as l10n from '@vscode/l10n';
import type { ComponentChildren, VNode } from 'preact';
import { plural, size } from '../../src/protocol/words';
import { bits as bitsText, count, shapeText } from '../format';
import type { Line } from '../lines';
import type { TreeGroup, TreeLeaf, TreeNode } from '../tree';
import { isFigureColumn, type FigureColumn, type TreeColumn, type TreeColumnId } from '../treeColumns';
import type { FigureText } from '../treeFigures';
import type { PlannedBits, Range } from '../treeRows';
import { Bits, FormatBadge } from './FormatBadge';
import { TensorName } from './TensorName';

interface Props {
  readonly row: Line<TreeNode>;
  readonly columns: readonly TreeColumn[];
  /** Columns that have no room. */
  readonly hidden: ReadonlySet<string>;
  /** What a plan gives tensors and groups. */
  readonly plan: PlannedBits;
  /** By the id of the column. */
  readonly figures: ReadonlyMap<TreeColumnId, FigureText>;
}

/** The cells of a line of the tree. */
export function TreeCells({ row, columns, hidden, plan, figures }: Props) {
  const { node, depth, open = false } = row;
  const muted = node.kind === 'group' ? ' muted' : '';
  return (
    <>
      {columns.map(({ id, class: own = '' }) => {
        if (id === 'name')
          return (
            <span key={id} role="gridcell" class="name" style={{ paddingLeft: `${depth * 14}px` }}>
              {node.kind === 'group' ? <GroupName node={node} open={open} /> : <LeafName node={node} />}
            </span>
          );
        const { content, title } = isFigureColumn(id)
          ? { content: figures.get(id)?.text, title: figures.get(id)?.title }
          : cellOf(id, node, plan);
        const classes = own === '' ? '' : `${own}${muted}`; // those of bars have no class, and are not muted
        return (
          <span key={id} role="gridcell" class={classes} title={title} hidden={hidden.has(id)}>
            {content}
          </span>
        );
      })}
    </>
  );
}

function GroupName({ node, open }: { node: TreeGroup; open: boolean }) {
  const { label, repeats } = node;
  return (
    <>
      <span class={open ? 'twist open' : 'twist'} aria-hidden="true" />
      <TensorName name={label} title={node.id.slice(0, -1)} />
      {repeats > 0 && <span class="times">× {repeats.toLocaleString('en-US')}</span>}
    </>
  );
}

function LeafName({ node }: { node: TreeLeaf }) {
  const { tensor, label, suffix } = node;
  const title = tensor.unreadableReason ? `${tensor.name}: ${tensor.unreadableReason}` : tensor.name;
  return (
    <>
      <span class={tensor.readable ? 'leaf' : 'leaf unreadable'} aria-hidden="true" />
      <TensorName name={label + suffix} suffix={suffix} title={title} />
    </>
  );
}

interface Cell {
  readonly content: ComponentChildren;
  readonly title?: string | undefined;
}

type FileColumn = Exclude<TreeColumnId, FigureColumn | 'name'>;

const cellOf = (id: FileColumn, node: TreeNode, plan: PlannedBits): Cell =>
  node.kind === 'group' ? ofGroup[id](node, plan) : ofLeaf[id](node, plan);

const ofGroup: Readonly<Record<FileColumn, (node: TreeGroup, plan: PlannedBits) => Cell>> = {
  shape: ({ tensors, shape }) => ({
    content:
      tensors > 1 && shape
        ? l10n.t('{0} of {1}', tensors.toLocaleString('en-US'), shape)
        : plural(tensors, 'tensor'),
    title: plural(tensors, 'tensor'),
  }),
  dtype: ({ dtype }) => ({ content: dtype ?? l10n.t('mixed') }),
  parameters: ({ parameters }) => ({ content: count(parameters) }),
  bytes: ({ bytes }) => ({ content: size(bytes) }),
  bits: ({ minBits: min, maxBits: max, bytes, parameters }) => ({
    content: rangeOfBits({ min, max }, (8 * bytes) / parameters),
  }),
  plan: (node, plan) => {
    const bits = plan.rangeOf(node);
    return { content: bits && rangeOfBits(bits) };
  },
};

const ofLeaf: Readonly<Record<FileColumn, (node: TreeLeaf, plan: PlannedBits) => Cell>> = {
  shape: ({ tensor }) => ({ content: shapeText(tensor.shape) }),
  dtype: ({ tensor }) => ({ content: tensor.dtype, title: tensor.dtype }),
  parameters: ({ tensor }) => ({ content: count(tensor.elements) }),
  bytes: ({ tensor }) => ({ content: size(tensor.byteLength) }),
  bits: ({ tensor: { elements, byteLength } }) => ({
    content: elements > 0 && <Bits bits={(8 * byteLength) / elements} />,
  }),
  plan: (node, plan) => {
    const planned = plan.formatOf(node);
    return { content: planned && <FormatBadge {...planned} /> };
  },
};

/** The bar shows the mean, or the midpoint where only the extremes are known. */
function rangeOfBits({ min, max }: Range, mean?: number): VNode | undefined {
  if (Number.isNaN(min)) return undefined;
  const text = bitsText(min) === bitsText(max) ? bitsText(min) : `${min.toFixed(1)}–${max.toFixed(1)}`;
  return <Bits bits={mean ?? (min + max) / 2}>{text}</Bits>;
}
