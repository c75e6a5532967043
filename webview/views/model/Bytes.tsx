import * as l10n from '@vscode/l10n';
import type { RefObject } from 'preact';
import { useMemo, useRef } from 'preact/hooks';
import { columnsFrom, type DataColumn } from '../../../src/protocol/dataTable';
import { plural, size } from '../../../src/protocol/words';
import { bitColor } from '../../bitScale';
import { ChartFrame } from '../../charts/ChartFrame';
import { svgPicture } from '../../charts/picture';
import { bits, count, nameText, percent } from '../../format';
import { bytesByRole, type AreaShare, type Measure, type RoleShare } from '../../../src/protocol/bytesByRole';
import type { PlacedTensor } from '../../../src/protocol/parts';
import { squarify, type Box } from '../../../src/protocol/treemap';
import { usePersistent } from '../../usePersistent';
import { useWidth } from '../../useWidth';
import { Modes } from '../Modes';

const measures = [
  { id: 'bytes', label: l10n.t('Bytes') },
  { id: 'parameters', label: l10n.t('Parameters') },
] as const;
const forms = [
  { id: 'map', label: l10n.t('Map') },
  { id: 'table', label: l10n.t('Table') },
] as const;

/** Height of the map, and of the name of an area in it. */
const mapHeight = 220;
const headHeight = 16;

/** Where the bytes are, by what tensors are for. A click filters the tree. */
export function Bytes({ placed }: { placed: readonly PlacedTensor[] }) {
  const [measure, setMeasure] = usePersistent<Measure>('model.bytes.measure', 'bytes');
  const [form, setForm] = usePersistent<'map' | 'table'>('model.bytes.form', 'map');
  const drawing = useRef<SVGSVGElement>(null);
  const areas = useMemo(() => bytesByRole(placed, measure), [placed, measure]);
  if (areas.length === 0) return null;
  const total = areas.reduce((sum, area) => sum + area[measure], 0);
  return (
    <div class="card">
      <ChartFrame
        title={measure === 'bytes' ? l10n.t('Where the bytes are') : l10n.t('Where the parameters are')}
        data={() => shareColumns(areas)}
        picture={() => (drawing.current ? svgPicture(drawing.current) : undefined)}
        controls={
          <>
            <Modes label={l10n.t('What is counted')} modes={measures} value={measure} onChange={setMeasure} />
            <Modes label={l10n.t('Map or table')} modes={forms} value={form} onChange={setForm} />
          </>
        }
      >
        {form === 'map' ? (
          <Map {...{ areas, measure, total, drawing }} />
        ) : (
          <Table {...{ areas, measure, total }} />
        )}
      </ChartFrame>
    </div>
  );
}

const shareColumns = (areas: readonly AreaShare[]): DataColumn[] =>
  columnsFrom(
    areas.flatMap(({ label: area, roles }) => roles.map((role) => ({ ...role, area }))),
    [
      { name: 'area', value: ({ area }) => area },
      { name: 'part', value: ({ label }) => label },
      { name: 'dtype', value: ({ dtype }) => dtype },
      { name: 'tensors', value: ({ tensors }) => tensors },
      { name: 'parameters', value: ({ parameters }) => parameters },
      { name: 'size', unit: 'bytes', value: ({ bytes }) => bytes },
      { name: 'bits per weight', value: bitsOf },
    ],
  );

interface SharesProps {
  readonly areas: readonly AreaShare[];
  readonly measure: Measure;
  readonly total: number;
}

const amount = (share: Pick<RoleShare, Measure>, measure: Measure): string =>
  measure === 'bytes' ? size(share.bytes) : count(share.parameters);

function bitsOf({ bytes, parameters }: Pick<RoleShare, Measure>): number {
  return parameters === 0 ? 0 : (8 * bytes) / parameters;
}

function Map({ areas, measure, total, drawing }: SharesProps & { drawing: RefObject<SVGSVGElement> }) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const boxes = squarify(
    areas.map((area) => area[measure]),
    { x: 0, y: 0, width, height: mapHeight },
  );
  return (
    <div class="treemap" ref={frame}>
      <svg
        ref={drawing}
        width={width}
        height={mapHeight}
        role="group"
        aria-label={l10n.t('Parts in the proportions of their size')}
      >
        {width > 0 &&
          areas.map((area, i) => <Area key={area.area} {...{ area, measure, total }} box={boxes[i]!} />)}
      </svg>
    </div>
  );
}

function Area({ area, box, measure, total }: { area: AreaShare; box: Box } & Omit<SharesProps, 'areas'>) {
  const hasHead = box.height > 2.2 * headHeight && box.width > 50 && area.roles.length > 1;
  const inner = hasHead ? { ...box, y: box.y + headHeight, height: box.height - headHeight } : box;
  const boxes = squarify(
    area.roles.map((role) => role[measure]),
    inner,
  );
  return (
    <>
      {hasHead && (
        <text class="head" x={box.x} y={box.y + headHeight - 4}>
          {headOf(area.label, percent(area[measure] / total), box.width)}
        </text>
      )}
      {area.roles.map((role, i) => (
        <Role key={`${role.label} ${role.dtype}`} {...{ role, measure, total }} box={boxes[i]!} />
      ))}
    </>
  );
}

/** Width of a letter and height of a line of the texts in the map (pixels). */
const [letter, lineHeight] = [7, 15];

/** Bold letters have room for fewer. */
const boldShare = 0.9;

/** As much of a text as has room; nothing where that is less than three letters. */
function cut(text: string, width: number): string {
  const room = Math.floor((width - 8) / letter);
  if (text.length <= room) return text;
  return room < 4 ? '' : `${text.slice(0, room - 1)}…`;
}

/** A name and its share, which stays where the name is cut. */
const headOf = (name: string, share: string, width: number): string =>
  `${cut(name, width - letter * (share.length + 1))} ${share}`.trim();

function Role({ role, box, measure, total }: { role: RoleShare; box: Box } & Omit<SharesProps, 'areas'>) {
  const [, filterTree] = usePersistent('tree.filter', '');
  const { x, y, width, height } = box;
  const label = nameText(role.label);
  const words = l10n.t(
    '{0}, {1}: {2}, {3} parameters in {4}, {5} bits per weight, {6} of all. Filters the tree.',
    label,
    role.dtype,
    size(role.bytes),
    count(role.parameters),
    plural(role.tensors, 'tensor'),
    bits(bitsOf(role)),
    percent(role[measure] / total),
  );
  const lines = [label, amount(role, measure), role.dtype].slice(
    0,
    Math.max(0, Math.floor((height - 4) / lineHeight)),
  );
  return (
    <g
      class="cell"
      role="button"
      tabindex={0}
      onClick={() => filterTree(role.filter)}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        filterTree(role.filter);
      }}
    >
      {/* It is the name, too. */}
      <title>{words}</title>
      <rect
        {...{ x, y }}
        width={Math.max(0, width - 1)}
        height={Math.max(0, height - 1)}
        style={{ fill: bitColor(bitsOf(role)) }}
      />
      {lines.map((line, i) => (
        <text key={i} x={x + 4} y={y + 13 + i * lineHeight} class={i === 0 ? 'name' : ''}>
          {cut(line, i === 0 ? boldShare * width : width)}
        </text>
      ))}
    </g>
  );
}

function Table({ areas, measure, total }: SharesProps) {
  const [, filterTree] = usePersistent('tree.filter', '');
  return (
    <div class="table-scroll">
      <table class="shares">
        <thead>
          <tr>
            <th>{l10n.t('Part')}</th>
            <th>{l10n.t('Dtype')}</th>
            <th class="right">{l10n.t('Tensors')}</th>
            <th class="right">{l10n.t('Parameters')}</th>
            <th class="right">{l10n.t('Size')}</th>
            <th class="right">{l10n.t('Bits/weight')}</th>
            <th class="right">{l10n.t('Share')}</th>
          </tr>
        </thead>
        <tbody>
          {areas.flatMap((area) =>
            area.roles.map((role) => (
              <tr key={`${area.area} ${role.label} ${role.dtype}`}>
                <td>
                  <button class="link" onClick={() => filterTree(role.filter)}>
                    {nameText(role.label)}
                  </button>{' '}
                  <span class="muted">{area.label}</span>
                </td>
                <td>{role.dtype}</td>
                <td class="right">{role.tensors.toLocaleString('en-US')}</td>
                <td class="right">{count(role.parameters)}</td>
                <td class="right">{size(role.bytes)}</td>
                <td class="right">{bits(bitsOf(role))}</td>
                <td class="right">{percent(role[measure] / total)}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </div>
  );
}
