import {
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { weightForm } from '../../src/exporter/onnx/weightForms';
import { openTokenizer } from '../../src/evaluation/tokenizer/openTokenizer';
import { openModel } from '../../src/layouts/openModel';
import type { Recipe } from '../../src/protocol/recipe';
import { onnxBlocks } from '../../src/quant/grids/libraries';
import { ownLogits } from '../support/decoderLogits';
import { engineJobs } from '../support/engineJobs';
import { withDigests } from '../support/digests';
import { sampleFolder, temporaryFolder } from '../support/files';
import { decodeOnnx } from '../support/onnxProto';
import { farthest, meanDivergence, openOnnx, OnnxText } from '../support/onnxRun';
import { fuseExperts } from '../support/fuseExperts';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);
const text = join(sampleFolder, 'generated-calibration.txt');
const length = 128;
const sample = { path: sampleFolder };

let tokens: number[];
let original: Float32Array[];

beforeAll(async () => {
  mkdirSync(cacheDir);
  const model = await openModel(sampleFolder);
  const tokenizer = await openTokenizer(model);
  const evaluated = readFileSync(join(sampleFolder, 'generated-eval.txt'), 'utf8').slice(0, 2000);
  tokens = [...(await tokenizer.encode(evaluated)).subarray(0, length)];
  expect(tokens).toHaveLength(length);
  await model.close();
  original = await ownLogits(sampleFolder, tokens);
});

const json = (...path: string[]): Record<string, unknown> =>
  JSON.parse(readFileSync(join(...path), 'utf8')) as Record<string, unknown>;

/** Mean KL divergence of the tokens' distributions from those of the original model. */
const divergence = async (session: InferenceSession): Promise<number> =>
  meanDivergence(original, await new OnnxText(session).next(tokens));

describe('export/onnx', () => {
  // Upper limits of the divergence; a hundredth of each is the lower one, so that a form which quantizes nothing fails.
  const limits: Readonly<Record<string, number>> = {
    ...{ f32: 1e-9, f16: 1e-7, bf16: 1e-9, 'qdq-int8': 4e-4, 'qdq-int4': 2e-2, 'qdq-fp8': 3e-3 },
    ...{ 'qdq-int8-fusable': 1e-3, 'qdq-int4-fusable': 2e-2 },
    ...{
      'matmulnbits-4': 2e-2,
      'matmulnbits-8': 1e-4,
      'matmulnbits-2': 0.1,
      'bnb-nf4': 2e-2,
      'bnb-fp4': 4e-2,
    },
    ...{ 'static-int8': 3e-2, 'tensorrt-int8': 3e-2, 'tensorrt-fp8': 2e-2 },
  };

  it('lists forms, of which each has a test here', async () => {
    const forms = await request('export/onnxForms', {});
    expect(forms.map(({ id }) => id).sort()).toEqual(Object.keys(limits).sort());
    expect(forms.filter(({ needsText }) => needsText).map(({ id }) => id)).toEqual([
      ...['static-int8', 'tensorrt-int8', 'tensorrt-fp8'],
    ]);
  });

  it.each(Object.entries(limits))(
    '%s: ONNX Runtime loads it, and its predictions are close',
    async (weights, limit) => {
      const out = join(folder, weights);
      const settings = { ...sample, weights, text };
      const preview = await request('export/onnxPreview', { ...settings, out });
      expect(existsSync(out)).toBe(false);
      const {
        seconds,
        out: where,
        ...result
      } = await request('export/onnx', {
        ...{ ...settings, cacheDir, device: 'cpu', out },
      });
      expect(result.tensors).toEqual(preview.tensors);
      expect(where).toBe(out);
      expect(seconds).toBeGreaterThan(0);
      const session = await openOnnx(join(out, 'model.onnx'));
      const measured = await divergence(session);
      expect(measured).toBeLessThan(limit);
      if (!/^b?f\d+$/.test(weights)) expect(measured).toBeGreaterThan(limit / 100);
      await session.release();
    },
  );

  it.each(['percentile', 'entropy'] as const)(
    'ranges of inputs by %s cut outliers off',
    async (inputRange) => {
      const out = join(folder, inputRange);
      const params = {
        ...sample,
        weights: 'static-int8',
        text,
        cacheDir,
        device: 'cpu',
        inputRange,
      } as const;
      await request('export/onnx', { ...params, out });
      const session = await openOnnx(join(out, 'model.onnx'));
      expect(await divergence(session)).toBeLessThan(0.2);
      await session.release();
    },
  );

  it('GPTQ is closer to the original than rounding, in the same file layout', async () => {
    const predict = async (method: string): Promise<number> => {
      const out = join(folder, method);
      const params = {
        ...sample,
        weights: 'matmulnbits-2',
        blockSize: 16,
        asymmetric: true,
        method,
      } as const;
      await request('export/onnx', { ...params, text, cacheDir, device: 'cpu', out });
      const session = await openOnnx(join(out, 'model.onnx'));
      const found = await divergence(session);
      await session.release();
      return found;
    };
    expect(await predict('gptq')).toBeLessThan(0.8 * (await predict('rtn')));
  });

  it.each([
    { weights: 'matmulnbits-4', method: 'gptq' },
    { weights: 'static-int8', method: 'gptq' },
  ])(
    '%j: each expert by its own inputs, whether experts are stored one by one or fused',
    async (settings) => {
      const [apart, fused] = ['apart', 'fused'].map((name) => join(folder, `${name} ${settings.weights}`));
      await writeCheckpoint(apart!, 'qwen3moe');
      await fuseExperts(apart!, fused!);
      const exported = async (path: string, choice: object): Promise<Buffer> => {
        const out = `${path} ${JSON.stringify(choice).length} onnx`;
        await request('export/onnx', { ...settings, ...choice, path, text, cacheDir, device: 'cpu', out });
        const session = await openOnnx(join(out, 'model.onnx'));
        await session.release();
        return readFileSync(join(out, 'model.onnx'));
      };
      const file = await exported(apart!, {});
      expect(file.equals(await exported(fused!, {}))).toBe(true);
      expect(file.equals(await exported(apart!, { method: 'rtn' })), 'GPTQ finds other codes').toBe(false);
    },
  );

  it('chosen layers become models of their own', async () => {
    const layers = ['model.layers.0.mlp.down_proj.weight', 'lm_head.weight'];
    const out = join(folder, 'layers');
    await request('export/onnx', { ...sample, weights: 'f32', layers, out });
    expect(readdirSync(out).sort()).toEqual(withDigests(...layers.map((name) => `${name}.onnx`).sort()));
    const session = await openOnnx(join(out, `${layers[0]}.onnx`));
    const unit = new Float32Array(768);
    unit[5] = 1;
    const { y } = await session.run({ x: new Tensor('float32', unit, [1, 768]) });
    const model = await openModel(sampleFolder);
    const tensor = model.tensor(layers[0]!);
    const words = new Uint16Array(Uint8Array.from(await model.read(tensor, 0, tensor.byteLength)).buffer);
    await model.close();
    // A column of the matrix, in bfloat16.
    const column = Float32Array.from(
      { length: 256 },
      (_, row) => new Float32Array(Uint32Array.of(words[row * 768 + 5]! << 16).buffer)[0]!,
    );
    expect(y!.data).toEqual(column);
    await session.release();
  });

  it('states for ONNX Runtime GenAI what the graph has', async () => {
    const out = join(folder, 'genai');
    await request('export/onnx', { ...sample, weights: 'matmulnbits-4', positions: 200, out });
    const { model, search } = json(out, 'genai_config.json') as { model: object; search: object };
    expect(model).toEqual({
      ...{ type: 'decoder', bos_token_id: 1023, eos_token_id: 1023, pad_token_id: 1023 },
      ...{ context_length: 200, vocab_size: 1024 },
      decoder: {
        session_options: { log_id: 'onnxruntime-genai', provider_options: [] },
        ...{ filename: 'model.onnx', head_size: 64, hidden_size: 256 },
        ...{ num_attention_heads: 4, num_hidden_layers: 6, num_key_value_heads: 2 },
        inputs: {
          ...{ input_ids: 'input_ids', attention_mask: 'attention_mask', position_ids: 'position_ids' },
          ...{ past_key_names: 'past_key_values.%d.key', past_value_names: 'past_key_values.%d.value' },
        },
        outputs: {
          logits: 'logits',
          ...{ present_key_names: 'present.%d.key', present_value_names: 'present.%d.value' },
        },
      },
    });
    expect(search).toMatchObject({ max_length: 200, past_present_share_buffer: false, do_sample: false });
  });

  it('takes tokens and their choice from generation_config.json, and states nothing that it does not know', async () => {
    const source = join(folder, 'settings');
    cpSync(sampleFolder, source, { recursive: true });
    const settings = { eos_token_id: [7, 9], pad_token_id: 3, temperature: 0.6, top_k: 20, do_sample: true };
    writeFileSync(join(source, 'generation_config.json'), JSON.stringify(settings));
    const out = join(folder, 'settings onnx');
    await request('export/onnx', { path: source, weights: 'bf16', out });
    expect(json(out, 'genai_config.json')).toMatchObject({
      model: { bos_token_id: 1023, eos_token_id: [7, 9], pad_token_id: 3 },
      search: { temperature: 0.6, top_k: 20, do_sample: true, top_p: 1 },
    });
    const silent = Object.entries(json(source, 'config.json')).filter(([key]) => key !== 'eos_token_id');
    writeFileSync(join(source, 'config.json'), JSON.stringify(Object.fromEntries(silent)));
    writeFileSync(join(source, 'generation_config.json'), '{}');
    for (const settings of [
      { out: join(folder, 'endless') },
      { withoutPast: true, out: join(folder, 'pastless') },
    ]) {
      const path = settings.withoutPast ? sampleFolder : source;
      await request('export/onnx', { path, weights: 'bf16', ...settings });
      expect(readdirSync(settings.out)).toContain('config.json');
      expect(readdirSync(settings.out)).not.toContain('genai_config.json');
    }
  });

  it('lies where transformers.js looks for it; a second form joins the first', async () => {
    const out = join(folder, 'transformers.js');
    const params = { ...sample, transformersJs: true, out };
    await request('export/onnx', { ...params, weights: 'matmulnbits-4', external: true });
    await request('export/onnx', { ...params, weights: 'matmulnbits-8', floats: 'F16' });
    expect(readdirSync(join(out, 'onnx')).sort()).toEqual(
      withDigests('model_q4.onnx', 'model_q4.onnx_data', 'model_quantized.onnx'),
    );
    expect(json(out, 'config.json')['transformers.js_config']).toEqual({
      dtype: 'q8',
      use_external_data_format: { 'model_q4.onnx': true, 'model_quantized.onnx': false },
    });
    expect(readdirSync(out)).toContain('tokenizer.json');
    expect(json(out, 'genai_config.json')).toMatchObject({
      model: { decoder: { filename: 'onnx/model_quantized.onnx' } },
    });
    for (const name of ['model_q4.onnx', 'model_quantized.onnx']) {
      const session = await openOnnx(join(out, 'onnx', name));
      expect(await divergence(session), name).toBeLessThan(limits['matmulnbits-4']!);
      await session.release();
    }
  });

  it.each([
    [{ weights: 'f32' }, 'model.onnx'],
    [{ weights: 'f32', floats: 'f16' }, 'model_fp16.onnx'],
    [{ weights: 'f16' }, 'model_fp16.onnx'],
    [{ weights: 'qdq-int8' }, 'model_int8.onnx'],
    [{ weights: 'qdq-int8-fusable', asymmetric: true }, 'model_uint8.onnx'],
    [{ weights: 'matmulnbits-4', floats: 'F16' }, 'model_q4f16.onnx'],
    [{ weights: 'qdq-int4' }, 'model_q4.onnx'],
    [{ weights: 'matmulnbits-2', floats: 'F16' }, 'model_q2f16.onnx'],
    [{ weights: 'bnb-fp4' }, 'model_bnb4.onnx'],
    [{ weights: 'static-int8' }, 'model_quantized.onnx'],
  ])('%j is %s for transformers.js', async (settings, name) => {
    const { files } = await request('export/onnxPreview', { ...sample, ...settings, transformersJs: true });
    expect(files[0]!.name).toBe(`onnx/${name}`);
  });

  it.each([
    [{ weights: 'bf16', transformersJs: true }, /no dtype for BF16; it has fp32, fp16, q8/],
    [{ weights: 'qdq-fp8', transformersJs: true }, /no dtype for qdq-fp8/],
    [{ weights: 'f32', transformersJs: true, layers: ['lm_head.weight'] }, /whole models, not single layers/],
    [{ weights: 'f32', transformersJs: true, withoutPast: true }, /generates with keys and values/],
    [{ weights: 'nf4' }, /no form of weights "nf4".*bnb-nf4/],
    [{ weights: 'f16', asymmetric: true }, /f16 stores floats/],
    [{ weights: 'bnb-nf4', asymmetric: true }, /no choice of zero points/],
    [{ weights: 'matmulnbits-4', blockSize: 48 }, /groups of 16, 32, 64, 128, 256 weights/],
    [{ weights: 'f32', floats: 'F8' }, /stored as F32, F16, BF16/],
    [{ weights: 'static-int8' }, /static-int8 needs to know.*--calibration FILE/],
    [{ weights: 'matmulnbits-4', method: 'gptq' }, /GPTQ needs to know.*--calibration FILE/],
    [{ weights: 'matmulnbits-4', method: 'awq' }, /checkpoint with it first/],
    [{ weights: 'f16', method: 'gptq' }, /no method/],
    [{ weights: 'f32', positions: 1000 }, /made for 256 positions/],
    [{ weights: 'f32', layers: ['model.norm.weight'] }, /not a matrix.*model\.norm\.weight/],
    [{ weights: 'matmulnbits-4', accuracyLevel: 7 }, /accuracy level is 7/],
  ])('%j is rejected with the reason, and nothing is written', async (settings, reason) => {
    const out = join(folder, 'nothing');
    await expect(request('export/onnx', { ...sample, ...settings, out })).rejects.toThrow(reason);
    expect(existsSync(out)).toBe(false);
  });

  it.each(['f32', 'matmulnbits-4', 'qdq-int8'])(
    '%s: a weight that is not finite is named, and nothing is written',
    async (weights) => {
      const source = join(folder, `infinite ${weights}`);
      mkdirSync(source);
      for (const file of readdirSync(sampleFolder))
        copyFileSync(join(sampleFolder, file), join(source, file));
      const model = await openModel(source);
      const { file, offset } = model.tensor('model.layers.2.mlp.up_proj.weight');
      await model.close();
      const handle = openSync(file, 'r+');
      writeSync(handle, Uint8Array.of(0x80, 0x7f), 0, 2, offset + 2 * 1000);
      closeSync(handle);
      const out = join(folder, 'nothing');
      const run = request('export/onnx', { path: source, weights, out });
      await expect(run).rejects.toThrow(/Weight 1000 is Infinity.*tensor "blk\.2\.ffn_up\.weight"/);
      await expect(run).rejects.toMatchObject({ code: 'MODEL_FILE' });
      expect(existsSync(out)).toBe(false);
    },
  );

  it('a cancelled export leaves the files of the one before', async () => {
    const out = join(folder, 'cancelled');
    mkdirSync(out);
    writeFileSync(join(out, 'model.onnx'), 'before');
    const controller = new AbortController();
    const progress = ({ done }: { done: number }): void => {
      if (done > 0) controller.abort();
    };
    const params = { ...sample, weights: 'f32', external: true, out };
    const run = request('export/onnx', params, { signal: controller.signal, progress });
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(out)).toEqual(['model.onnx']);
  });

  it('never replaces a file of the model', async () => {
    const copy = join(folder, 'copy');
    await request('export/onnx', { ...sample, weights: 'f32', out: copy });
    await expect(request('export/onnx', { ...sample, weights: 'f32', out: sampleFolder })).rejects.toThrow(
      /The output folder is that of the model/,
    );
    const session = await openOnnx(join(copy, 'model.onnx'));
    expect(farthest(await new OnnxText(session).next(tokens), original)).toBeLessThan(1e-4);
    await session.release();
  });
});

describe('recipes for ONNX', () => {
  const grid = onnxBlocks(4, 32, true);
  const recipe: Recipe = {
    ...{ version: 1, id: 'onnx-gptq', label: 'GPTQ for ONNX', description: 'A test.' },
    ...{ target: 'onnx', layout: 'matmulnbits', calibration: { text, tokens: 2048, context: 256 } },
    rules: [
      { match: 'down_proj', grid: 'keep' },
      { match: 'layers', grid, method: { id: 'gptq' } },
    ],
  };
  const params = { ...sample, cacheDir, device: 'cpu' } as const;

  it('say per matrix what it becomes; the output stays as it is', async () => {
    const out = join(folder, 'recipe');
    const preview = await request('model/quantizePreview', { ...sample, cacheDir, inline: recipe });
    expect(preview.evidence).toEqual({ kind: 'hessian', usable: 'hessian', text });
    const result = await request('model/quantize', { ...params, inline: recipe, out });
    expect(result.tensors).toEqual(preview.tensors);
    const stored = Object.fromEntries(result.tensors.map(({ name, to, method }) => [name, [to, method]]));
    expect(stored['blk.3.ffn_down.weight']).toEqual(['F32', undefined]);
    expect(stored['blk.3.ffn_up.weight']).toEqual(['MatMulNBits 4 bit in groups of 32', 'gptq']);
    expect(stored['output.weight']).toEqual(['F32', undefined]);
    const session = await openOnnx(join(out, 'model.onnx'));
    const measured = await divergence(session);
    expect(measured).toBeGreaterThan(1e-5);
    expect(measured).toBeLessThan(5e-3);
    await session.release();
  });

  it('round inputs by fixed scales', async () => {
    const out = join(folder, 'recipe static');
    const inline: Recipe = {
      ...recipe,
      layout: 'qdq',
      rules: [{ grid: weightForm('static-int8').codes!.grid({}) }],
      activations: { levels: { kind: 'integer', bits: 8, signed: false }, scale: 'static' },
    };
    const result = await request('model/quantize', { ...params, inline, out });
    expect(result.evidence).toEqual({ kind: 'activations', usable: 'activations', text });
    const { graph } = decodeOnnx(readFileSync(join(out, 'model.onnx')));
    expect(graph.node.filter(({ opType }) => opType === 'QuantizeLinear').length).toBeGreaterThan(6 * 3);
    const session = await openOnnx(join(out, 'model.onnx'));
    expect(await divergence(session)).toBeLessThan(3e-2);
    await session.release();
  });

  it.each([
    [
      { layout: 'gptq' },
      /layout of a recipe for ONNX is qdq, qdq-fusable, matmulnbits, matmulbnb4, not "gptq"/,
    ],
    [{ rules: [{ grid, method: { id: 'awq' } }] }, /checkpoint with it first/],
    [
      { activations: { levels: { kind: 'integer', bits: 8, signed: true }, scale: 'token' } },
      /static scales; the recipe asks for others/,
    ],
  ] as readonly (readonly [Partial<Recipe>, RegExp])[])(
    '%j is rejected with the reason',
    async (change, reason) => {
      const inline = { ...recipe, ...change };
      const run = request('model/quantize', { ...params, inline, out: join(folder, 'nothing') });
      await expect(run).rejects.toThrow(reason);
      expect(existsSync(join(folder, 'nothing'))).toBe(false);
    },
  );
});
