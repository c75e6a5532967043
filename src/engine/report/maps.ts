import { layerMap, type LayerMap } from '../../protocol/layerMap';
import { markup } from '../../protocol/markup';
import { partOfRole } from '../../protocol/parts';
import { scanSigma, type ModelScan } from '../../protocol/modelScan';
import { figureMapSvg, type FigureMap } from './drawings';
import type { KeptFacts } from './facts';
import { figure } from './tables';

/** Maps by layer and role, as HTML; empty where there are no figures. */
export interface ReportMaps {
  readonly weights: string;
  readonly sensitivity: string;
  readonly plan: string;
}

export function reportMaps({ scan, sensitivity, plan }: KeptFacts): ReportMaps {
  const gains = sensitivity?.rows ?? [];
  const assignments = plan?.plan.assignments ?? [];
  return {
    weights: scan ? scanMaps(scan) : '',
    sensitivity: mapHtml({
      ...valuesOf(
        gains.map(({ tensor }) => tensor),
        gains.map(({ gain }) => gain ?? NaN),
        meanOf,
      ),
      ...{ title: 'KL divergence per unit of error (nats per token)', scale: 'log', inWords: figure },
    }),
    plan: mapHtml({
      ...valuesOf(
        assignments.map(({ tensor }) => tensor),
        assignments.map(({ bitsPerWeight }) => bitsPerWeight),
        meanOf,
      ),
      ...{ title: 'Bits per weight of the plan', scale: 'linear', inWords: (bits) => bits.toFixed(2) },
    }),
  };
}

const percent = (share: number): string => `${figure(100 * share)} %`;

function scanMaps({ names, figures, error }: ModelScan): string {
  const maps: FigureMap[] = [
    {
      ...valuesOf(names, figures.absMax, mostOf),
      ...{ title: 'Largest |w|', scale: 'log', inWords: figure },
    },
    {
      ...valuesOf(names, figures.kurtosis, mostOf),
      ...{ title: 'Kurtosis', scale: 'linear', inWords: figure },
    },
    {
      ...valuesOf(names, figures.outlierShare, mostOf),
      ...{ title: `Weights beyond ${scanSigma} σ`, scale: 'log', inWords: percent },
    },
    ...(error
      ? [
          {
            ...valuesOf(names, error.relative, mostOf),
            ...{ title: `Relative error in ${error.format}`, scale: 'log' as const, inWords: figure },
          },
        ]
      : []),
  ];
  return `<div class="maps">${maps.map(mapHtml).join('')}</div>`;
}

const mostOf = (values: readonly number[]): number =>
  values.reduce((most, value) => (value > most || Number.isNaN(most) ? value : most), NaN);
const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Figures of tensors, those of one layer and role as one. */
function valuesOf(
  names: readonly string[],
  values: readonly number[],
  together: (values: readonly number[]) => number,
): Pick<FigureMap, 'layers' | 'rows'> {
  const { layers, rows }: LayerMap = layerMap(names);
  const valueOf = (members: readonly number[]): number =>
    members.length === 0 ? NaN : together(members.map((index) => values[index]!));
  return {
    layers,
    rows: [...rows]
      .sort((a, b) => placeOfRole(a.role) - placeOfRole(b.role))
      .map(({ role, cells }) => ({ role, values: cells.map(valueOf) })),
  };
}

/** Roles in the order of a block: attention or what stands for it, then the feed-forward part. */
function placeOfRole(role: string): number {
  const { row, column, order } = partOfRole(role);
  return (row === 'mixer' ? 0 : 1e4) + 100 * column + order;
}

function mapHtml(map: FigureMap): string {
  const drawing = map.layers.length === 0 ? '' : figureMapSvg(map);
  return drawing === '' ? '' : `<figure><figcaption>${markup(map.title)}</figcaption>${drawing}</figure>`;
}
