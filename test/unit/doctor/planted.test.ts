import {
  appendFileSync,
  copyFileSync,
  cpSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { codes, type Code } from '../../../src/doctor/codes';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import {
  copyOfSample,
  editGguf,
  editJson,
  editWeights,
  fillWeights,
  renameInGguf,
  shardedSample,
  type Json,
} from './support';

const { request } = engineJobs(temporaryFolder());
const q = 'model.layers.1.self_attn.q_proj.weight';
const k = 'model.layers.2.self_attn.k_proj.weight';
const weights = 'model.safetensors';

type Plant = (folder: string) => void | Promise<void>;
type Row = readonly [name: string, code: Code, plant: Plant];

const template =
  (stated: unknown): Plant =>
  (folder) =>
    editJson(folder, 'tokenizer_config.json', (json) => (json['chat_template'] = stated));
const good =
  '{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}';
const config =
  (key: string, value: unknown): Plant =>
  (folder) =>
    editJson(folder, 'config.json', (json) => (json[key] = value));
const vocabOf = (json: Json): Record<string, number> =>
  (json['model'] as { vocab: Record<string, number> }).vocab;

const safetensors: readonly Row[] = [
  ['NaN', 'values/nan', (folder) => fillWeights(folder, q, 0x7fc0, { row: 3, column: 5 })],
  [
    'an infinite weight',
    'values/infinite',
    (folder) => fillWeights(folder, q, 0xff80, { row: 3, column: 5 }),
  ],
  [
    'a weight of 2^17',
    'values/f16-overflow',
    (folder) => fillWeights(folder, q, 0x4800, { row: 3, column: 5 }),
  ],
  ['a matrix of zeros', 'values/all-zero', (folder) => fillWeights(folder, q, 0)],
  ['a row of zeros', 'values/dead-rows', (folder) => fillWeights(folder, q, 0, { row: 7 })],
  ['a column of zeros', 'values/dead-columns', (folder) => fillWeights(folder, q, 0, { column: 7 })],
  [
    'a copied matrix',
    'values/duplicate',
    (folder) =>
      editWeights(folder, (header, data) => {
        const from = header[k.replace('.2.', '.3.')]!.data_offsets;
        data.copy(data, header[k]!.data_offsets[0], from[0], from[1]);
      }),
  ],
  ['an interrupted download', 'file/truncated', (folder) => truncateSync(join(folder, weights), 5_000_000)],
  ['a cut header', 'file/header-cut', (folder) => truncateSync(join(folder, weights), 900)],
  [
    'a web page',
    'file/not-a-model',
    (folder) => writeFileSync(join(folder, weights), '<!DOCTYPE html><title>Sign in</title>'),
  ],
  [
    'a pointer of Git LFS',
    'file/not-a-model',
    (folder) =>
      writeFileSync(
        join(folder, weights),
        'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n',
      ),
  ],
  [
    'a header that is not JSON',
    'file/unreadable',
    (folder) => {
      const file = join(folder, weights);
      const bytes = readFileSync(file);
      bytes[9] = 0x21;
      writeFileSync(file, bytes);
    },
  ],
  ['bytes at the end', 'layout/unused-bytes', (folder) => appendFileSync(join(folder, weights), 'abcd')],
  [
    'overlapping data',
    'layout/overlap',
    (folder) =>
      editWeights(folder, (header) => {
        const range = header[q]!.data_offsets;
        range[0] -= 64;
        range[1] -= 64;
      }),
  ],
  ['a gap', 'layout/gap', (folder) => editWeights(folder, (header) => void delete header[q])],
  [
    'a shape of another size',
    'layout/wrong-size',
    (folder) => editWeights(folder, (header) => void (header[q]!.shape[0]! += 1)),
  ],
  [
    'elements at odd places',
    'layout/unaligned-elements',
    (folder) =>
      editWeights(folder, (header, data) => {
        for (const entry of Object.values(header))
          if ('shape' in entry) entry.data_offsets = [entry.data_offsets[0] + 1, entry.data_offsets[1] + 1];
        header['pad'] = { dtype: 'U8', shape: [1], data_offsets: [0, 1] };
        return Buffer.concat([Buffer.alloc(1), data]);
      }),
  ],
  [
    'a renamed tensor',
    'tensor/missing',
    (folder) =>
      editWeights(folder, (header) => {
        header['model.layers.1.self_attn.query.weight'] = header[q]!;
        delete header[q];
      }),
  ],
  [
    'an unknown tensor',
    'tensor/unexpected',
    (folder) =>
      editWeights(folder, (header) => {
        header['model.layers.1.self_attn.query.weight'] = header[q]!;
        delete header[q];
      }),
  ],
  ['another hidden size', 'tensor/wrong-shape', config('intermediate_size', 700)],
  ['one block more', 'tensor/missing', config('num_hidden_layers', 7)],
  [
    'the configuration of another model',
    'config/other-model',
    (folder) => {
      editJson(folder, 'config.json', (json) => {
        json['architectures'] = ['GPT2LMHeadModel'];
        Object.assign(json, {
          model_type: 'gpt2',
          n_layer: 6,
          n_head: 4,
          n_embd: 256,
          n_ctx: 256,
          n_positions: 256,
          activation_function: 'gelu_new',
          layer_norm_epsilon: 1e-5,
        });
      });
    },
  ],
  ['an impossible number of heads', 'config/invalid-value', config('num_attention_heads', -4)],
  [
    'a damaged config.json',
    'config/unreadable',
    (folder) => writeFileSync(join(folder, 'config.json'), '{"a": 1,}'),
  ],
  [
    'a damaged tokenizer_config.json',
    'config/unreadable',
    (folder) => writeFileSync(join(folder, 'tokenizer_config.json'), '{'),
  ],
  [
    'a tokenizer without vocabulary',
    'tokenizer/unreadable',
    (folder) => editJson(folder, 'tokenizer.json', (json) => (json['model'] = {})),
  ],
  [
    'a token beyond the embedding',
    'tokenizer/too-many-tokens',
    (folder) => editJson(folder, 'tokenizer.json', (json) => (vocabOf(json)['more'] = 1024)),
  ],
  [
    'an id twice',
    'tokenizer/doubled-id',
    (folder) => editJson(folder, 'tokenizer.json', (json) => (vocabOf(json)['!'] = 1)),
  ],
  ['an end of text beyond the embedding', 'special-tokens/out-of-range', config('eos_token_id', 5000)],
  [
    'a special token that does not exist',
    'special-tokens/unknown',
    (folder) => editJson(folder, 'tokenizer_config.json', (json) => (json['eos_token'] = '</s>')),
  ],
  [
    'another end of text',
    'special-tokens/disagree',
    (folder) => editJson(folder, 'generation_config.json', (json) => (json['eos_token_id'] = 5)),
  ],
  ['a template that is not Jinja', 'chat-template/invalid', template('{% for m in messages %}')],
  ['a template that fails', 'chat-template/does-not-render', template(`{{ raise_exception("no") }}`)],
  [
    'a template without the text',
    'chat-template/drops-text',
    template('{% for m in messages %}{{ m.role }}{% endfor %}'),
  ],
  [
    'a template without a prompt',
    'chat-template/no-generation-prompt',
    template('{% for m in messages %}{{ m.content }}{% endfor %}'),
  ],
  [
    'a template that refuses system messages',
    'chat-template/ignores-system',
    template(`{% if messages[0].role == 'system' %}{{ raise_exception("no system") }}{% endif %}${good}`),
  ],
  [
    'two templates',
    'chat-template/differs',
    async (folder) => {
      await template(good)(folder);
      writeFileSync(join(folder, 'chat_template.jinja'), `${good} `.replace('<assistant>', '<bot>'));
    },
  ],
  ['a template that is a number', 'chat-template/invalid', template(3)],
  [
    'the standard one of several templates that fails',
    'chat-template/does-not-render',
    template([
      { name: 'tool_use', template: good },
      { name: 'default', template: '{{ raise_exception("no") }}' },
    ]),
  ],
  ['tokens of a chat without a template', 'chat-template/missing', addTokensOfChat],
];

function addTokensOfChat(folder: string): void {
  editJson(folder, 'tokenizer.json', (json) => {
    const added = json['added_tokens'] as Json[];
    const vocab = vocabOf(json);
    for (const content of ['<|im_start|>', '<|im_end|>']) {
      const [text, id] = Object.entries(vocab).at(-1)!;
      delete vocab[text];
      added.push({ ...added[0], id, content });
    }
  });
}

const sharded: readonly Row[] = [
  [
    'a missing shard',
    'index/missing-shard',
    (folder) => rmSync(join(folder, 'model-00002-of-00002.safetensors')),
  ],
  [
    'a damaged shard',
    'file/header-cut',
    (folder) => truncateSync(join(folder, 'model-00002-of-00002.safetensors'), 100),
  ],
  [
    'a tensor that no shard has',
    'index/missing-tensor',
    (folder) => editMap(folder, (map) => (map['more'] = Object.values(map)[0]!)),
  ],
  [
    'a tensor that is not listed',
    'index/unlisted-tensor',
    (folder) => editMap(folder, (map) => void delete map[q]),
  ],
  [
    'a tensor in another shard',
    'index/wrong-shard',
    (folder) => editMap(folder, (map) => (map[q] = Object.values(map).find((shard) => shard !== map[q])!)),
  ],
  [
    'an index without a map',
    'index/unreadable',
    (folder) => writeFileSync(join(folder, 'model.safetensors.index.json'), '{}'),
  ],
  [
    'a tensor in two shards',
    'index/doubled-tensor',
    (folder) =>
      copyFileSync(
        join(folder, 'model-00001-of-00002.safetensors'),
        join(folder, 'model-00002-of-00002.safetensors'),
      ),
  ],
];

function editMap(folder: string, edit: (map: Record<string, string>) => void): void {
  editJson(folder, 'model.safetensors.index.json', (json) =>
    edit(json['weight_map'] as Record<string, string>),
  );
}

const ggufName = 'model.gguf';
const inGguf =
  (from: string, to: string): Plant =>
  (folder) =>
    renameInGguf(join(folder, ggufName), from, to);
const setKey =
  (key: string, value: number): Plant =>
  (folder) =>
    editGguf(join(folder, ggufName), { key }, (bytes, at) => void bytes.writeUInt32LE(value, at));

const gguf: readonly Row[] = [
  ['no number of blocks', 'gguf/missing-key', inGguf('llama.block_count', 'llama.block_xount')],
  [
    'no epsilon',
    'gguf/missing-key',
    inGguf('llama.attention.layer_norm_rms_epsilon', 'llama.attention.layer_norm_xxx_epsilon'),
  ],
  ['no merges', 'gguf/missing-key', inGguf('tokenizer.ggml.merges', 'tokenizer.ggml.xerges')],
  [
    'fewer scores than tokens',
    'tokenizer/list-lengths',
    inGguf('tokenizer.ggml.merges', 'tokenizer.ggml.scores'),
  ],
  ['no architecture', 'gguf/missing-key', inGguf('general.architecture', 'general.archxtecture')],
  ['a context of 0', 'gguf/wrong-value', setKey('llama.context_length', 0)],
  ['one block more', 'tensor/missing', setKey('llama.block_count', 7)],
  ['one block less', 'tensor/unexpected', setKey('llama.block_count', 5)],
  ['another width', 'tensor/wrong-shape', setKey('llama.embedding_length', 512)],
  ['a tensor less', 'tensor/missing', inGguf('blk.3.attn_k.weight', 'blk_3.attn_k.weight')],
  ['no embedding', 'tensor/missing', inGguf('token_embd.weight', 'token_xxxx.weight')],
  [
    'an end of text beyond the tokens',
    'special-tokens/out-of-range',
    setKey('tokenizer.ggml.eos_token_id', 4000),
  ],
  [
    'an infinite scale',
    'values/bad-scale',
    (folder) =>
      editGguf(
        join(folder, ggufName),
        { tensor: 'blk.1.ffn_up.weight' },
        (bytes, at) => void bytes.writeUInt16LE(0x7c00, at),
      ),
  ],
  [
    'a saturated scale',
    'values/bad-scale',
    (folder) =>
      editGguf(
        join(folder, ggufName),
        { tensor: 'blk.1.ffn_up.weight' },
        (bytes, at) => void bytes.writeUInt16LE(0x7bff, at),
      ),
  ],
  ['an interrupted download', 'file/truncated', (folder) => truncateSync(join(folder, ggufName), 3_000_000)],
  ['a cut header', 'file/header-cut', (folder) => truncateSync(join(folder, ggufName), 600)],
  ['data at an odd place', 'layout/misaligned', (folder) => moveData(folder, 1)],
  ['overlapping data', 'layout/overlap', (folder) => moveData(folder, -32)],
];

const quantization =
  (key: string, value: unknown): Plant =>
  (folder) =>
    editJson(folder, 'config.json', (json) => ((json['quantization_config'] as Json)[key] = value));

const quantized: readonly Row[] = [
  ['the other version', 'quantized/zero-convention', quantization('checkpoint_format', 'gptq_v2')],
  ['groups of 64', 'quantized/group-size', quantization('group_size', 64)],
  [
    'a weight without scales',
    'quantized/incomplete',
    (folder) =>
      editWeights(folder, (header) => {
        const module = q.replace('.weight', '');
        header[`${module}.factors`] = header[`${module}.scales`]!;
        delete header[`${module}.scales`];
      }),
  ],
];

/** Moves the data of the second tensor of the list. */
function moveData(folder: string, by: number): void {
  const file = join(folder, ggufName);
  const bytes = readFileSync(file);
  const name = 'blk.0.attn_k.weight';
  const at = bytes.indexOf(name) + name.length + 4 + 2 * 8 + 4;
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at) + BigInt(by), at);
  writeFileSync(file, bytes);
}

async function codesIn(path: string): Promise<string[]> {
  const { findings } = await request('model/doctor', { path });
  return findings.map(({ code }) => code);
}

describe('faults that are planted in the sample', () => {
  const made = temporaryFolder();
  const quantizedSample = join(made, 'quantized');
  const exported = join(made, ggufName);
  beforeAll(async () => {
    const recipe = { recipe: 'gptq-int4-g128', changes: { method: 'rtn' }, cacheDir: made };
    await request('model/quantize', { path: sampleFolder, out: quantizedSample, ...recipe });
    await request('export/gguf', { path: sampleFolder, type: 'Q8_0', out: exported });
  });

  it.each(safetensors)('%s: %s', async (_, code, plant) => {
    const folder = copyOfSample();
    await plant(folder);
    expect(await codesIn(join(folder, weights))).toContain(code);
  });

  it.each(sharded)('%s among shards: %s', async (_, code, plant) => {
    const folder = await shardedSample();
    await plant(folder);
    expect(await codesIn(join(folder, 'model.safetensors.index.json'))).toContain(code);
  });

  it.each([
    [
      'tokenizer_config.json',
      [
        { name: 'default', template: good },
        { name: 'tool_use', template: `${good} ` },
      ],
    ],
    ['chat_template.json', good],
  ])('nothing in a chat whose templates are in %s', async (name, stated) => {
    const folder = copyOfSample();
    addTokensOfChat(folder);
    if (name === 'chat_template.json') writeFileSync(join(folder, name), '{}');
    editJson(folder, name, (json) => (json['chat_template'] = stated));
    expect((await codesIn(folder)).filter((code) => code.startsWith('chat-template/'))).toEqual([]);
  });

  it.each([
    ['that names a file of another folder', '{"weight_map":{"a":"../model.safetensors"}}'],
    ['without a map', '{}'],
    ['that lists nothing', '{"weight_map":{}}'],
    ['that is cut off', '{"weight_map":{"a":"mod'],
  ])('an index %s, which opening the folder ignores', async (_, text) => {
    const folder = await shardedSample();
    writeFileSync(join(folder, 'model.safetensors.index.json'), text);
    expect(await codesIn(folder)).toEqual(['index/unreadable']);
  });

  it('a shard that the index forgets, with which no index is written again', async () => {
    const folder = await shardedSample();
    editMap(folder, (map) => {
      for (const [name, shard] of Object.entries(map)) if (shard.includes('-00002-')) delete map[name];
      map['more'] = 'model-00001-of-00002.safetensors';
    });
    const { findings, written } = await request('model/doctor', { path: folder, fix: true });
    const ofIndex = findings.filter(({ code }) => code.startsWith('index/'));
    expect(ofIndex.map(({ code, message }) => [code, message])).toEqual([
      [
        'index/unlisted-tensor',
        'model-00002-of-00002.safetensors is there, but the index names no tensor of it.',
      ],
      ['index/missing-tensor', expect.stringContaining('(more)')],
    ]);
    expect(written).toEqual([]);
  });

  it('nothing in a quantized checkpoint', async () => {
    expect(await codesIn(quantizedSample)).toEqual([]);
  });

  it.each(quantized)('%s in a quantized checkpoint: %s', async (_, code, plant) => {
    const folder = temporaryFolder();
    cpSync(quantizedSample, folder, { recursive: true });
    await plant(folder);
    expect(await codesIn(folder)).toContain(code);
  });

  it('all codes there are', () => {
    const rows = [safetensors, sharded, gguf, quantized].flat();
    const planted = new Set<string>(rows.map(([, code]) => code));
    expect(Object.keys(codes).filter((code) => !planted.has(code))).toEqual([]);
  });

  it('nothing in what an export wrote', async () => {
    expect(await codesIn(exported)).toEqual([]);
    expect(await codesIn(await shardedSample())).toEqual([]);
    expect(await codesIn(copyOfSample())).toEqual([]);
  });

  it.each(gguf)('%s in a GGUF file: %s', async (_, code, plant) => {
    const folder = temporaryFolder();
    copyFileSync(exported, join(folder, ggufName));
    await plant(folder);
    expect(await codesIn(join(folder, ggufName))).toContain(code);
  });
});
