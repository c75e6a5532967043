import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelComparison } from '../../../src/protocol/compare';
import type { ExportPreview } from '../../../src/protocol/export';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const exported = join(folder, 'sample-q8.gguf');
let programs: Programs;
const quantscope = (...args: string[]): Promise<Ended> => runProgram(programs.cli, args, { cache: folder });

beforeAll(async () => {
  programs = await buildPrograms();
  await quantscope('export', sampleFolder, '--type', 'Q8_0', '--out', exported);
});

describe('quantscope compare', () => {
  it('prints the worst tensors first, and totals', async () => {
    const { code, stdout } = await quantscope('compare', sampleFolder, exported, '--limit', '3');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^tensor +A +B +relative error +SQNR dB +cosine +max error/);
    expect(lines.slice(2, 5).every((line) => /BF16 +Q8_0 +0\.00/.test(line))).toBe(true);
    expect(stdout).toMatch(/44 different, 13 equal; relative error of all weights 0\.00/);
    const all = await quantscope('compare', sampleFolder, exported, '--json');
    expect((JSON.parse(all.stdout) as ModelComparison).tensors).toHaveLength(57);
  });

  it('fails above a bound', async () => {
    expect((await quantscope('compare', sampleFolder, exported, '--fail-above', '0.02')).code).toBe(0);
    const { code, stderr } = await quantscope('compare', sampleFolder, exported, '--fail-above', '0.001');
    expect(code).toBe(1);
    expect(stderr).toMatch(/differ by more than 0\.001/);
  });

  it('requires two models', async () => {
    const { code, stderr } = await quantscope('compare', sampleFolder);
    expect(code).toBe(2);
    expect(stderr).toMatch(/compare takes MODEL and OTHER/);
  });
});

describe('quantscope export --dry-run', () => {
  it('says what an export would write, and writes nothing', async () => {
    const rules = ['--tensor-type', 'ffn_down=Q6_K', '--output-tensor-type', 'Q8_0'];
    const args = ['export', sampleFolder, '--type', 'Q4_K_M', ...rules];
    const { code, stdout } = await quantscope(...args, '--dry-run', '--json');
    expect(code).toBe(0);
    const preview = JSON.parse(stdout) as ExportPreview;
    expect(preview.tensors.find(({ name }) => name === 'output.weight')).toMatchObject({
      ...{ source: 'lm_head.weight', from: 'BF16', to: 'Q8_0', cause: 'output', presetType: 'Q6_K' },
    });
    const down = preview.tensors.filter(({ name }) => name.includes('ffn_down'));
    expect(down.every(({ to, cause }) => to === 'Q6_K' && cause === 'rule')).toBe(true);
    expect(down.some(({ presetType }) => presetType === 'Q4_K')).toBe(true);
    expect(preview.dataBytes).toBeGreaterThan(preview.presetBytes);
    const legend = 'In brackets: the type that Q4_K_M alone gives the tensor.\n';
    expect((await quantscope(...args, '--dry-run')).stdout).toContain(legend);
    const plain = ['export', sampleFolder, '--type', 'Q4_K_M', '--dry-run'];
    expect((await quantscope(...plain)).stdout).not.toContain('In brackets');
    const out = join(folder, 'ruled.gguf');
    const written = await quantscope(...args, '--out', out, '--json');
    expect((JSON.parse(written.stdout) as ExportPreview).fileBytes).toBe(preview.fileBytes);
  });

  it('saves the types as rules that give the same file', async () => {
    const [rules, first, second] = ['rules.txt', 'mix.gguf', 'ruled-mix.gguf'].map((name) =>
      join(folder, name),
    ) as [...[string, string, string]];
    await quantscope(
      'export',
      sampleFolder,
      '--type',
      'Q4_K_M',
      '--out',
      first,
      '--save-tensor-types',
      rules,
    );
    expect(readFileSync(rules, 'utf8')).toContain('^blk\\.0\\.attn_q\\.weight$=Q4_K\n');
    const args = ['--type', 'Q4_K_S', '--tensor-type-file', rules];
    const { code } = await quantscope('export', sampleFolder, ...args, '--out', second);
    expect(code).toBe(0);
    const same = await quantscope('compare', first, second, '--fail-above', '0');
    expect(same.code).toBe(0);
  });

  it('splits, and says into what', async () => {
    const args = ['export', sampleFolder, '--type', 'F16', '--split-max-size', '4M', '--dry-run', '--json'];
    const { files } = JSON.parse((await quantscope(...args)).stdout) as ExportPreview;
    expect(files.map(({ name }) => name.slice(-21))).toEqual([
      ...['-00001-of-00003.gguf', '-00002-of-00003.gguf', '-00003-of-00003.gguf'].map(
        (name) => expect.stringContaining(name) as string,
      ),
    ]);
  });
});
