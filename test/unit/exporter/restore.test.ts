import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { beforeAll, describe, expect, it } from 'vitest';
import { listedClass, sameModel } from '../../../src/architectures/classNames';
import { configRows } from '../../../src/architectures/restore/configRows';
import { planConversion } from '../../../src/exporter/convert/planConversion';
import { exportGguf } from '../../../src/exporter/exportGguf';
import type { ExportTarget } from '../../../src/exporter/plan';
import { loadNative } from '../../../src/native';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { invertTensors } from '../../../src/architectures/restore/invertTensors';
import { QuantscopeError } from '../../../src/model/errors';
import { openModel } from '../../../src/layouts/openModel';
import type { ConvertDtype } from '../../../src/protocol/convert';
import { checkpoints } from '../../support/checkpoints';
import { embeddingCheckpoints } from '../../support/embeddingCheckpoints';
import { convert } from '../../support/conversion';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { mixedLines } from '../../support/tokenizerLines';
import { mistralSmall } from '../../support/wrappedCheckpoints';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();

/** Tensors that cannot be told: of YaRN with divisors that several settings lead to, and of dense layers behind the pooling. */
const notTold = (name: string): string | undefined => {
  if (/YaRN between pairs|YaRN, its borders/.test(name)) return 'rope_freqs.weight';
  return /^EmbeddingGemma( with another order.*)?$/.test(name) ? 'dense_2.weight' : undefined;
};

/** What checkpoints hold and files do not: buffers that follow from config.json, what predicts further tokens or masked words, and poolers. */
const besides =
  /inv_freq$|\.attn\.bias$|attention\.(masked_)?bias$|^layers\.\d+\.(eh_proj|enorm|hnorm|shared_head)\b|^mtp[._]|^pooler\.|^cls\.|^lm_head\.(dense|bias|layer_norm)|^head\.|^decoder\.|position_ids$/;

const isWithoutBos = (name: string): boolean => /^gemma4\b/.test(name);

/** Checkpoints that come back with weights under other names, in plain numbers instead of blocks, or multiplied by what config.json stated. */
const isStoredOtherwise = (name: string): boolean =>
  /gamma and beta|^gpt-oss$|gpt-oss, YaRN|^falconh1/.test(name);

/** Where the table of a file has rows that the checkpoint lacks, or lacks rows that no text has: the bytes that both have. */
const common: Readonly<Record<string, (before: Buffer, after: Buffer) => readonly [Buffer, Buffer]>> = {
  'embed_tokens_per_layer.weight': (before, after) => [before, after.subarray(0, before.length)],
  'embeddings.position_embeddings.weight': (before, after) => [
    before.subarray(before.length - (48 * before.length) / 64),
    after.subarray(after.length - (48 * before.length) / 64),
  ],
};

/** Whether a config.json of the class of a checkpoint can be made. */
const hasRow = (config: Readonly<Record<string, unknown>>): boolean =>
  configRows.some(({ className }) => sameModel(className, listedClass(config) ?? '')) ||
  /^MistralFor/.test(listedClass(config) ?? '');

const all = { ...checkpoints, ...embeddingCheckpoints };

async function toGguf(source: string, out: string): Promise<void> {
  const model = await openModel(source);
  await exportGguf(model, { type: 'F32' }, out).finally(() => model.close());
}

const wrapped =
  /^(?:model\.language_model|language_model\.model|model|transformer|gpt_neox|backbone|bert|roberta)\./;

/** Bytes of all tensors by name, without the prefix that a class with a head has. */
async function weightsOf(path: string): Promise<Map<string, Buffer>> {
  const model = await openModel(path);
  const found = new Map<string, Buffer>();
  for (const tensor of model.description.tensors) {
    const bytes = await model.read(tensor, 0, tensor.byteLength);
    found.set(tensor.name.replace(wrapped, ''), Buffer.from(bytes));
  }
  await model.close();
  return found;
}

/** Key-values of the architecture and the tokenizer, in the order of the file; of lists the first elements. */
async function keysOf(path: string): Promise<unknown[][]> {
  const model = await openModel(path);
  const { metadata } = model.gguf!;
  await model.close();
  const architecture = String(metadata.get('general.architecture')?.scalar);
  return [...metadata].flatMap(([key, { type, scalar, array }]) =>
    /^tokenizer\./.test(key) || key.startsWith(`${architecture}.`) ? [[key, type, scalar, array?.first]] : [],
  );
}

describe('a checkpoint, its GGUF file in F32, and the checkpoint again', () => {
  it.each(Object.keys(all))('%s', async (name) => {
    const spec = all[name]!;
    const here = (end: string): string => join(folder, `${name.replaceAll(/\W+/g, '-')}${end}`);
    await writeCheckpoint(here(''), spec);
    await toGguf(here(''), here('.gguf'));
    const dtype = (spec.dtype ?? 'BF16').toLowerCase() as ConvertDtype;
    const result = await convert(here('.gguf'), here('-again'), { dtype }).catch((error: unknown) => error);
    const tensor = notTold(name);
    if (tensor !== undefined) return expect(result).toMatchObject({ code: 'UNSUPPORTED', place: { tensor } });
    if (result instanceof QuantscopeError && !hasRow(spec.config))
      return expect(result).toMatchObject({ code: 'UNSUPPORTED' });
    // That of Gemma 4 puts a token before each text, which the tiny ones do not have.
    const notes = isWithoutBos(name)
      ? [expect.stringMatching(/^The tokenizer is left out: .*bos_token_id/)]
      : [];
    expect(result).toMatchObject({ notes });
    if (isWithoutBos(name)) cpSync(here('/tokenizer.json'), here('-again/tokenizer.json'));
    if (hasRow(spec.config) && !isStoredOtherwise(name)) {
      const [before, after] = [await weightsOf(here('')), await weightsOf(here('-again'))];
      for (const [part, bytes] of after) {
        const [stored, restored] = common[part]?.(before.get(part)!, bytes) ?? [before.get(part)!, bytes];
        expect(restored.equals(stored), part).toBe(true);
      }
      expect([...before.keys()].filter((part) => !after.has(part) && !besides.test(part))).toEqual([]);
    }
    // It exports to the same file: key-values, those of the tokenizer included, and tensors.
    await toGguf(here('-again'), here('-again.gguf'));
    const keys = await keysOf(here('.gguf'));
    const stated = new Set(keys.map(([key]) => key));
    const again = await keysOf(here('-again.gguf'));
    // A size of heads that the hidden size leads to may be stated.
    const isImplied = (key: unknown): boolean =>
      !stated.has(key) && /attention\.(key|value)_length$/.test(String(key));
    expect(again.filter(([key]) => !isImplied(key))).toEqual(keys);
    const [first, second] = [await weightsOf(here('.gguf')), await weightsOf(here('-again.gguf'))];
    expect([...second.keys()].sort()).toEqual([...first.keys()].sort());
    for (const [tensor, bytes] of second) expect(bytes.equals(first.get(tensor)!), tensor).toBe(true);
  });
});

describe('a GGUF file as safetensors', () => {
  const sample = join(folder, 'sample.gguf');
  beforeAll(async () => {
    const model = await openModel(sampleFolder);
    await exportGguf(model, { type: 'Q8_0' }, sample).finally(() => model.close());
  });

  it('has its blocks decoded, under the names of the checkpoint', async () => {
    const out = join(folder, 'sample-f32');
    const { notes } = await convert(sample, out, { dtype: 'f32' });
    expect(notes).toEqual(['44 tensors of quantized types are decoded.']);
    const model = await openModel(sample);
    const weights = await weightsOf(out);
    const values = new Float32Array(model.tensor('blk.0.ffn_up.weight').elements);
    const stored = await model.read(model.tensor('blk.0.ffn_up.weight'), 0, (values.length / 32) * 34);
    await loadNative().decode('Q8_0', stored, values);
    await model.close();
    expect(weights.get('layers.0.mlp.up_proj.weight')!.equals(Buffer.from(values.buffer))).toBe(true);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({
      ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', torch_dtype: 'float32' },
      ...{ rms_norm_eps: 1e-5, tie_word_embeddings: false, vocab_size: 1024 },
    });
    // Where no dtype is asked for, blocks become F16 and floats stay.
    await convert(sample, join(folder, 'sample-own'), {});
    const own = await openModel(join(folder, 'sample-own'));
    expect(own.tensor('model.layers.0.mlp.up_proj.weight').dtype).toBe('F16');
    expect(own.tensor('model.norm.weight').dtype).toBe('F32');
    await own.close();
  });

  it('has floats of 64 bits rounded to 32, with a note, under names of a checkpoint', async () => {
    const model = await openModel(sample);
    const wide = ({ name, ...tensor }: TensorDescriptor): TensorDescriptor =>
      name === 'output_norm.weight'
        ? { ...tensor, name, dtype: 'F64', byteLength: 2 * tensor.byteLength }
        : { ...tensor, name };
    const description = { ...model.description, tensors: model.description.tensors.map(wide) };
    const changed = Object.create(model, { description: { value: description } }) as typeof model;
    const { tensors, notes } = await planConversion(changed);
    expect(tensors.find(({ name }) => name === 'model.norm.weight')).toMatchObject({
      from: 'F64',
      dtype: 'F32',
    });
    expect(notes).toContain('1 tensor of float64 is rounded, "model.norm.weight" to F32.');
    // Only a folder has files of a tokenizer, of which something may have to be said.
    expect(await planConversion(changed, { names: 'gguf' })).not.toHaveProperty('notesOfFiles');
    await model.close();
  });

  it('has rotation stated where the class would stretch it otherwise', async () => {
    const here = (end: string): string => join(folder, `mistral-small-heads${end}`);
    const text_config = { ...(mistralSmall.config['text_config'] as object), head_dim: 16 };
    await writeCheckpoint(here(''), { ...mistralSmall, config: { ...mistralSmall.config, text_config } });
    await toGguf(here(''), here('.gguf'));
    await convert(here('.gguf'), here('-again'), {});
    const config = JSON.parse(readFileSync(join(here('-again'), 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({
      architectures: ['Ministral3ForCausalLM'],
      rope_parameters: { rope_type: 'default', rope_theta: 10_000 },
    });
    expect(config).not.toHaveProperty('rope_theta');
  });

  it('has a tokenizer that gives the ids of the original', async () => {
    const out = join(folder, 'with-tokenizer');
    await convert(sample, out, {});
    const read = (path: string): Tokenizer =>
      new Tokenizer(JSON.parse(readFileSync(join(path, 'tokenizer.json'), 'utf8')) as never, {});
    const [original, restored] = [read(sampleFolder), read(out)];
    for (const line of [...mixedLines(), 'a<|endoftext|> b'])
      expect(restored.encode(line).ids, line).toEqual(original.encode(line).ids);
  });

  it('is read from all parts of a split model', async () => {
    const model = await openModel(sample);
    const split = { kind: 'tensors', value: 20 } as const;
    await exportGguf(model, { type: 'COPY', split }, join(folder, 'split.gguf')).finally(() => model.close());
    await convert(sample, join(folder, 'of-one.safetensors'), {});
    await convert(join(folder, 'split-00001-of-00003.gguf'), join(folder, 'of-parts.safetensors'), {});
    const [one, parts] = [
      await weightsOf(join(folder, 'of-one.safetensors')),
      await weightsOf(join(folder, 'of-parts.safetensors')),
    ];
    expect(parts.size).toBe(57);
    for (const [name, bytes] of parts) expect(bytes.equals(one.get(name)!), name).toBe(true);
  });

  it('keeps its own names where these are asked for, whatever its architecture', async () => {
    const out = join(folder, 'own-names.safetensors');
    await convert(sample, out, { names: 'gguf' });
    const names = [...(await weightsOf(out)).keys()];
    const model = await openModel(sample);
    expect(new Set(names)).toEqual(new Set(model.description.tensors.map(({ name }) => name)));
    await model.close();
  });

  it('is an error where no config.json leads to a key-value, or no rule to a tensor', async () => {
    const changed = async (name: string, target: Partial<ExportTarget>): Promise<string> => {
      const out = join(folder, `${name}.gguf`);
      const model = await openModel(sample);
      await exportGguf(model, { type: 'COPY', ...target }, out).finally(() => model.close());
      return out;
    };
    const scaled = await changed('scaled', { overrideKeyValues: ['llama.logit_scale=float:0.5'] });
    await expect(convert(scaled, join(folder, 'never'), {})).rejects.toThrow(
      'The key-value "llama.logit_scale" is 0.5, but a config.json of LlamaForCausalLM cannot state it.',
    );
    const longer = await changed('longer', { overrideKeyValues: ['llama.block_count=int:3'] });
    await expect(convert(longer, join(folder, 'never'), {})).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      place: { tensor: 'blk.3.attn_k.weight' },
    });
    await expect(convert(sample, join(folder, 'never'), { decode: true })).rejects.toThrow(/--decode/);
    await expect(convert(sampleFolder, join(folder, 'never'), { names: 'gguf' })).rejects.toThrow(
      /for GGUF files/,
    );
    expect(existsSync(join(folder, 'never'))).toBe(false);
  });
});

describe('rules without an inverse', () => {
  const source: TensorDescriptor = {
    ...{ name: 'w', dtype: 'F32', shape: [4, 2], elements: 8, file: 'm.gguf', offset: 0, byteLength: 32 },
    readable: true,
  };
  const file = { ...source, name: 'blk.0.w.weight' };
  const byName = new Map([[file.name, file]]);
  const pieces = [{ tensor: source, firstRow: 0, rows: 4 }];
  const converted = { name: file.name, shape: [4, 2], columns: 2, pieces };
  const inverse = (change: object) => () => invertTensors([{ ...converted, ...change }], byName, new Set());

  it.each([
    [{ fold: 2 }, /the rule "fold"/],
    [{ map: 'tanh' }, /the rule "tanh"/],
    [{ unit: { rows: 2, order: 'shuffle' } }, /the rule "shuffle"/],
    [{ unit: { rows: 2, order: 'transpose', columns: { first: 0, step: 2 } } }, /not have all rows of w/],
    [{ pieces: [{ ...pieces[0], step: 2 }] }, /not have all rows of w/],
    [{ unit: { rows: 2, order: 'interleave' }, pieces: [{ ...pieces[0], step: 2 }] }, /the rule "step"/],
    [{ shape: [2, 4] }, /its shape is \[4, 2\] instead of \[2, 4\]/],
    [{ pieces: [{ ...pieces[0], rows: 3 }] }, /only 6 of 8 weights/],
    [{ pieces: [{ ...pieces[0], firstRow: 1, rows: 3 }] }, /no rows for a part of w/],
    [{ pieces: [pieces[0], pieces[0]] }, /two different sets of rows for a part of w/],
  ])('are named: %j', (change, message) => {
    expect(inverse(change)).toThrow(message);
    expect(inverse({})()).toHaveLength(1);
  });
});
