import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord } from '../model/json';
import { seal, unseal } from '../model/sealedJson';
import { fewBitsFormat, withoutGain } from '../protocol/fewBits';
import type { GainsRun, GainsSample } from '../protocol/gains';
import type { SensitivityCell, SensitivityRow, SensitivityTable } from '../protocol/plan';
import { hasError } from '../protocol/tableNotes';
import { areCurrent, versionsOf } from '../quant/algorithms';
import { formatById, isFormatId } from '../quant/catalogue';
import type { QuantFormat } from '../quant/format';
import { formatsFor } from './candidates';
import { blocksOf, interpolateGains } from './interpolatedGains';
import { sumOf } from './preparedTable';

/** Result of a pass over a text: the effect of each tensor alone on the output in one format. */
export interface MeasuredDivergences extends GainsRun {
  /** File of the text, SHA-256 of its tokens and windows, scored tokens, and tokens of a window. */
  readonly text: {
    readonly path: string;
    readonly hash: string;
    readonly tokens: number;
    readonly context: number;
  };
  /** The blocks whose tensors were measured, where these are not all. */
  readonly sampled?: readonly number[];
  /** By the tensor's name in GGUF. */
  readonly tensors: Readonly<Record<string, TensorDivergence>>;
}

export interface TensorDivergence {
  /** The format that the tensor was in. */
  readonly format: string;
  /** Its relative squared error there. */
  readonly error: number;
  /** Mean KL divergence of the output from the original's, nats per token. */
  readonly divergence: number;
}

/**
 * The format that tensors are measured in, whatever formats a plan may choose from: its errors are large enough to be told from rounding
 * and small enough to add up. Where rows are not whole blocks of it, the type that the exporter falls back to takes its place.
 */
export const probeFormat: QuantFormat = formatById('Q4_K');

/**
 * The same for plans of few bits, whose errors are so large that divergences grow faster than they do, most of all those of tensors in the first
 * blocks: gains are then those near the errors of the plan.
 */
export const fewBitsProbe: QuantFormat = formatById(fewBitsFormat);

/** Relative squared error of most tensors in the probe format. */
const usualError = 0.005;

/**
 * The format that a tensor is measured in, and its error there, for a probe format; undefined when it has no error. Where it has none in the probe format (rows
 * that fit no block are stored as F16), the cell whose error is nearest to the usual one.
 */
export function probeOf(
  row: SensitivityRow,
  probe: QuantFormat = probeFormat,
): { format: string; error: number } | undefined {
  const distance = (format: string): number => Math.abs(Math.log(errorIn(row, format) / usualError));
  const others = row.cells.map(({ format }) => format).sort((a, b) => distance(a) - distance(b));
  const probes = formatsFor(row, [probe]).map(({ id }) => id);
  const format = [...probes, ...others].find((id) => errorIn(row, id) > 0);
  return format === undefined ? undefined : { format, error: errorIn(row, format) };
}

const errorIn = ({ cells }: SensitivityRow, format: string): number => {
  const cell = cells.find((item: SensitivityCell) => item.format === format);
  return cell && Number.isFinite(cell.relativeSquaredError) ? cell.relativeSquaredError : 0;
};

/**
 * The table with the gain of each row: KL divergence per unit of relative squared error. To first order the divergence that a
 * format causes is proportional to its squared error, and those of several tensors add up. Those of blocks that a sample leaves out are
 * interpolated. The gain of any other row that was not measured is estimated: its weights times the factor of its role, scaled as the gains that
 * are known. Gains that the table has are not used.
 */
export function withGains(table: SensitivityTable, measured: MeasuredDivergences): SensitivityTable {
  const rows = table.rows.map(withoutGain).map((row): SensitivityRow => {
    if (!Object.hasOwn(measured.tensors, row.tensor)) return row; // a tensor may be called "constructor"
    const { format, divergence, error } = measured.tensors[row.tensor]!;
    return { ...row, gain: divergence / error, measured: { format, error, divergence } };
  });
  const { path: text, hash, tokens, context } = measured.text;
  const { noise, loss, chance, by, model, spread, sampled } = measured;
  const interpolated = sampled && withInterpolated(rows, sampled);
  const gainsFrom = {
    ...{ text, hash, tokens, context, noise, loss, chance },
    ...(by ? { by } : {}),
    ...(isForFewBits(measured) ? { fewBits: true as const } : {}),
    ...(model === undefined ? {} : { model }),
    ...(interpolated ? { sample: interpolated.sample } : {}),
    ...(spread ? { spread } : {}),
  };
  return { ...table, rows: withEstimates(interpolated?.rows ?? rows), gainsFrom };
}

function isForFewBits({ tensors }: Pick<MeasuredDivergences, 'tensors'>): boolean {
  const all = Object.values(tensors);
  return 2 * all.filter(({ format }) => format === fewBitsFormat).length > all.length;
}

/** Rows with gains by their roles where none is known, if it is of others. */
function withEstimates(rows: readonly SensitivityRow[]): readonly SensitivityRow[] {
  const expected = ({ weights, roleFactor }: SensitivityRow): number => weights * roleFactor;
  const known = rows.filter(({ gain }) => gain !== undefined);
  const scale = sumOf(known, ({ gain }) => gain!) / sumOf(known, expected);
  if (Number.isNaN(scale)) return rows;
  return rows.map((row) =>
    row.gain !== undefined || !hasError(row)
      ? row
      : { ...row, gain: scale * expected(row), isEstimated: true },
  );
}

/** Rows with the gains of the blocks that were not measured. */
function withInterpolated(
  rows: readonly SensitivityRow[],
  sampled: readonly number[],
): { readonly rows: readonly SensitivityRow[]; readonly sample: GainsSample } {
  const { gains, deviation } = interpolateGains(rows, sampled);
  return {
    rows: rows.map((row) => {
      const gain = gains.get(row.tensor);
      return gain === undefined ? row : { ...row, gain };
    }),
    sample: {
      measured: sampled.length,
      blocks: blocksOf(rows.map(({ tensor }) => tensor)).length,
      ...(deviation === undefined ? {} : { deviation }),
    },
  };
}

/** Where the divergences of a model in a probe format are kept. @param key contentKey of the model. */
export const gainsFile = (folder: string, key: string, probe: QuantFormat = probeFormat): string =>
  join(folder, `${key}${probe === probeFormat ? '' : `.${probe.id}`}.gains.json`);

/** The line in which divergences are stored. */
export function printDivergences(measured: MeasuredDivergences): string {
  return `${seal({ ...measured, versions: versionsOf(algorithmsOf(measured)) })}\n`;
}

/** The stored result of an earlier pass; undefined when there is none, or it is damaged, edited or of other versions. */
export async function readDivergences(file: string): Promise<MeasuredDivergences | undefined> {
  const text = await readFile(file, 'utf8').catch(() => ''); // without it, divergences are measured again
  const value = unseal(text.trimEnd());
  if (!isRecord(value) || !isMeasured(value)) return undefined;
  const { text: source, noise, loss, chance, by, spread, sampled, tensors, versions } = value;
  if (!areCurrent(versions, algorithmsOf({ by, tensors }))) return undefined;
  return {
    ...{ text: source, noise, loss, chance, ...(by ? { by } : {}), ...(spread ? { spread } : {}) },
    ...(sampled ? { sampled } : {}),
    tensors,
  };
}

/** Measures that divergences of tensors rest on. */
export const measuresOf = (by: MeasuredDivergences['by']): string[] => [
  ...['states', 'divergences'],
  ...(by === 'curvature' ? ['gradients', 'curvature'] : []),
];

/** What divergences were measured by, and in which formats. */
interface MeasuredBy extends Pick<MeasuredDivergences, 'tensors'> {
  readonly by?: MeasuredDivergences['by'] | undefined;
}

function algorithmsOf({ by, tensors }: MeasuredBy): string[] {
  return ['errors', ...measuresOf(by), ...Object.values(tensors).map(({ format }) => format)];
}

function isMeasured(value: Record<string, unknown>): value is Record<string, unknown> & MeasuredDivergences {
  const { text, tensors, noise, loss, chance, by, spread, sampled } = value;
  if (by !== undefined && by !== 'curvature') return false;
  if (![noise, loss, chance].every((item) => typeof item === 'number' && item >= 0)) return false;
  if (spread !== undefined && !isSpread(spread)) return false;
  if (sampled !== undefined && !isBlocks(sampled)) return false;
  return isRecord(text) && isText(text) && isRecord(tensors) && Object.values(tensors).every(isDivergence);
}

const isText = ({ path, hash, tokens, context }: Record<string, unknown>): boolean =>
  typeof path === 'string' &&
  typeof hash === 'string' &&
  typeof tokens === 'number' &&
  typeof context === 'number';

const isBlocks = (value: unknown): boolean =>
  Array.isArray(value) && value.every((block) => Number.isSafeInteger(block) && (block as number) >= 0);

const isSpread = (value: unknown): boolean =>
  isRecord(value) &&
  [value['percentile99'], value['topChanged']].every((item) => typeof item === 'number' && item > 0);

const isDivergence = (value: unknown): boolean =>
  isRecord(value) &&
  isFormatId(value['format']) &&
  typeof value['error'] === 'number' &&
  value['error'] > 0 &&
  typeof value['divergence'] === 'number' &&
  value['divergence'] >= 0;
