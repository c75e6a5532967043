import * as l10n from '@vscode/l10n';
import { plural, size } from '../../src/protocol/words';
import { bits as bitsText, count, shapeText } from '../format';
import type { Line } from '../lines';
import type { TreeGroup, TreeLeaf, TreeNode } from '../tree';
import type { BitRange, PlannedBits } from '../treeRows';
import { Bits, FormatBadge } from './FormatBadge';
import { Middle } from './Middle';
import { TensorName } from './TensorName';

interface Props {
  readonly row: Line<TreeNode>;
  /** What a plan gives tensors and groups; absent without a plan. */
  readonly plan?: PlannedBits;
}

/** The cells of a line of the tree. */
export function TreeCells({ row, plan }: Props) {
  const { node, depth, open = false } = row;
  const indent = { paddingLeft: `${depth * 14}px` };
  return node.kind === 'group' ? (
    <GroupCells {...{ node, open, indent, plan }} />
  ) : (
    <LeafCells {...{ node, indent, plan }} />
  );
}

type Indent = { paddingLeft: string };

function GroupCells(props: { node: TreeGroup; open: boolean; indent: Indent; plan: Props['plan'] }) {
  const { node, open, indent, plan } = props;
  const { label, repeats, tensors, parameters, bytes, dtype, shape } = node;
  const everyBit = { min: node.minBits, max: node.maxBits };
  const bits = plan?.rangeOf(node);
  return (
    <>
      <span role="gridcell" class="name" style={indent}>
        <span class={open ? 'twist open' : 'twist'} aria-hidden="true" />
        <Middle text={label} title={node.id.slice(0, -1)} />
        {repeats > 0 && <span class="times">× {repeats.toLocaleString('en-US')}</span>}
      </span>
      <span role="gridcell" class="muted shape" title={plural(tensors, 'tensor')}>
        {tensors > 1 && shape
          ? l10n.t('{0} of {1}', tensors.toLocaleString('en-US'), shape)
          : plural(tensors, 'tensor')}
      </span>
      <span role="gridcell" class="muted dtype">
        {dtype ?? l10n.t('mixed')}
      </span>
      <span role="gridcell" class="right muted parameters">
        {count(parameters)}
      </span>
      <span role="gridcell" class="right muted bytes">
        {size(bytes)}
      </span>
      <span role="gridcell" class="bit-cell">
        <RangeOfBits range={everyBit} mean={(8 * bytes) / parameters} />
      </span>
      {plan && <span role="gridcell">{bits && <RangeOfBits range={bits} />}</span>}
    </>
  );
}

/** The bar shows the mean, or the midpoint where only the extremes are known. */
function RangeOfBits({ range, mean }: { range: BitRange; mean?: number }) {
  const { min, max } = range;
  if (Number.isNaN(min)) return null;
  const text = bitsText(min) === bitsText(max) ? bitsText(min) : `${min.toFixed(1)}–${max.toFixed(1)}`;
  return <Bits bits={mean ?? (min + max) / 2}>{text}</Bits>;
}

function LeafCells({ node, indent, plan }: { node: TreeLeaf; indent: Indent; plan: Props['plan'] }) {
  const { tensor, label, suffix } = node;
  const planned = plan?.formatOf(node);
  const title = tensor.unreadableReason ? `${tensor.name}: ${tensor.unreadableReason}` : tensor.name;
  return (
    <>
      <span role="gridcell" class="name" style={indent}>
        <span class={tensor.readable ? 'leaf' : 'leaf unreadable'} aria-hidden="true" />
        <TensorName name={label + suffix} suffix={suffix} title={title} />
      </span>
      <span role="gridcell" class="shape">
        {shapeText(tensor.shape)}
      </span>
      <span role="gridcell" class="dtype" title={tensor.dtype}>
        {tensor.dtype}
      </span>
      <span role="gridcell" class="right parameters">
        {count(tensor.elements)}
      </span>
      <span role="gridcell" class="right bytes">
        {size(tensor.byteLength)}
      </span>
      <span role="gridcell" class="bit-cell">
        {tensor.elements > 0 && <Bits bits={(8 * tensor.byteLength) / tensor.elements} />}
      </span>
      {plan && <span role="gridcell">{planned && <FormatBadge {...planned} />}</span>}
    </>
  );
}
