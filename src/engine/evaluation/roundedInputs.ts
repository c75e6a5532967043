import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Candidates } from '../../ampq/candidates';
import { resultsKey } from '../../ampq/sensitivity';
import type { CodeFinder } from '../../exporter/codes/codeFinder';
import { roundingErrors, roundingSecondsPerWeight } from '../../exporter/codes/inputRounding';
import { sampledRows } from '../../evaluation/evidence';
import { writeAtomically } from '../../files/atomicFile';
import { makeFolder } from '../../files/makeFolder';
import { roundingFor } from '../../graph/transformer/rounding';
import { isRecord } from '../../model/json';
import type { Model } from '../../model/model';
import { seal, unseal } from '../../model/sealedJson';
import type { InputRounding } from '../../protocol/ggmlTypes';
import type { SensitivityCell, SensitivityTable } from '../../protocol/plan';
import { matrixOf } from '../../model/rows';
import { areCurrent, versionsOf } from '../../quant/algorithms';

/** What the rounding of inputs does to the outputs of tensors, as relative squared errors by their names and kinds of rounding. */
export type InputRoundings = Readonly<Record<string, Partial<Record<InputRounding, number>>>>;

/** What the key of a file of roundings does not say. */
const algorithms = ['roundings'] as const;

/** What roundings are measured with, and where they are kept. */
interface RoundingPlace {
  readonly cacheDir: string;
  /** Undefined where the inputs of an earlier run may not be sampled. */
  readonly finder: (() => Promise<CodeFinder>) | undefined;
  readonly signal: AbortSignal;
}

/** The roundings of all candidates; those of an earlier run with the same codes are reused. Undefined where they are neither kept nor measurable. */
export async function inputRoundings(
  model: Model,
  candidates: Candidates,
  { cacheDir, finder, signal }: RoundingPlace,
): Promise<InputRoundings | undefined> {
  const kept = await keptRoundings(model, candidates, cacheDir);
  if (kept || !finder) return kept;
  const found = await measuredRoundings(model, candidates, await finder(), signal);
  // A later run measures them again where they cannot be kept.
  await keepRoundings(model, candidates, cacheDir, found).catch(() => undefined);
  return found;
}

/** Seconds that `inputRoundings` takes with the inputs at hand: none where an earlier run is reused. */
export async function roundingSeconds(
  model: Pick<Model, 'description'>,
  candidates: Candidates,
  cacheDir: string,
  signal: AbortSignal,
): Promise<number> {
  if (await keptRoundings(model, candidates, cacheDir)) return 0;
  const weights = candidates.tensors.reduce((sum, { converted: { shape } }) => {
    const { rows, columns } = matrixOf(shape);
    return sum + rows * columns;
  }, 0);
  return weights * (await roundingSecondsPerWeight(sampledRows, signal));
}

export async function measuredRoundings(
  model: Model,
  { tensors }: Candidates,
  finder: CodeFinder,
  signal: AbortSignal,
): Promise<InputRoundings> {
  const found: [string, InputRoundings[string]][] = [];
  for (const { converted } of tensors) {
    const errors = await roundingErrors(model, converted, finder, signal);
    found.push([converted.name, errors ?? {}]);
  }
  return Object.fromEntries(found);
}

/** Those that an earlier run has measured; undefined where there was none, or where it measured in another way. */
export async function keptRoundings(
  model: Pick<Model, 'description'>,
  candidates: Candidates,
  cacheDir: string,
): Promise<InputRoundings | undefined> {
  const text = await readFile(fileFor(model, candidates, cacheDir), 'utf8').catch(() => ''); // no run yet
  const value = unseal(text.trimEnd());
  if (!isRecord(value) || !areCurrent(value['versions'], algorithms)) return undefined;
  return isRecord(value['roundings']) ? (value['roundings'] as InputRoundings) : undefined;
}

async function keepRoundings(
  model: Pick<Model, 'description'>,
  candidates: Candidates,
  cacheDir: string,
  roundings: InputRoundings,
): Promise<void> {
  await makeFolder(cacheDir);
  const line = Buffer.from(`${seal({ roundings, versions: versionsOf(algorithms) })}\n`);
  await writeAtomically(fileFor(model, candidates, cacheDir), (file) => file.write(line));
}

const fileFor = (model: Pick<Model, 'description'>, candidates: Candidates, cacheDir: string): string =>
  join(cacheDir, `${resultsKey(model, candidates)}.rounding.json`);

/**
 * The table with what llama.cpp's CPU kernels add to the errors of the outputs by rounding inputs to 8 bits: types in super-blocks have coarser steps
 * than those in blocks of 32. Both errors are independent, so their squares add up. Gains stay as they are.
 * @param roundings undefined leaves the table as it is.
 */
export function withRoundings(
  table: SensitivityTable,
  roundings: InputRoundings | undefined,
): SensitivityTable {
  if (!roundings) return table;
  const rows = table.rows.map((row) => {
    const added = (format: string): number => roundings[row.tensor]?.[roundingFor(format)!] ?? 0;
    return { ...row, cells: row.cells.map((cell) => withError(cell, added(cell.format))) };
  });
  return { ...table, rows, roundsActivations: true };
}

function withError(cell: SensitivityCell, added: number): SensitivityCell {
  const relativeSquaredError = cell.relativeSquaredError + added;
  return {
    ...cell,
    relativeSquaredError,
    sqnr: added === 0 ? cell.sqnr : -10 * Math.log10(relativeSquaredError),
  };
}
