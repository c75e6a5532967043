import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import type { RefObject } from 'preact';
import { useMemo, useRef } from 'preact/hooks';
import { columnsFrom, type DataColumn } from '../../../src/protocol/dataTable';
import type { TensorTable } from '../../../src/protocol/tensorTable';
import { plural } from '../../../src/protocol/words';
import { bitColor } from '../../bitScale';
import { ChartFrame } from '../../charts/ChartFrame';
import { svgPicture } from '../../charts/picture';
import { useApp } from '../../context';
import { bits, nameText, shapeText } from '../../format';
import { blockLayout, type BlockLayout, type Edge, type Node } from '../../model/blockLayout';
import { blockKinds, partsOfBlock, type BlockPart } from '../../model/blocks';
import type { PlacedTensor } from '../../../src/protocol/parts';
import { usePersistent } from '../../usePersistent';

/** What the diagram is drawn from. */
interface BlockDiagramProps {
  readonly table: TensorTable;
  readonly placed: readonly PlacedTensor[];
  /** Whether positions are rotations of queries and keys. */
  readonly hasRope: boolean;
}

/** One block with the shapes of its weights. A box opens its tensor in the chosen layer. */
export function BlockDiagram({ table, placed, hasRope }: BlockDiagramProps) {
  const kinds = useMemo(() => blockKinds(placed), [placed]);
  const [chosen, setChosen] = usePersistent('model.block.kind', 0);
  const [wanted, setLayer] = usePersistent('model.block.layer', 0);
  const drawing = useRef<SVGSVGElement>(null);
  const kind = kinds[Math.min(chosen, kinds.length - 1)];
  const layer = kind && (kind.layers.includes(wanted) ? wanted : kind.layers[0]!);
  const parts = useMemo(() => (kind ? partsOfBlock(placed, kind, layer!) : []), [placed, kind, layer]);
  const layout = useMemo(() => blockLayout(parts, hasRope), [parts, hasRope]);
  if (!kind || layer === undefined) return null;
  const controls = (
    <>
      {kinds.length > 1 ? (
        <select
          aria-label={l10n.t('Kind of block')}
          value={String(kinds.indexOf(kind))}
          onChange={({ currentTarget }) => setChosen(Number(currentTarget.value))}
        >
          {kinds.map(({ label }, index) => (
            <option key={label} value={String(index)}>
              {nameText(label)}
            </option>
          ))}
        </select>
      ) : (
        <span class="muted">{nameText(kind.label)}</span>
      )}
      <label class="muted">
        {mixed(
          l10n.t('layer {0}'),
          <select
            aria-label={l10n.t('Layer whose tensors the boxes open')}
            value={String(layer)}
            onChange={({ currentTarget }) => setLayer(Number(currentTarget.value))}
          >
            {kind.layers.map((number) => (
              <option key={number} value={String(number)}>
                {number}
              </option>
            ))}
          </select>,
        )}
      </label>
    </>
  );
  return (
    <div class="card wide">
      <ChartFrame
        title={l10n.t('One block')}
        of={l10n.t('{0}, layer {1}', kind.label, layer)}
        data={() => partColumns(table, parts)}
        picture={() => (drawing.current ? svgPicture(drawing.current) : undefined)}
        controls={controls}
      >
        <Drawing
          {...{ layout, table, drawing }}
          label={l10n.t('One block of {0}, layer {1}', kind.label, layer)}
        />
      </ChartFrame>
    </div>
  );
}

const partColumns = (table: TensorTable, parts: readonly BlockPart[]): DataColumn[] =>
  columnsFrom(parts, [
    { name: 'part', value: ({ label }) => label },
    { name: 'tensor', value: ({ index }) => table.name(index) },
    { name: 'shape', value: ({ kind }) => kind.shape.join(' × ') },
    { name: 'experts', value: ({ experts }) => (experts > 1 ? experts : undefined) },
    { name: 'dtype', value: ({ kind }) => kind.dtype },
    { name: 'bits per weight', value: ({ bitsPerWeight }) => bitsPerWeight },
  ]);

function Drawing(props: {
  layout: BlockLayout;
  table: TensorTable;
  label: string;
  drawing: RefObject<SVGSVGElement>;
}) {
  const { layout, table, label, drawing } = props;
  const { width, height, nodes, edges, streams } = layout;
  return (
    <div class="block-scroll">
      <svg
        ref={drawing}
        class="block-diagram"
        viewBox={`0 0 ${width} ${height}`}
        style={{ width: `${width}px` }}
        role="group"
        aria-label={label}
      >
        {streams.map(({ y, from, to }) => (
          <path key={y} class="stream" d={`M${from} ${y + 22}V${y}H${to}V${y + 14}`} />
        ))}
        {edges.map((edge) => (
          <path key={`${edge.from.id} ${edge.to.id} ${edge.from.y}`} class="edge" d={pathOf(edge)} />
        ))}
        {nodes.map((node) =>
          node.part ? (
            <Box key={node.id} node={node} part={node.part} name={table.name(node.part.index)} />
          ) : (
            <Step key={node.id} node={node} />
          ),
        )}
      </svg>
    </div>
  );
}

/** From the right side of a box to the left side of the next, as a curve where these are not on one line. */
function pathOf({ from, to }: Edge): string {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

function Step({ node: { x, y, width, height, label } }: { node: Node }) {
  return (
    <g class="step" aria-hidden="true">
      <rect x={x} y={y} width={width} height={height} rx={height / 2} />
      <text x={x + width / 2} y={y + height / 2}>
        {label}
      </text>
    </g>
  );
}

/** Characters of a name that a box has room for beside its bits. */
const roomFor = 13;

const shortened = (text: string): string => (text.length > roomFor ? `${text.slice(0, roomFor - 1)}…` : text);

function Box({ node, part, name }: { node: Node; part: BlockPart; name: string }) {
  const { store } = useApp();
  const { x, y, width, height, label } = node;
  const { kind, experts, bitsPerWeight } = part;
  const shape = shapeText(experts > 1 && kind.shape.length === 2 ? [experts, ...kind.shape] : kind.shape);
  const words = l10n.t(
    '{0}: {1}, {2}, {3}, {4} bits per weight{5}',
    label,
    nameText(name),
    shape,
    kind.dtype,
    bits(bitsPerWeight),
    experts > 1 ? `, ${plural(experts, 'expert')}` : '',
  );
  const open = (): void => {
    store.select([name]);
    store.update({ tab: 'tensor' });
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    open();
  };
  return (
    <g class="box" role="button" tabindex={0} data-tensor={name} onClick={open} onKeyDown={onKey}>
      {/* It is the name, too. */}
      <title>{words}</title>
      {experts > 1 && <rect class="behind" x={x + 3} y={y - 3} width={width} height={height} rx={3} />}
      <rect x={x} y={y} width={width} height={height} rx={3} />
      <rect
        class="bits-mark"
        x={x}
        y={y}
        width={4}
        height={height}
        rx={1}
        style={{ fill: bitColor(bitsPerWeight) }}
      />
      <text class="name" x={x + 11} y={y + 15}>
        {shortened(label)}
      </text>
      <text class="shape" x={x + 11} y={y + 31}>
        {shape}
      </text>
      <text class="number" x={x + width - 6} y={y + 15}>
        {bits(bitsPerWeight).replace(/\.?0+$/, '')}
      </text>
    </g>
  );
}
