import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OnnxPreview, OnnxResult } from '../../../src/protocol/exportOnnx';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';

const cache = temporaryFolder();
const folder = temporaryFolder();
const here = (name: string): string => join(folder, name);
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const exportOnnx = (...args: string[]): Promise<Ended> =>
  runProgram(cli, ['export-onnx', sampleFolder, ...args], { cache });

describe('quantscope export-onnx', () => {
  it('shows in a dry run what it would write, and writes that', async () => {
    const options = ['--weights', 'matmulnbits-4', '--block-size', '64', '--out', here('tiny')];
    const dry = await exportOnnx(...options, '--dry-run', '--json');
    expect(dry.code, dry.stderr).toBe(0);
    expect(existsSync(here('tiny'))).toBe(false);
    const preview = JSON.parse(dry.stdout) as OnnxPreview;
    expect(preview.tensors.find(({ name }) => name === 'blk.0.attn_q.weight')).toEqual({
      ...{ name: 'blk.0.attn_q.weight', from: 'BF16', to: 'MatMulNBits 4 bit in groups of 64' },
      // Half a byte for each weight, and a float32 scale for each group.
      ...{ shape: [256, 256], bytes: (256 * 256) / 2 + (256 * 256 * 4) / 64 },
    });
    const run = await exportOnnx(...options, '--json');
    expect(run.code, run.stderr).toBe(0);
    const { out, files, tensors } = JSON.parse(run.stdout) as OnnxResult;
    expect(tensors).toEqual(preview.tensors);
    for (const { name, bytes } of files) expect(statSync(join(out, name)).size, name).toBe(bytes);
  });

  it('writes single layers, weights beside the graph', async () => {
    const name = 'model.layers.1.mlp.gate_proj.weight';
    const { code, stdout } = await exportOnnx(
      ...['--weights', 'qdq-int8', '--layer', name, '--external', '--out', here('layer')],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^model\.layers\.1\.mlp\.gate_proj\.weight +BF16 +QDQ I8 per row/m);
    expect(statSync(join(here('layer'), `${name}.onnx.data`)).size).toBeGreaterThanOrEqual(
      768 * 256 + 4 * 768,
    );
  });

  it.each([
    [['--out', 'x'], 2, /--weights is missing/],
    [['--weights', 'f32'], 2, /--out is missing/],
    [['--weights', 'f32', '--out', 'x', '--input-range', 'mse'], 2, /takes minmax, percentile or entropy/],
    [['--weights', 'matmulnbit-4', '--out', 'x'], 1, /Did you mean "matmulnbits-4"/],
    [['--weights', 'static-int8', '--out', 'x'], 1, /name a calibration text/],
    [['--weights', 'f32', '--out', sampleFolder], 1, /output folder is that of the model/],
    [['--weights', 'f32', '--out', join(sampleFolder, 'onnx'), '--dry-run'], 1, /or lies in it/],
    [['--weights', 'f32', '--out', join(sampleFolder, 'config.json', 'x')], 1, /which is not a folder/],
  ] as const)('%j ends with %i and the reason', async (args, status, reason) => {
    const { code, stderr } = await exportOnnx(...args.map((arg) => (arg === 'x' ? here('nothing') : arg)));
    expect(stderr).toMatch(reason);
    expect(code).toBe(status);
    expect(existsSync(here('nothing'))).toBe(false);
  });
});
