import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scoreWindows } from '../../src/evaluation/evaluate';
import type { ScoredInputs } from '../../src/evaluation/windows';
import type { Decoder } from '../../src/graph/transformer/decoder';
import { openDecoder, type DecoderOptions } from '../../src/graph/transformer/openDecoder';
import type { OrtDevice } from '../../src/graph/session';
import { OrtMeasurer } from '../../src/graph/measurer';
import { openModel } from '../../src/layouts/openModel';
import { loadNative } from '../../src/native';
import { formatById } from '../../src/quant/catalogue';
import { runnableCheckpoints, checkpoints } from '../support/checkpoints';
import { cachedLogits, windowLogits } from '../support/decoderLogits';
import { sampleFolder } from '../support/files';
import { graphFormats } from '../support/graphFormats';
import { Random } from '../support/random';
import { Checkpoint } from '../support/reference/checkpoint';
import { referenceLogits } from '../support/reference/models';
import { writeCheckpoint } from '../support/writeCheckpoint';
import { decodeEncoded, encodeIn } from '../../src/quant/codec';

/** One check of a device: what was compared, how far it was off, and how far it may be. */
export interface DeviceCheck {
  readonly name: string;
  readonly difference: number;
  readonly bound: number;
  readonly seconds: number;
  readonly error?: string;
}

type Check = {
  readonly name: string;
  readonly bound: number;
  readonly run: (device: OrtDevice) => Promise<number>;
};

/** Columns of the rows that formats are measured on. */
const columns = 512;

const tokens = Int32Array.from({ length: 32 }, (_, i) => (i * 389 + 17) % 1024);

/** Runs the checks whose names match on a device, and hands each over when it is done. */
export async function checkDevice(
  device: OrtDevice,
  pattern: RegExp,
  onCheck: (check: DeviceCheck) => void,
): Promise<void> {
  for (const { name, bound, run } of [...formatChecks(), ...forwardChecks(), ...sampleChecks]) {
    if (!pattern.test(name)) continue;
    const started = performance.now();
    const result = await run(device).then(
      (difference) => ({ difference }),
      (error: unknown) => ({ difference: NaN, error: String(error) }),
    );
    onCheck({ name, bound, seconds: (performance.now() - started) / 1000, ...result });
  }
}

/** Errors of every format that has a graph, against the addon, relative. */
function formatChecks(): Check[] {
  return graphFormats.map(({ format, scheme }) => ({
    name: `errors of ${format.id}`,
    bound: 1e-4,
    run: async (device: OrtDevice) => {
      const values = new Random(31).fill(16 * columns, (random) => random.studentT3() * 0.05);
      const range = { min: Math.min(...values), max: Math.max(...values) };
      const decoded = await decodeEncoded(await encodeIn(format, values, columns, range));
      const ours = await loadNative().errorSums(values, decoded);
      const measurer = new OrtMeasurer(device);
      const theirs = await measurer.measure(scheme, values, columns, range).finally(() => measurer.close());
      const scale = Math.max(ours.error, ours.source * 1e-9);
      return Math.max(
        Math.abs(theirs.error - ours.error) / scale,
        Math.abs(theirs.source - ours.source) / ours.source,
      );
    },
  }));
}

/** Logits of every architecture against an independent forward pass in float64, whole windows and token by token. */
function forwardChecks(): Check[] {
  return runnableCheckpoints.flatMap((name) =>
    (['window', 'tokens'] as const).map((way) => ({
      name: `logits of ${name}, ${way === 'window' ? 'a window at once' : 'token by token'}`,
      bound: 1e-4,
      run: (device: OrtDevice) =>
        inFolder(async (folder) => {
          await writeCheckpoint(folder, name);
          const expected = referenceLogits(new Checkpoint(folder), [...tokens]).slice(
            0,
            checkpoints[name]!.agreeing,
          );
          const logits = await withDecoder(folder, { device, keep: true }, (decoder) =>
            (way === 'window' ? windowLogits : cachedLogits)(decoder, tokens),
          );
          return Math.max(...expected.map((row, i) => farthest(logits[i]!, row)));
        }),
    })),
  );
}

/** The sample on the device against the CPU. */
const sampleChecks: readonly Check[] = [
  {
    name: 'losses of the sample',
    bound: 1e-4,
    run: async (device) =>
      farthest(await sampleLosses({ device }), await sampleLosses({ device: 'ort-cpu' })),
  },
  {
    name: 'losses of the sample with Q4_K feed-forward matrices and rounded inputs',
    // A code that falls on the other side of a half changes its input by a step.
    bound: 2e-2,
    run: async (device) => {
      const format = formatById('Q4_K');
      const names = Array.from({ length: 6 }, (_, i) => [
        `blk.${i}.ffn_gate.weight`,
        `blk.${i}.ffn_up.weight`,
      ]).flat();
      const changes = new Map(names.map((name) => [name, { format }]));
      const change = { changes, roundInputs: true };
      return farthest(
        await sampleLosses({ device, ...change }),
        await sampleLosses({ device: 'ort-cpu', ...change }),
      );
    },
  },
  {
    name: 'sums over inputs of the sample (relative)',
    bound: 1e-4,
    run: async (device) => {
      const [theirs, ours] = [await sampleSums(device), await sampleSums('ort-cpu')];
      return Math.max(...ours.map((row, i) => farthest(theirs[i]!, row, true)));
    },
  },
];

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'quantscope-device-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withDecoder<T>(
  path: string,
  options: Partial<DecoderOptions> & { device: OrtDevice },
  work: (decoder: Decoder) => Promise<T>,
): Promise<T> {
  const model = await openModel(path);
  const decoder = await openDecoder(model, { length: tokens.length, keep: false, ...options });
  try {
    return await work(decoder);
  } finally {
    await decoder.close();
    await model.close();
  }
}

const windows: readonly ScoredInputs[] = [3, 7].map((seed) => {
  const all = Int32Array.from({ length: tokens.length + 1 }, (_, i) => (i * 151 + seed * 97) % 1024);
  return { inputs: all.slice(0, tokens.length), targets: all.slice(1) };
});

const sampleLosses = (options: Partial<DecoderOptions> & { device: OrtDevice }): Promise<Float64Array> =>
  withDecoder(sampleFolder, options, async (decoder) => {
    const { losses } = await scoreWindows(decoder, windows, { windowsAtOnce: 2 });
    return losses;
  });

const sampleSums = (device: OrtDevice): Promise<Float64Array[]> =>
  withDecoder(sampleFolder, { device }, async (decoder) => {
    const rows: Float64Array[] = [];
    const onStatistics = ({ squares, largest }: { squares: Float64Array; largest: Float64Array }): void =>
      void rows.push(squares, largest);
    const states = await decoder.embed(windows[0]!.inputs);
    await decoder.advance(states, { taps: { kind: {}, onStatistics } });
    return rows;
  });

function farthest(ours: ArrayLike<number>, theirs: ArrayLike<number>, relative = false): number {
  let most = 0;
  for (let i = 0; i < theirs.length; i++) {
    const difference = Math.abs(ours[i]! - theirs[i]!) / (relative ? Math.abs(theirs[i]!) : 1);
    if (!(difference <= most)) most = difference;
  }
  return most;
}
