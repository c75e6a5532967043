import { measureDivergences } from '../../ampq/divergences';
import { gainsFile, probeOf, readDivergences, withGains, type MeasuredDivergences } from '../../ampq/gains';
import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import { writeAtomically } from '../../files/atomicFile';
import type { OrtDevice } from '../../graph/session';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { WeightChange } from '../../graph/transformer/weights';
import { contentKey } from '../../model/identity';
import type { Model } from '../../model/openModel';
import { stringifyExact } from '../../protocol/exactJson';
import type { SensitivityTable } from '../../protocol/plan';
import { formatById } from '../../quant/catalogue';
import type { JobContext } from '../job';
import { StepMeter } from './progress';
import { contextLengthOf, planText, statesRoom, type PlannedText } from './runPlan';

/** Tokens that the model is run over: enough to tell tensors apart by a few per cent. */
const gainTokens = 2048;
/** Tokens of a window, where the model takes so many. */
const gainContext = 512;

/** The table with gains that an earlier run measured, where one did. */
export async function withStoredGains(
  model: Model,
  table: SensitivityTable,
  cacheDir: string,
): Promise<SensitivityTable> {
  const measured = await readDivergences(gainsFile(cacheDir, contentKey(model.description)));
  return measured ? withGains(table, measured) : table;
}

/**
 * Runs the model over a text, once for all tensors of the table, and adds what each of them does to the output. What an earlier run
 * over the same text measured is taken over.
 */
export async function addGains(
  model: Model,
  table: SensitivityTable,
  text: string,
  device: OrtDevice,
  cacheDir: string,
  { signal, progress }: JobContext,
): Promise<SensitivityTable> {
  const tokenizer = await openTokenizer(model, signal);
  const contextLength = await contextLengthOf(model, signal);
  const context = Math.min(gainContext, contextLength);
  const settings = { convention: 'sliding', context, windows: Math.ceil(gainTokens / context) } as const;
  const planned = await planText(text, tokenizer, settings, contextLength, signal);
  const probes = probesOf(table);
  const file = gainsFile(cacheDir, contentKey(model.description));
  const earlier = await readDivergences(file);
  if (earlier?.text.hash === planned.hash && [...probes.keys()].every((name) => name in earlier.tensors))
    return withGains(table, earlier);
  const changes = new Map([...probes].map(([name, { format }]) => [name, { format: formatById(format) }]));
  const divergences = await measure(model, planned, changes, device, { signal, progress });
  const measured: MeasuredDivergences = {
    version: 1,
    text: { path: text, hash: planned.hash, tokens: planned.plan.scoredTokens },
    tensors: Object.fromEntries(
      [...divergences]
        // Of a model with weights that are no numbers nothing is known.
        .filter(([, divergence]) => Number.isFinite(divergence))
        .map(([name, divergence]) => [name, { ...probes.get(name)!, divergence }]),
    ),
  };
  await writeAtomically(file, (target) => target.write(Buffer.from(`${stringifyExact(measured)}\n`)));
  return withGains(table, measured);
}

/** The format that each tensor of the table is measured in, by its name. */
function probesOf({ rows }: SensitivityTable) {
  return new Map(
    rows.flatMap((row) => {
      const probe = probeOf(row);
      return probe ? [[row.tensor, probe] as const] : [];
    }),
  );
}

async function measure(
  model: Model,
  { plan, windows }: PlannedText,
  changes: ReadonlyMap<string, WeightChange>,
  device: OrtDevice,
  { signal, progress }: JobContext,
): Promise<Map<string, number>> {
  const options = { device, length: plan.context, keep: false };
  const decoder = await openDecoder(model, options);
  const base = await openDecoder(model, options);
  const blocks = decoder.shape.blocks.length;
  // Every tensor's states pass the blocks behind its own: half of them on the average.
  const runs = Math.ceil((windows.length * plan.context) / decoder.tokensPerRun);
  const meter = new StepMeter(
    runs * (blocks + changes.size * (1 + blocks / 2)),
    windows.length,
    device,
    progress,
  );
  try {
    return await measureDivergences(decoder, base, windows, changes, {
      signal,
      room: statesRoom(),
      onStep: (part) => meter.step(`influence on the output: ${part}`),
    });
  } finally {
    await decoder.close();
    await base.close();
  }
}
