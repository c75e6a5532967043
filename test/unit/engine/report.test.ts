import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { temporaryFolder } from '../../support/files';
import { Random } from '../../support/random';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const models = new OpenModels();
const jobs = createJobs(models);
const call = { signal: new AbortController().signal, progress: () => undefined };
const kept = { cacheDir: join(folder, 'cells'), evaluationDir: join(folder, 'results') };

const reportOf = async (path: string, out: string, more: { format?: string } = {}) => {
  const made = 'Made in a test & there.';
  const saved = await jobs['model/report']({ path, ...kept, out, made, ...more }, call);
  return { saved, text: readFileSync(out, 'utf8') };
};

describe('a report', () => {
  const model = join(folder, 'llama');
  beforeAll(async () => {
    await writeCheckpoint(model, 'llama');
    await jobs['model/scan']({ path: model, cacheDir: kept.cacheDir, format: 'Q4_0' }, call);
  });

  it('is one page that needs nothing else, with drawings inline', async () => {
    const { saved, text } = await reportOf(model, join(folder, 'report.html'), { format: 'Q4_0' });
    expect(saved.sections).toEqual([
      ...['What it is', 'Where the bytes are', 'Findings', 'Weights by layer and role'],
    ]);
    expect(saved.bytes).toBe(Buffer.byteLength(text));
    expect(text).not.toMatch(/<script|<link|<img|\ssrc=|https?:|url\(/i);
    expect(text).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(text).toContain('prefers-color-scheme:dark');
    expect(text).toContain('Made in a test &amp; there.');
    const maps = [...text.matchAll(/<figcaption>([^<]*)</g)].map(([, title]) => title);
    expect(maps).toEqual(['Largest |w|', 'Kurtosis', 'Relative error in Q4_0']); // no weight is an outlier
    // A cell for each role of both layers, in the order of a block.
    const roles = [...text.matchAll(/<title>([\w.]+), layer 0: [\d.e−]+<\/title>/g)].map(([, role]) => role);
    expect(roles.slice(0, 9)).toEqual([
      ...['input_layernorm', 'self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj'],
      ...['post_attention_layernorm', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'],
    ]);
  });

  it('is a summary in Markdown where its file ends so, which is also what is copied', async () => {
    const { text, saved } = await reportOf(model, join(folder, 'report.md'));
    expect(saved.sections).toEqual(['What it is', 'Where the bytes are', 'Findings']);
    expect(text).toMatch(/^# llama\n\nllama · safetensors · /);
    expect(text).toMatch(/\| Part \| Area \| Dtype \| Tensors \| Parameters \| Size \|/);
    expect((await jobs['model/summary']({ path: model, ...kept }, call)).text).toBe(text);
  });

  it('shows what comes from files as text', async () => {
    const hostile = '<script>alert(1)</script>|`"\u0007';
    const odd = join(folder, 'a&b <i>');
    mkdirSync(odd);
    const values = new Random(1).fill(32 * 4, (random) => random.normal());
    const data = () => [new Uint8Array(values.slice().buffer)];
    await writeSafetensors(
      join(odd, 'model.safetensors'),
      [{ name: `${hostile}.weight`, dtype: 'F32', shape: [4, 32], data }],
      {},
    );
    writeFileSync(
      join(odd, 'config.json'),
      JSON.stringify({ model_type: hostile, architectures: [hostile] }),
    );
    const page = (await reportOf(odd, join(folder, 'odd.html'))).text;
    expect(page).toContain('<h1>a&amp;b &lt;i&gt;</h1>');
    expect(page).toContain('&lt;script&gt;');
    expect(page).not.toMatch(/<script|<i>/);
    const summary = (await reportOf(odd, join(folder, 'odd.md'))).text;
    expect(summary).not.toMatch(/(?<!\\)<script/);
    for (const line of summary.split('\n').filter((text) => text.startsWith('| ')))
      expect([2, 8]).toContain(line.replace(/\\\|/g, '').split('|').length - 2);
  });

  it('is refused over the model and in a form that there is not', async () => {
    const page = join(folder, 'other.pdf');
    await expect(reportOf(model, page)).rejects.toThrow(/written as \.html or \.md/);
    expect(existsSync(page)).toBe(false);
    const linked = join(folder, 'linked.html');
    const weights = readdirSync(model).find((name) => name.endsWith('.safetensors'))!;
    linkSync(join(model, weights), linked);
    await expect(reportOf(model, linked)).rejects.toThrow(/linked\.html/);
  });
});
