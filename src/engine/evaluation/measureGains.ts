import { measureDivergences, type Divergences, type SingleChanges } from '../../ampq/divergences';
import {
  gainsFile,
  probeFormat,
  printDivergences,
  probeOf,
  readDivergences,
  withGains,
  type MeasuredDivergences,
} from '../../ampq/gains';
import type { Candidates } from '../../ampq/candidates';
import { isSampled } from '../../ampq/interpolatedGains';
import { resultsKey } from '../../ampq/sensitivity';
import { writeAtomically } from '../../files/atomicFile';
import type { OrtDevice } from '../../graph/session';
import type { RoundInputs } from '../../graph/transformer/graphSources';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { CodeFinder } from '../../exporter/codes/codeFinder';
import type { WeightChange, WeightChanges } from '../../graph/transformer/weights';
import { reason } from '../../model/byteSource';
import type { Model } from '../../model/model';
import type { GainsSource } from '../../protocol/gains';
import type { SensitivityTable } from '../../protocol/plan';
import { said } from '../../protocol/said';
import type { QuantFormat } from '../../quant/format';
import type { JobContext } from '../job';
import { weightChange } from './plannedVariant';
import { gainsWork } from '../../evaluation/passWork';
import { curvatureOf } from './curvatureRun';
import { plannedGains } from './gainsEstimate';
import { StepMeter } from './progress';
import { statesRoom, type PlannedText, type WindowsRun } from './runPlan';

/** Gains of the latest run of a model over a text; undefined when there are none. */
export const keptGains = (
  model: Model,
  candidates: Candidates,
  cacheDir: string,
  probe: QuantFormat = probeFormat,
): Promise<MeasuredDivergences | undefined> =>
  readDivergences(gainsFile(cacheDir, resultsKey(model, candidates), probe));

/** Where gains are measured and kept, by what, and what finds codes that are optimised. */
export interface GainsPlace {
  /** Each tensor is changed where it is absent. */
  readonly by?: GainsSource['by'];
  /** The format that tensors are measured in. */
  readonly probe: QuantFormat;
  readonly device: OrtDevice;
  readonly cacheDir: string;
  readonly finder?: CodeFinder | undefined;
  /** The blocks whose tensors are measured; all where it is absent. */
  readonly sampled?: readonly number[] | undefined;
}

/**
 * Runs the model over a text, once for all tensors of the table, keeps the divergences, and adds the gains to the table.
 * @param table with the errors in the probe format.
 */
export async function addGains(
  model: Model,
  table: SensitivityTable,
  candidates: Candidates,
  planned: PlannedText,
  { by, probe, device, cacheDir, finder, sampled }: GainsPlace,
  context: JobContext,
): Promise<SensitivityTable> {
  const probes = probesOf(table, sampled, probe);
  if (probes.size === 0)
    return { ...table, weightsOnly: said`no tensor has an error that could affect the output.` };
  const run = { length: planned.plan.context, windows: planned.windows };
  const changes = changesOf(candidates, probes, finder);
  const place = { device, folder: cacheDir };
  const curved = by ? await curvatureOf(model, run, changes, place, context) : new Map<string, number>();
  const others = new Map([...changes].filter(([name]) => !curved.has(name)));
  const single = await measureChanges(model, run, others, { device }, context);
  const { byTensor, noise, loss, chance, spread } = single;
  if (!Number.isFinite(noise))
    return { ...table, weightsOnly: said`the weights overflow when the model is run over a text.` };
  const { scoredTokens: tokens, context: length } = planned.plan;
  const measured: MeasuredDivergences = {
    text: { path: planned.file, hash: planned.hash, tokens, context: length },
    ...{ noise, loss, chance, ...(by ? { by } : {}) },
    ...{ ...(spread ? { spread } : {}), ...(sampled ? { sampled } : {}) },
    tensors: Object.fromEntries(
      [...byTensor, ...curved]
        // A tensor that overflows in its format is not measured; notes name it.
        .filter(([, divergence]) => Number.isFinite(divergence))
        .map(([name, divergence]) => [name, { ...probes.get(name)!, divergence }]),
    ),
  };
  const notKept = await keep(gainsFile(cacheDir, resultsKey(model, candidates), probe), measured);
  const found = withGains(table, measured);
  return notKept === undefined ? found : { ...found, notKept };
}

/** Why the divergences are not kept; undefined when they are. */
async function keep(file: string, measured: MeasuredDivergences): Promise<string | undefined> {
  try {
    await writeAtomically(file, (target) => target.write(Buffer.from(printDivergences(measured))));
    return undefined;
  } catch (error) {
    return reason(error);
  }
}

type Probes = ReadonlyMap<string, { readonly format: string; readonly error: number }>;

/** What each tensor becomes, encoded as for its errors. */
function changesOf(
  { tensors }: Candidates,
  probes: Probes,
  finder: CodeFinder | undefined,
): ReadonlyMap<string, WeightChange> {
  return new Map(
    tensors.flatMap(({ converted, importance }) => {
      const probe = probes.get(converted.name);
      if (!probe) return [];
      return [[converted.name, weightChange(converted, probe.format, { importance, finder })] as const];
    }),
  );
}

/** Of texts that are run an indexer selects all tokens: that its tensors change nothing there says nothing of longer ones. Their gains are estimated. */
const isIndexer = (tensor: string): boolean => tensor.includes('.indexer.');

/** The format that each tensor of the table is measured in, by its name, as far as they are in these blocks or in none. */
function probesOf(
  { rows }: SensitivityTable,
  sampled: readonly number[] | undefined,
  wanted: QuantFormat,
): Probes {
  return new Map(
    rows.flatMap((row) => {
      const isRun = isSampled(row.tensor, sampled) && !isIndexer(row.tensor);
      const probe = isRun ? probeOf(row, wanted) : undefined;
      return probe ? [[row.tensor, probe] as const] : [];
    }),
  );
}

/** How a model is run with single tensors changed. */
interface ChangesRun {
  readonly device: OrtDevice;
  /** What all tensors become together. */
  readonly around?: WeightChanges;
  readonly roundInputs?: RoundInputs;
}

/** Runs a model over windows of one length with each change, in as few passes as memory allows. @throws QuantscopeError as `openDecoder`. */
export async function measureChanges(
  model: Model,
  { length, windows }: WindowsRun,
  changes: SingleChanges,
  { device, around, roundInputs = false }: ChangesRun,
  { signal, progress }: JobContext,
): Promise<Divergences> {
  const options = { device, length, keep: false };
  const decoder = await openDecoder(model, { ...options, roundInputs });
  const base = await openDecoder(model, options).catch(async (error: unknown) => {
    await decoder.close();
    throw error;
  });
  const room = statesRoom();
  const planned = plannedGains(decoder, [...changes.keys()], windows.length, room);
  const work = gainsWork({ ...planned, isAround: around !== undefined });
  const steps = ((work.windows + work.outputs) * length) / decoder.tokensPerRun;
  const meter = new StepMeter(Math.ceil(steps), windows.length, device, progress);
  try {
    return await measureDivergences(decoder, base, windows, changes, {
      ...{ signal, room, ...(around ? { around } : {}) },
      onStep: (part) => meter.step(said`influence on the output: ${part}`),
    });
  } finally {
    await decoder.close();
    await base.close();
  }
}
