import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourcesOf } from '../../src/architectures/convertedTensor';
import { ggufView } from '../../src/architectures/ggufView';
import { architectureFor } from '../../src/architectures/registry';
import { appliedTensor } from '../../src/exporter/adapter/appliedTensors';
import { exportAdapter } from '../../src/exporter/adapter/exportAdapter';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import { writeAdapter } from '../support/adapters';
import { checkpoints } from '../support/checkpoints';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 16 }, (_, i) => (i * 389 + 17) % 1024);

/** The first checkpoint of each architecture. */
const byArchitecture = new Map(
  Object.entries(checkpoints)
    .map(([name, { config }]) => [architectureFor(config, 'config.json').name, name] as const)
    .reverse(),
);

/** Modules whose changes llama.cpp is said to apply, with the shapes of their matrices as PEFT sees them. */
async function modulesOf(model: Model): Promise<Record<string, readonly number[]>> {
  const { architecture, tensors } = await ggufView(model);
  const inner = tensors.filter(({ name }) => name.startsWith('blk.') && appliedTensor(architecture, name));
  return Object.fromEntries(
    inner.flatMap((tensor) =>
      sourcesOf(tensor)
        .filter(({ shape, name, stored }) => shape.length === 2 && name.endsWith('.weight') && !stored)
        .map(({ name, shape }) => [
          name.replace(/\.weight$/, ''),
          tensor.unit?.order === 'transpose' ? [...shape].reverse() : shape,
        ]),
    ),
  );
}

const farthest = (some: number[][], others: number[][]): number =>
  some.reduce(
    (most, row, i) => row.reduce((max, value, k) => Math.max(max, Math.abs(value - others[i]![k]!)), most),
    0,
  );

describe.skipIf(!hasOracle)('llama.cpp applies every tensor of an exported adapter', () => {
  it.each([...byArchitecture])('%s', async (architecture, name) => {
    const source = join(folder, architecture);
    await writeCheckpoint(source, name);
    const base = await openModel(source);
    const path = `${source}-adapter`;
    const modules = await modulesOf(base);
    expect(Object.keys(modules).length).toBeGreaterThan(1);
    await writeAdapter(path, { modules, config: { fan_in_fan_out: architecture === 'gpt2', lora_alpha: 2 } });
    const files = { base: `${source}.gguf`, adapter: `${path}.gguf`, merged: `${source}-merged.gguf` };
    await exportGguf(base, { type: 'F32' }, files.base);
    await exportAdapter(path, base, files.adapter);
    const merged = await openModel({ path: source, adapters: [{ path, weight: 1 }] });
    await exportGguf(merged, { type: 'F32' }, files.merged);
    await merged.close();
    await base.close();
    const { logits: expected } = await llamaCpp('logits', { model: files.merged, tokens });
    const adapters = [{ path: files.adapter, scale: 1 }];
    const { logits } = await llamaCpp('logits', { model: files.base, tokens, adapters });
    const { logits: unchanged } = await llamaCpp('logits', { model: files.base, tokens });
    expect(farthest(expected, unchanged)).toBeGreaterThan(0.1); // nothing to compare otherwise
    // GELU is looked up in a table of half-precision numbers.
    const bound =
      JSON.stringify(checkpoints[name]!.config).includes('gelu') || /gemma/.test(name) ? 1e-2 : 1e-3;
    expect(farthest(logits, expected)).toBeLessThan(bound);
  });
});
