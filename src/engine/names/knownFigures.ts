import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { estimatedTable } from '../../ampq/headerEstimate';
import { outputCandidates } from '../../ampq/sensitivity';
import { planEnding } from '../../ampq/planFile';
import { firstBits, solvedNear } from '../../ampq/solving';
import { candidatesOf } from '../../exporter/plan/candidates';
import { contentKey } from '../../model/identity';
import { isRemote } from '../../model/remote/address';
import type { Model } from '../../model/model';
import { untilCancelled } from '../../model/untilCancelled';
import type { Plan, SensitivityTable } from '../../protocol/plan';
import type { StoredParams } from '../../protocol/sensitivityRun';
import { formatById } from '../../quant/catalogue';
import { planBeside } from '../jobs/plans';
import { readStoredTable } from '../jobs/sensitivity';

/** Models whose figures are kept. */
const maxKept = 16;

/** The table and the plan of a model, as far as files have them; otherwise what headers and the solver give. */
export interface KnownFigures {
  readonly table: SensitivityTable;
  /** Absent where no format can be chosen for any tensor. */
  readonly plan?: Plan;
  /** The file of the plan, without its folder. */
  readonly planFile?: string;
  /** Nothing was measured: the table is expected from headers. */
  readonly isEstimate: boolean;
}

interface Kept {
  readonly stamp: string;
  readonly figures: Promise<KnownFigures>;
}

/** Figures of the models that were asked for last, until their files, their measurements or the files beside them change. */
export class FiguresCache {
  /** Asked for last at the end. */
  private readonly kept = new Map<string, Kept>();

  /** @throws QuantscopeError as `sensitivity/stored`. */
  async of(model: Model, params: StoredParams, signal: AbortSignal): Promise<KnownFigures> {
    const stamp = await stampOf(model, params);
    const key = params.path;
    const known = this.kept.get(key);
    this.kept.delete(key);
    // Others may wait for what one request has begun, so that cancelling that one does not end it.
    const figures =
      known?.stamp === stamp ? known.figures : read(model, params, new AbortController().signal);
    this.kept.set(key, { stamp, figures });
    for (const [oldest] of this.kept) if (this.kept.size > maxKept) this.kept.delete(oldest);
    figures.catch(() => {
      if (this.kept.get(key)?.figures === figures) this.kept.delete(key);
    });
    return untilCancelled(figures, signal);
  }
}

async function read(model: Model, params: StoredParams, signal: AbortSignal): Promise<KnownFigures> {
  const { found } = await planBeside(model, signal);
  const measured = await readStoredTable(model, params, signal);
  const table = measured ?? (await expected(model, signal));
  const plan = found?.plan ?? solvedPlan(table);
  return {
    table,
    ...(plan ? { plan } : {}),
    ...(found ? { planFile: basename(found.file) } : {}),
    isEstimate: measured === undefined,
  };
}

const expected = async (model: Model, signal: AbortSignal): Promise<SensitivityTable> =>
  estimatedTable(
    model.description,
    await candidatesOf(model, { signal }),
    outputCandidates.map((id) => formatById(id)),
  );

/** The first plan that an editor would show. */
const solvedPlan = (table: SensitivityTable): Plan | undefined =>
  table.rows.some(({ cells }) => cells.length > 0) ? solvedNear(table, firstBits, [], 'quick') : undefined;

/** Changes with everything that figures are read from: the weights, settings, files of measurements, the folder of the model with its plans. */
async function stampOf({ description, folder }: Model, params: StoredParams): Promise<string> {
  const { cacheDir, imatrix, backend, adapters, alone } = params;
  const key = contentKey(description);
  const kept = await namesIn(cacheDir);
  const files = [
    ...kept.filter((name) => name.startsWith(key)).map((name) => join(cacheDir, name)),
    ...(imatrix === undefined ? [] : [imatrix]),
    ...(isRemote(folder) ? [] : [folder, ...(await plansIn(folder))]),
  ];
  const times = await Promise.all(files.map(changedAt));
  return JSON.stringify([key, cacheDir, imatrix, backend, adapters, alone, ...files, ...times]);
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

async function plansIn(folder: string): Promise<string[]> {
  return (await namesIn(folder))
    .filter((name) => name.endsWith(planEnding))
    .map((name) => join(folder, name));
}

async function changedAt(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined);
  return found && `${found.mtimeMs} ${found.size}`;
}
