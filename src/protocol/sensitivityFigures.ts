import { toColumns, type Columns } from './columns';
import type { Device } from './device';
import type { GainsSource } from './gains';
import type { SensitivityRow, SensitivityTable } from './plan';
import { notKeptNote, tableNotes } from './tableNotes';

/** What a page shows of a row. */
export type FigureRow = Pick<
  SensitivityRow,
  'tensor' | 'sources' | 'weights' | 'gain' | 'isEstimated' | 'measured'
>;

/** The cells of a table in one format: a number for each row, −1 where it was not measured. */
export interface FormatFigures {
  readonly format: string;
  readonly bitsPerWeight: number;
  /** Relative squared errors. */
  readonly errors: Float32Array;
  /** Largest errors of single weights. */
  readonly maxErrors: Float32Array;
}

/** A sensitivity table as a page shows it: the two figures of its two hundred thousand cells, as numbers in a row. */
export interface SensitivityFigures {
  readonly rows: Columns<FigureRow>;
  /** The smallest format first. */
  readonly formats: readonly FormatFigures[];
  readonly gainsFrom?: GainsSource;
  readonly weightsOnly?: string;
  /** How many rows have cells. */
  readonly measured: number;
  /** The devices that computed the cells. */
  readonly devices: readonly Device[];
  /** Tensors without a format or without a measurement, once a run is over, as sentences. */
  readonly notes: readonly string[];
  /** That results are not kept, as a sentence. */
  readonly notKept?: string;
}

export function sensitivityFigures(table: SensitivityTable): SensitivityFigures {
  const { rows, gainsFrom, weightsOnly, notKept } = table;
  const devices = new Set<Device>();
  for (const { cells } of rows) for (const { device } of cells) devices.add(device);
  return {
    rows: toColumns(rows.map(figureRow)),
    formats: formatFigures(rows),
    ...(gainsFrom ? { gainsFrom } : {}),
    ...(weightsOnly === undefined ? {} : { weightsOnly }),
    measured: rows.filter(({ cells }) => cells.length > 0).length,
    devices: [...devices],
    notes: tableNotes(table),
    ...(notKept === undefined ? {} : { notKept: notKeptNote(notKept) }),
  };
}

const figureRow = ({ tensor, sources, weights, gain, isEstimated, measured }: SensitivityRow): FigureRow => ({
  ...{ tensor, sources, weights },
  ...(gain === undefined ? {} : { gain }),
  ...(isEstimated ? { isEstimated } : {}),
  ...(measured ? { measured } : {}),
});

function formatFigures(rows: readonly SensitivityRow[]): FormatFigures[] {
  const found = new Map<string, FormatFigures>();
  const fresh = (): Float32Array => new Float32Array(rows.length).fill(-1);
  for (const [index, { cells }] of rows.entries()) {
    for (const { format, bitsPerWeight, relativeSquaredError, maxError } of cells) {
      let figures = found.get(format);
      if (!figures)
        found.set(format, (figures = { format, bitsPerWeight, errors: fresh(), maxErrors: fresh() }));
      figures.errors[index] = relativeSquaredError;
      figures.maxErrors[index] = maxError;
    }
  }
  return [...found.values()].sort((a, b) => a.bitsPerWeight - b.bitsPerWeight);
}
