import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ConvertedTensor } from '../../../../src/architectures/convertedTensor';
import { ggufView, type GgufView } from '../../../../src/architectures/ggufView';
import { blockTaps } from '../../../../src/graph/transformer/blockGraph';
import type { Mamba2Mixer } from '../../../../src/graph/transformer/blockShape';
import { blockBytes, bytesPerToken, modelBytes } from '../../../../src/graph/transformer/decoderBytes';
import { decoderShape, type DecoderShape } from '../../../../src/graph/transformer/decoderShape';
import { keptStates } from '../../../../src/graph/transformer/mixers';
import { rotationOf } from '../../../../src/graph/transformer/rotation';
import { openModel } from '../../../../src/layouts/openModel';
import { sampleFolder, temporaryFolder } from '../../../support/files';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

const folder = temporaryFolder();
const views = new Map<string, GgufView>();
const rotation = rotationOf({ order: 'halves', dimensions: 16, theta: 10_000 });

const written = [
  'gemma4',
  ...[
    'llama',
    'mixtral',
    'gemma2',
    'smollm3',
    'olmo2',
    'granite',
    'nemotron',
    'cohere2',
    'lfm2',
    'deepseek2, version 3',
    'qwen3next',
    'qwen35',
    'mamba2',
  ],
];

async function viewAt(path: string): Promise<GgufView> {
  const model = await openModel(path);
  await model.close();
  return ggufView(model);
}

beforeAll(async () => {
  for (const name of written) {
    await writeCheckpoint(join(folder, name), name);
    views.set(name, await viewAt(join(folder, name)));
  }
  views.set('sample', await viewAt(sampleFolder));
});

interface Change {
  readonly architecture?: string;
  readonly without?: string;
  readonly more?: string;
  readonly values?: Readonly<Record<string, string | undefined>>;
}

/** The shape of a model of which something is different. */
function shapeOf(name: string, { architecture, without, more, values = {} }: Change = {}): DecoderShape {
  const view = views.get(name)!;
  const tensors = new Map(view.tensors.map((tensor): [string, ConvertedTensor] => [tensor.name, tensor]));
  if (without !== undefined) tensors.delete(without);
  if (more !== undefined) tensors.set(more, { name: more, shape: [4, 4], columns: 4, pieces: [] });
  const changed: GgufView = {
    ...view,
    architecture: architecture ?? view.architecture,
    value: (key) => (key in values ? values[key] : view.value(key)),
  };
  return decoderShape(changed, tensors, () => rotation, 'the/file');
}

describe('the shape of a decoder', () => {
  it('has the sizes of the model', () => {
    const { blocks, ...shape } = shapeOf('sample');
    expect(shape).toEqual({
      ...{ architecture: 'llama', hiddenSize: 256, stateSize: 256, vocabulary: 1024, contextLength: 256 },
      ...{ epsilon: expect.closeTo(1e-5, 9) as number, embeddingScale: 1, output: 'output.weight' },
      lastNormName: 'output_norm',
      lastNorm: new Map([['output_norm.weight', [256]]]),
    });
    expect(blocks).toHaveLength(6);
    expect(blocks[5]).toMatchObject({
      index: 5,
      heads: 4,
      kvHeads: 2,
      headSize: 64,
      scale: 1 / 8,
      activation: 'silu',
    });
    expect(blocks[5]!.tensors.get('ffn_down.weight')).toEqual([256, 768]);
  });

  it('of blocks that take keys of others leaves out matrices for their own, but measures the inputs of these', () => {
    const { stateSize, hiddenSize, blocks } = shapeOf('gemma4', { more: 'blk.4.attn_k.weight' });
    // One stream, embeddings of six layers, keys and values of the second and the third block.
    expect([hiddenSize, stateSize]).toEqual([64, 64 + 6 * 32 + 2 * (2 * 16 + 2 * 32)]);
    expect(blocks.map(({ carried }) => carried!.keys?.role)).toEqual([
      ...[undefined, 'left', 'left', 'taken', 'taken', 'taken'],
    ]);
    expect(blocks.map(({ carried }) => carried!.keys?.first)).toEqual([undefined, 0, 64, 0, 0, 64]);
    expect(blocks[4]!.tensors.has('attn_k.weight')).toBe(false);
    expect(blockTaps(blocks[4]!).dense[0]!.parts).toEqual(['attn_q.weight', 'attn_k.weight']);
    expect(() => shapeOf('gemma4', { without: 'per_layer_proj_norm.weight' })).toThrow(
      /lacks this tensor.*per_layer_proj_norm/,
    );
  });

  it('has factors, layer norms with biases, and parts side by side where the architecture has them', () => {
    const granite = shapeOf('granite');
    expect(granite).toMatchObject({ embeddingScale: 6, logitScale: 2 });
    expect(granite.blocks[1]!.scale).toBeCloseTo(0.2, 7);
    expect(granite.blocks[1]!.addedScale).toBeCloseTo(0.3, 7);
    const { blocks, ...nemotron } = shapeOf('nemotron');
    expect(nemotron.centredNorms).toBe(true);
    expect([...nemotron.lastNorm.keys()]).toEqual(['output_norm.weight', 'output_norm.bias']);
    expect(blocks[0]).toMatchObject({ centredNorms: true, activation: 'squaredRelu' });
    const cohere = shapeOf('cohere2');
    expect(cohere).toMatchObject({ centredNorms: true, logitScale: 0.5 });
    expect(cohere.blocks.map(({ parallel, window }) => [parallel, window])).toEqual([
      ...[16, 16, 16, undefined].map((window) => [true, window]),
    ]);
    expect(cohere.blocks.map(({ rotation }) => rotation !== undefined)).toEqual([true, true, true, false]);
  });

  it('has windows, caps and scales where the architecture has them', () => {
    const { blocks, logitCap, embeddingScale, output } = shapeOf('gemma2');
    expect({ logitCap, embeddingScale, output }).toEqual({
      logitCap: 3,
      embeddingScale: 8,
      output: 'token_embd.weight',
    });
    expect(blocks.map(({ window }) => window)).toEqual([16, undefined, 16, undefined]);
    expect(blocks.map(({ scoreCap }) => scoreCap)).toEqual([1, 1, 1, 1]);
    expect(blocks[0]!.activation).toBe('gelu');
  });

  it('has layers without positions where the architecture has them', () => {
    expect(shapeOf('smollm3').blocks.map((block) => block.rotation !== undefined)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('has the mixer of each block that its tensors say', () => {
    const { blocks, lastNormName } = shapeOf('lfm2');
    expect(blocks.map(({ mixers }) => mixers)).toEqual([
      [{ kind: 'shortConvolution' }],
      [{ kind: 'attention' }],
    ]);
    // The file states heads of keys layer by layer, none in the first.
    expect(blocks[1]!.kvHeads).toBe(2);
    expect(lastNormName).toBe('token_embd_norm');
    expect(keptStates(blocks[0]!, 10)).toEqual({ convolved: [1, 2, 64] });
    expect(keptStates(blocks[1]!, 10)).toEqual({ key: [1, 2, 10, 16], value: [1, 2, 10, 16] });
  });

  it.each([
    ['qwen3next', true],
    ['qwen35', false],
  ])(
    '%s: has the heads of gated delta nets by the shapes of their tensors, in the order of the file',
    (name, grouped) => {
      const { blocks } = shapeOf(name);
      const net = { kind: 'gatedDelta', keyHeads: 2, valueHeads: 6, headSize: 32, grouped };
      expect(blocks.map(({ mixers }) => mixers)).toEqual([[net], [{ kind: 'attention' }]]);
      expect(blocks[1]).toMatchObject({ heads: 4, kvHeads: 2, headSize: 32, gatedHeads: true });
      expect(keptStates(blocks[0]!, 10)).toEqual({ convolved: [1, 3, 320], state: [1, 6, 32, 32] });
    },
  );

  it('has experts, of which bytes are counted as they are used', () => {
    const shape = shapeOf('mixtral');
    expect(shape.blocks[0]!.experts).toEqual({ count: 4, used: 2, normalized: true, scale: 1 });
    const expert = 3 * 64 * 96;
    const rest = 2 * 64 * 64 + 2 * 32 * 64 + 2 * 64 + 4 * 64;
    expect(blockBytes(shape.blocks[0]!)).toBe(4 * (rest + expert));
    expect(bytesPerToken(shape)).toBe(4 * (2 * (rest + 2 * expert) + 1024 * 64));
    expect(modelBytes(shape)).toBe(4 * (2 * (rest + 4 * expert) + 1024 * 64));
  });
});

describe('blocks that only predict further tokens', () => {
  const further = (count: string) => ({ values: { 'llama.nextn_predict_layers': count } });

  it('are left out, whatever they are made of', () => {
    const { blocks } = shapeOf('llama', { ...further('1'), more: 'blk.1.nextn.eh_proj.weight' });
    expect(blocks.map(({ index }) => index)).toEqual([0]);
  });

  it.each(['2', '0.5', '-1'])('cannot be %s of two', (count) => {
    expect(() => shapeOf('llama', further(count))).toThrow(/a whole number below the 2 blocks is needed/);
  });
});

/** Tensors of mixers, by the checkpoint that has them. */
const required: readonly (readonly [name: string, tensor: string])[] = [
  ['lfm2', 'blk.0.shortconv.conv.weight'],
  ['lfm2', 'blk.0.shortconv.in_proj.weight'],
  ['lfm2', 'blk.1.attn_q.weight'],
  ['qwen3next', 'blk.0.attn_qkv.weight'],
  ['qwen3next', 'blk.0.attn_gate.weight'],
  ['qwen3next', 'blk.0.ssm_conv1d.weight'],
  ['qwen3next', 'blk.0.ssm_out.weight'],
  ['qwen3next', 'blk.1.attn_q.weight'],
  ['qwen35', 'blk.0.ssm_dt.bias'],
  ['qwen35', 'blk.0.ssm_beta.weight'],
  ['qwen35', 'blk.0.ssm_alpha.weight'],
];

describe('latent attention', () => {
  const name = 'deepseek2, version 3';

  it('has the sizes of its tensors, and scores that are larger where positions are stretched', () => {
    const { blocks } = shapeOf(name);
    const sizes = { rank: 32, plain: 16, rotated: 16, valueSize: 16 };
    const stretch = 1 + 0.1 * Math.log(40);
    const scale = expect.closeTo(stretch ** 2 / Math.sqrt(32), 6) as number;
    expect(blocks[1]!.mixers).toEqual([{ kind: 'latentAttention', ...sizes, scale }]);
    expect(blocks[1]!.experts).toMatchObject({
      groups: { count: 4, used: 2 },
      gating: 'sigmoid',
      scale: 2.5,
    });
    const scaleOf = (values: NonNullable<Change['values']>) =>
      (shapeOf(name, { values }).blocks[0]!.mixers[0] as { scale: number }).scale * Math.sqrt(32);
    // Without its own factor llama.cpp takes the usual one, and under linear scaling both.
    expect(scaleOf({ 'deepseek2.rope.scaling.yarn_log_multiplier': undefined })).toBeCloseTo(stretch ** 2, 6);
    expect(scaleOf({ 'deepseek2.rope.scaling.type': 'linear' })).toBeCloseTo(stretch ** 4, 6);
    expect(scaleOf({ 'deepseek2.rope.scaling.type': 'none' })).toBeCloseTo(1, 6);
    expect(scaleOf({ 'deepseek2.rope.scaling.attn_factor': '2' })).toBeCloseTo(4 * stretch ** 2, 6);
  });

  it.each([
    ['deepseek2.attention.key_length_mla', '48', 'attn_q_b'],
    ['deepseek2.attention.head_count', '8', 'attn_q_b'],
    ['deepseek2.rope.dimension_count', '8', 'attn_kv_a_mqa'],
  ])('rejects sizes that contradict it: %s = %s', (key, value, part) => {
    const shape = () => shapeOf(name, { values: { [key]: value } });
    expect(shape).toThrow(
      expect.objectContaining({
        code: 'MODEL_FILE',
        place: { file: 'the/file', tensor: `blk.0.${part}.weight` },
      }),
    );
  });

  it('needs the number of rotated dimensions', () => {
    const values = { 'deepseek2.rope.dimension_count': undefined };
    expect(() => shapeOf(name, { values })).toThrow(/"deepseek2.rope.dimension_count" is missing/);
  });

  it('names a tensor that is missing', () => {
    const without = 'blk.1.attn_v_b.weight';
    expect(() => shapeOf(name, { without })).toThrow(
      expect.objectContaining({ place: { file: 'the/file', tensor: without } }),
    );
  });
});

describe('numbers of a file that its tensors contradict', () => {
  it.each([
    ['qwen3next', 'ssm.state_size', '16'],
    ['qwen3next', 'ssm.group_count', '3'],
    ['qwen35', 'ssm.time_step_rank', '2'],
  ])('of a gated delta net are rejected: %s with %s of %s', (name, key, value) => {
    expect(() => shapeOf(name, { values: { [`${name}.${key}`]: value } })).toThrowError(
      expect.objectContaining({
        code: 'MODEL_FILE',
        message: expect.stringContaining(`The file states ${value} ("${key}"), but`) as string,
        place: { file: 'the/file', tensor: 'blk.0.ssm_conv1d.weight' },
      }),
    );
  });

  it.each(['output.weight', 'output_norm.weight'])('are rejected in %s', (tensor) => {
    expect(() => shapeOf('llama', { more: tensor })).toThrowError(
      expect.objectContaining({
        message: expect.stringMatching(/^The tensor has the shape \[4, 4\]; \[.*64\] is needed/) as string,
        place: { file: 'the/file', tensor },
      }),
    );
  });

  it('are rejected where heads would be halves', () => {
    const values = { 'lfm2.attention.head_count': '1', 'lfm2.attention.key_length': '64' };
    expect(() => shapeOf('lfm2', { values })).toThrow(/1 heads that share 0\.5 keys, each of size 64/);
  });

  it('are rejected where groups of a state space would be halves', () => {
    const [mixer] = shapeOf('mamba2').blocks[0]!.mixers as Mamba2Mixer[];
    const [groups, states] = [0.5, 2 * mixer!.groups * mixer!.stateSize];
    const values = { 'mamba2.ssm.group_count': String(groups), 'mamba2.ssm.state_size': String(states) };
    expect(() => shapeOf('mamba2', { values })).toThrow(/in \d+ heads and 0\.5 groups/);
  });
});

describe('a model that cannot be run', () => {
  it.each([
    [{ 'llama.expert_count': '4294967295' }, /states 4294967295 experts .* its tensors hold 4/],
    [{ 'llama.expert_used_count': '5' }, /uses 5 of them/],
    [{ 'llama.expert_used_count': '0' }, /uses 0 of them/],
    [
      { 'llama.expert_group_count': '2' },
      /^4 experts in 2 groups, of which 0 are used for 2 experts, cannot be/,
    ],
    [{ 'llama.expert_group_count': '4', 'llama.expert_group_used_count': '2' }, /^4 experts in 4 groups/],
    [{ 'llama.expert_group_count': '3', 'llama.expert_group_used_count': '2' }, /^4 experts in 3 groups/],
  ])('because of its experts is rejected: %j', (values, message) => {
    expect(() => shapeOf('mixtral', { values })).toThrow(message);
  });

  it('because its experts are scored by another function is rejected', () => {
    const scored = (value: string) => shapeOf('mixtral', { values: { 'llama.expert_gating_func': value } });
    expect(() => scored('3')).toThrow(/scored by the function 3 \("expert_gating_func"\)/);
    expect(scored('0')).toEqual(shapeOf('mixtral'));
    expect(scored('2').blocks[0]!.experts).toMatchObject({ gating: 'sigmoid' });
  });

  it.each([
    ['blk.0.attn_sinks.weight', { more: 'blk.0.attn_sinks.weight' }],
    ['blk.1.attn_norm.scale', { more: 'blk.1.attn_norm.scale' }],
  ])('because nothing is done with %s is rejected with an error naming it', (tensor, change) => {
    expect(() => shapeOf('llama', change)).toThrowError(
      expect.objectContaining({ code: 'UNSUPPORTED', place: { file: 'the/file', tensor } }),
    );
  });

  it.each(['token_embd.weight', 'blk.1.attn_v.weight', 'blk.0.attn_output.weight', 'blk.1.ffn_down.weight'])(
    'because it lacks %s is rejected with an error naming it',
    (tensor) => {
      expect(() => shapeOf('llama', { without: tensor })).toThrowError(
        expect.objectContaining({ code: 'MODEL_FILE', place: { file: 'the/file', tensor } }),
      );
    },
  );

  it.each(required)('%s, because a mixer lacks %s, is rejected', (name, tensor) => {
    expect(() => shapeOf(name, { without: tensor })).toThrowError(
      expect.objectContaining({ code: 'MODEL_FILE', message: expect.stringMatching(/lacks/) as string }),
    );
  });

  it.each(required)(
    '%s, because a mixer has other sizes, is rejected with an error naming %s',
    (name, tensor) => {
      expect(() => shapeOf(name, { more: tensor })).toThrowError(
        expect.objectContaining({ code: 'MODEL_FILE', place: { file: 'the/file', tensor } }),
      );
    },
  );

  it.each([
    ['llama.block_count', undefined, 'missing'],
    ['llama.attention.head_count', 'four', 'four'],
    ['llama.context_length', undefined, 'missing'],
  ])('because of its number %s is rejected with an error naming it', (key, value, what) => {
    expect(() => shapeOf('llama', { values: { [key]: value } })).toThrowError(
      expect.objectContaining({
        code: 'MODEL_FILE',
        message: `The key "${key}" is ${what}; the model cannot be run without this number. (the/file)`,
      }),
    );
  });

  it.each(['gpt2', 'bert'])(
    'because %s has no forward pass here is rejected with an error naming it',
    (architecture) => {
      expect(() => shapeOf('llama', { architecture })).toThrowError(
        expect.objectContaining({
          code: 'UNSUPPORTED',
          message: expect.stringContaining(architecture) as string,
        }),
      );
    },
  );
});
