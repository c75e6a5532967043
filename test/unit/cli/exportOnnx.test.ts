import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportOnnxCommand } from '../../../src/cli/exportOnnx';
import type { OnnxPreview, OnnxResult } from '../../../src/protocol/exportOnnx';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { decodeOnnx } from '../../support/onnxProto';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';

const cache = temporaryFolder();
const folder = temporaryFolder();
const here = (name: string): string => join(folder, name);
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const used = new Set<string>();

function exportOnnx(...args: string[]): Promise<Ended> {
  for (const arg of args) if (arg.startsWith('--')) used.add(arg.slice(2));
  return runProgram(cli, ['export-onnx', sampleFolder, ...args], { cache });
}

/** What a run that must succeed prints as JSON. */
async function exported<T extends OnnxPreview = OnnxResult>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await exportOnnx(...args, '--json');
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

/** How matrices are stored, by the last part of their name; each once. */
const storedAs = ({ tensors }: OnnxPreview, name: string): string[] => [
  ...new Set(tensors.filter((tensor) => tensor.name.endsWith(name)).map(({ to }) => to)),
];

const text = join(sampleFolder, 'generated-calibration.txt');

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
    expect(statSync(join(here('layer'), `${name}.onnx_data`)).size).toBeGreaterThanOrEqual(
      768 * 256 + 4 * 768,
    );
  });

  it.each([
    ['qdq-int8-fusable', [], 'QDQ I8 per row, fusable'],
    ['qdq-int8-fusable', ['--block-size', '64'], 'QDQ I8 in groups of 64, fusable'],
    ['qdq-int4-fusable', [], 'QDQ I4 in groups of 32, fusable'],
    ['qdq-int4-fusable', ['--asymmetric'], 'QDQ U4 in groups of 32, fusable'],
  ] as const)('%s %j: codes for MatMul, and what the runtime makes of them', async (weights, options, to) => {
    const out = here([weights, ...options].join(' '));
    const result = await exported('--weights', weights, ...options, '--out', out);
    expect(storedAs(result, 'ffn_up.weight')).toEqual([to]);
    const note = /session\.qdq_matmulnbits_accuracy_level = 1 keeps float32/;
    expect(result.notes).toEqual([expect.stringMatching(note)]);
    const { graph, metadataProps } = decodeOnnx(readFileSync(join(out, 'model.onnx')));
    const product = graph.node.find(({ name }) => name === 'blk.0.ffn_up')!;
    const decode = graph.node.find(({ output }) => output[0] === product.input[1])!;
    expect([decode.opType, product.opType]).toEqual(['DequantizeLinear', 'MatMul']);
    const codes = graph.initializer.find(({ name }) => name === decode.input[0])!;
    expect(codes.dims).toEqual([256, 768]);
    expect(metadataProps.find(({ key }) => key === 'quantscope.notes')!.value).toMatch(note);
  });

  it('takes what is not about codes: floats, the output, the place of weights, keys and values, positions, arithmetic', async () => {
    const out = here('options');
    const result = await exported(
      ...['--weights', 'matmulnbits-8', '--floats', 'f16', '--quantize-output', '--external', '--no-past'],
      ...['--positions', '100', '--accuracy-level', '4', '--out', out],
    );
    expect(storedAs(result, 'token_embd.weight')).toEqual(['F16']);
    expect(storedAs(result, 'output.weight')).toEqual(['MatMulNBits 8 bit in groups of 32']);
    expect(result.files.map(({ name }) => name)).toContain('model.onnx_data');
    expect(result.notes).toEqual([expect.stringMatching(/accuracy level 4 .*inputs to 8 bits/)]);
    const { graph } = decodeOnnx(readFileSync(join(out, 'model.onnx')));
    expect(graph.output.map(({ name }) => name)).toEqual(['logits']);
    expect(graph.initializer.find(({ name }) => name === 'rotation.0.cos')!.dims).toEqual([100, 32]);
    const products = graph.node.filter(({ opType }) => opType === 'MatMulNBits');
    expect(products).toHaveLength(6 * 7 + 1);
    for (const { attribute } of products)
      expect(attribute.find(({ name }) => name === 'accuracy_level')!.i).toBe(4);
  });

  it('names files for transformers.js', async () => {
    const out = here('transformers.js');
    const { files } = await exported('--weights', 'bnb-nf4', '--transformers-js', '--out', out);
    expect(files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['onnx/model_bnb4.onnx', 'config.json', 'tokenizer.json', 'genai_config.json']),
    );
    expect(existsSync(join(out, 'onnx', 'model_bnb4.onnx'))).toBe(true);
  });

  it('finds codes by GPTQ over a text, which differ from those of rounding', async () => {
    const codesOf = async (method: string, ...options: string[]): Promise<Buffer> => {
      const form = ['--weights', 'matmulnbits-2', '--block-size', '16', '--asymmetric', '--method', method];
      const layer = 'model.layers.0.self_attn.q_proj.weight';
      await exported(...form, ...options, '--layer', layer, '--out', here(method));
      return readFileSync(join(here(method), `${layer}.onnx`));
    };
    const nearest = await codesOf('rtn');
    const found = await codesOf('gptq', '--calibration', text, '--device', 'cpu', '--threads', '1');
    expect(found.length).toBe(nearest.length);
    expect(found.equals(nearest)).toBe(false);
  });

  it('rounds inputs by ranges from a text; a percentile cuts what min and max hold', async () => {
    const scalesBy = async (range: string): Promise<number[]> => {
      const out = here(range);
      await exported('--weights', 'static-int8', '--calibration', text, '--input-range', range, '--out', out);
      const { graph } = decodeOnnx(readFileSync(join(out, 'model.onnx')));
      const rounded = graph.node.filter(({ opType }) => opType === 'QuantizeLinear');
      return rounded.map(({ input }) => {
        const { rawData } = graph.initializer.find(({ name }) => name === input[1])!;
        return Buffer.from(rawData).readFloatLE();
      });
    };
    const [all, most] = [await scalesBy('minmax'), await scalesBy('percentile')];
    expect(all.length).toBeGreaterThanOrEqual(6 * 4);
    expect(most).toHaveLength(all.length);
    const smaller = most.filter((scale, i) => scale < all[i]!);
    expect(smaller.length).toBeGreaterThan(all.length / 2);
  });

  it.each([
    [['--out', 'x'], 2, /--weights is missing/],
    [['--weights', 'f32'], 2, /--out is missing/],
    [['--weights', 'f32', '--out', 'x', '--input-range', 'mse'], 2, /takes minmax, percentile or entropy/],
    [['--weights', 'matmulnbit-4', '--out', 'x'], 1, /Did you mean "matmulnbits-4"/],
    [
      ['--weights', 'static-int8', '--out', 'x'],
      1,
      /give a text to run the model over \(--calibration FILE\)/,
    ],
    [['--weights', 'f32', '--out', 'x', '--lora', here('absent')], 1, /absent/],
    [['--weights', 'f32', '--out', sampleFolder], 1, /output folder is that of the model/],
    [['--weights', 'f32', '--out', join(sampleFolder, 'onnx'), '--dry-run'], 1, /or lies in it/],
    [['--weights', 'f32', '--out', join(sampleFolder, 'config.json', 'x')], 1, /which is not a folder/],
  ] as const)('%j ends with %i and the reason', async (args, status, reason) => {
    const { code, stderr } = await exportOnnx(...args.map((arg) => (arg === 'x' ? here('nothing') : arg)));
    expect(stderr).toMatch(reason);
    expect(code).toBe(status);
    expect(existsSync(here('nothing'))).toBe(false);
  });

  it('has a test of every option here', () => {
    used.delete('json'); // of all commands
    expect([...used].sort()).toEqual(Object.keys(exportOnnxCommand.options).sort());
  });
});
