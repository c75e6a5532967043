import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelLimits } from '../../src/architectures/modelLimits';
import { exportAdapter } from '../../src/exporter/adapter/exportAdapter';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { addToReference, writeAdapter } from '../support/adapters';
import { checkpoints } from '../support/checkpoints';
import { logitsOf } from '../support/referenceLogits';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { Checkpoint } from '../support/reference/checkpoint';
import { referenceLogits } from '../support/reference/models';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 32 }, (_, i) => (i * 389 + 17) % 1024);
const scale = 8 / 4; // lora_alpha / r of the adapters that are written

type Rows = readonly ArrayLike<number>[];
const farthest = (some: Rows, others: Rows): number =>
  some.reduce(
    (most, row, i) =>
      Array.from(row).reduce((max, x, k) => Math.max(max, Math.abs(x - others[i]![k]!)), most),
    0,
  );

interface Case {
  /** Of the modules that are changed. */
  readonly modules: RegExp;
  /** Whether matrices are stored `[in, out]`. */
  readonly isTransposed?: boolean;
  readonly embeddings?: readonly string[];
}

const cases: Readonly<Record<string, Case>> = {
  // Rows of q and k are interleaved; the embedding has factors of its transpose.
  llama: { modules: /(_proj|lm_head)\.weight$/, embeddings: ['model.embed_tokens'] },
  qwen2: { modules: /_proj\.weight$/ }, // the output is the embedding
  phi3: { modules: /_proj\.weight$/ }, // fused matrices
  mixtral: { modules: /(self_attn\..*|experts\.[02]\.w[123]|gate)\.weight$/ }, // two of four experts
  qwen35: { modules: /(_proj|in_proj_\w+)\.weight$/ }, // regrouped columns
  gpt2: { modules: /(c_attn|c_fc|c_proj)\.weight$/, isTransposed: true },
};

describe.skipIf(!hasOracle)('adapters in llama.cpp', () => {
  it.each(Object.entries(cases))('%s: merged, exported and the definition agree', async (name, spec) => {
    const source = join(folder, `base-${Object.keys(cases).indexOf(name)}`);
    await writeCheckpoint(source, name);
    const { modules, isTransposed = false, embeddings = [] } = spec;
    const shapes = Object.entries(checkpoints[name]!.shapes).filter(([tensor]) => modules.test(tensor));
    const path = `${source}-adapter`;
    const written = await writeAdapter(path, {
      modules: Object.fromEntries(
        shapes.map(([tensor, shape]) => [
          tensor.replace(/\.weight$/, ''),
          isTransposed ? [...shape].reverse() : shape,
        ]),
      ),
      embeddings: Object.fromEntries(
        embeddings.map((module) => [module, checkpoints[name]!.shapes[`${module}.weight`]!]),
      ),
      config: { fan_in_fan_out: isTransposed },
    });
    const reference = new Checkpoint(source);
    const unchanged = referenceLogits(reference, tokens);
    for (const [module, factors] of written.factors)
      addToReference(
        reference,
        `${module}.weight`,
        factors,
        scale,
        isTransposed || embeddings.includes(module),
      );
    const expected = referenceLogits(reference, tokens);
    expect(farthest(expected, unchanged)).toBeGreaterThan(0.5); // nothing to compare otherwise

    const base = await openModel(source);
    const merged = await openModel({ path: source, adapters: [{ path, weight: 1 }] });
    const files = { base: `${source}.gguf`, merged: `${source}-merged.gguf`, adapter: `${path}.gguf` };
    await exportGguf(base, { type: 'F32' }, files.base);
    await exportGguf(merged, { type: 'F32' }, files.merged);
    await exportAdapter(path, base, files.adapter);
    const { logits: ofMerged } = await llamaCpp('logits', { model: files.merged, tokens });
    const adapters = [{ path: files.adapter, scale: 1 }];
    const { logits: ofAdapter } = await llamaCpp('logits', { model: files.base, tokens, adapters });
    const own = modelLimits(merged).run === undefined && (await logitsOf(merged, Int32Array.from(tokens)));
    await merged.close();
    await base.close();
    const bound = JSON.stringify(checkpoints[name]!.config).includes('gelu') ? 1e-2 : 1e-3;
    expect(farthest(expected, ofMerged)).toBeLessThan(bound);
    expect(farthest(ofMerged, ofAdapter)).toBeLessThan(1e-3);
    if (!own) return;
    const width = expected[0]!.length;
    const rows = expected.map((_, i) => own.subarray(i * width, (i + 1) * width));
    expect(farthest(expected, rows)).toBeLessThan(1e-3);
  });
});
