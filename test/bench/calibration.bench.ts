import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { obtainEvidence } from '../../src/engine/evaluation/obtainEvidence';
import { peakMemory } from '../../src/evaluation/measures';
import { openModel } from '../../src/layouts/openModel';
import { printSection, table, writeSection } from './document';
import { writeRandomLlama } from './evaluation/randomLlama';
import { machine } from './machine';

/**
 * npm run bench -- calibration [--write]: seconds and memory of a calibration pass with the evidence of GPTQ and AWQ over the sample and
 * over models of 6 and of 12 blocks of the same size, each in a process of its own: memory is that of a block and of the states, not of the model.
 */
const sample = join('samples', 'tiny-shakespeare-llama');
const text = join(sample, 'generated-calibration.txt');
const tokens = 4096;
const context = 256;
const sizes = { hidden: 768, feedForward: 2048, heads: 12, kvHeads: 12, vocabulary: 32_000, context };

interface Measured {
  readonly seconds: number;
  /** Bytes. */
  readonly peak: number;
  readonly parameters: number;
}

async function measure(folder: string, cache: string): Promise<void> {
  const model = await openModel(folder);
  const parameters = model.description.tensors.reduce((sum, { elements }) => sum + elements, 0);
  const start = performance.now();
  const job = { signal: new AbortController().signal, progress: () => undefined };
  const settings = { text, needs: ['hessian', 'activations'], device: 'cpu', tokens, context } as const;
  await obtainEvidence(model, settings, cache, job);
  const seconds = (performance.now() - start) / 1000;
  await model.close();
  process.stdout.write(JSON.stringify({ seconds, peak: peakMemory(), parameters } satisfies Measured));
}

async function report(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
  try {
    const rows: string[][] = [];
    for (const blocks of [undefined, 6, 12]) {
      const model = blocks === undefined ? sample : join(folder, `blocks-${blocks}`);
      if (blocks !== undefined) await writeRandomLlama(model, { ...sizes, blocks }, 'BF16');
      const cache = join(folder, `cache-${blocks}`);
      const args = [process.argv[1]!, '--model', model, cache];
      const child = spawnSync(process.execPath, args, { encoding: 'utf8' });
      if (child.status !== 0) throw new Error(child.stderr);
      const { seconds, peak, parameters } = JSON.parse(child.stdout) as Measured;
      const size = (bytes: number): string => (bytes / 1e6).toFixed(0);
      const name = blocks === undefined ? 'the sample' : `${blocks} blocks`;
      rows.push([name, size(parameters), seconds.toFixed(1), size(peak), size(4 * parameters)]);
    }
    const head = ['Model', 'Millions of weights', 'Seconds', 'Peak (MB)', 'All weights in float32 (MB)'];
    return [
      `${machine()}. Models of 6 and 12 blocks have the shape of Llama and random weights: hidden size ${sizes.hidden}, feed-forward ${sizes.feedForward}, vocabulary ${sizes.vocabulary}; ${tokens} tokens in windows of ${context}. The peak is that of the whole process.`,
      table(head, rows),
    ].join('\n\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const at = process.argv.indexOf('--model');
if (at >= 0) await measure(process.argv[at + 1]!, process.argv[at + 2]!);
else {
  const section = await report();
  printSection(section);
  if (process.argv.includes('--write')) writeSection('docs/BENCHMARKS.md', 'calibration', section);
}
