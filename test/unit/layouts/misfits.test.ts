import { describe, expect, it } from 'vitest';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { openModel } from '../../../src/layouts/openModel';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

/** A file of zeros with these tensors, except for `bytes`. */
function checkpoint(
  tensors: Readonly<Record<string, readonly [dtype: string, shape: readonly number[], bytes?: Buffer]>>,
): string {
  const sizes: Readonly<Record<string, number>> = {
    I32: 4,
    F16: 2,
    F32: 4,
    U8: 1,
    I8: 1,
    I64: 8,
    F8_E4M3: 1,
  };
  let offset = 0;
  const data: Buffer[] = [];
  const header = Object.entries(tensors).map(([name, [dtype, shape, bytes]]) => {
    const length = shape.reduce((product, size) => product * size, sizes[dtype]!);
    data.push(bytes ?? Buffer.alloc(length));
    return [name, { dtype, shape, data_offsets: [offset, (offset += length)] }] as const;
  });
  const head = safetensorsBytes(Object.fromEntries(header), 0);
  return writeFile(temporaryFolder(), 'model.safetensors', Buffer.concat([head, ...data]));
}

const int32 = (...values: number[]): Buffer => Buffer.from(Int32Array.from(values).buffer);

async function namesOf(path: string): Promise<string[]> {
  const model = await openModel(path);
  await model.close();
  return model.description.tensors.map(({ name }) => name);
}

const gptq = (order: Buffer) =>
  ({
    'a.qweight': ['I32', [2, 8]],
    'a.qzeros': ['I32', [1, 1]],
    'a.scales': ['F16', [1, 8]],
    'a.g_idx': ['I32', [16], order],
  }) as const;

describe('parts that do not make up a weight', () => {
  it('a column in a group that is not there: reading fails, naming the part and its place', async () => {
    const order = new Array<number>(16).fill(0);
    const path = checkpoint(gptq(int32(...order.with(5, 1))));
    const model = await openModel(path);
    const tensor = model.tensor('a.weight');
    expect(tensor).toMatchObject({ dtype: 'GPTQ 4-bit', shape: [8, 16], elements: 128, byteLength: 148 });
    const read = async (): Promise<void> => {
      for await (const slab of new TensorReader(model, tensor).values()) expect(slab.weights).toBe(128);
    };
    const { offset = 0 } = tensor.stored!.parts.find(({ name }) => name === 'a.g_idx')!;
    await expect(read()).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringContaining('Column 5 is in group 1, but there are 1 groups.') as string,
      place: { file: path, tensor: 'a.g_idx', offset: offset + 20 },
    });
    await model.close();
  });

  it.each([
    [
      'GPTQ with scales of another width',
      { ...gptq(int32(...new Array<number>(16).fill(0))), 'a.scales': ['F16', [1, 9]] },
    ],
    [
      'AWQ with zero points of other groups',
      { 'a.qweight': ['I32', [16, 1]], 'a.qzeros': ['I32', [2, 1]], 'a.scales': ['F16', [1, 8]] },
    ],
    [
      'packed integers of another shape',
      {
        'a.weight_packed': ['I32', [8, 2]],
        'a.weight_scale': ['F16', [8, 1]],
        'a.weight_shape': ['I64', [2]],
      },
    ],
    ['LLM.int8 with scales of other rows', { 'a.weight': ['I8', [8, 16]], 'a.SCB': ['F32', [7]] }],
    ['MXFP4 with other blocks', { 'a.weight_packed': ['U8', [8, 16]], 'a.weight_scale': ['U8', [8, 2]] }],
    [
      'scales of permuted columns',
      {
        'a.weight': ['I8', [8, 16]],
        'a.weight_scale': ['F32', [8, 2]],
        'a.weight_g_idx': ['I32', [16]],
      },
    ],
    [
      'packed integers whose shape is a list of three',
      {
        'a.weight_packed': ['I32', [8, 2]],
        'a.weight_scale': ['F16', [8, 1]],
        'a.weight_shape': ['I64', [3]],
      },
    ],
    [
      'NVFP4 with a global scale for each row',
      {
        'a.weight_packed': ['U8', [8, 16]],
        'a.weight_scale': ['F8_E4M3', [8, 2]],
        'a.weight_global_scale': ['F32', [8]],
      },
    ],
    ['scales of no block', { 'a.weight': ['I8', [8, 16]], 'a.weight_scale': ['F32', [3, 5]] }],
    [
      'NF4 whose description is not JSON',
      {
        'a.weight': ['U8', [64, 1]],
        'a.weight.absmax': ['F32', [2]],
        'a.weight.quant_map': ['F32', [16]],
        'a.weight.quant_state.bitsandbytes__nf4': ['U8', [4]],
      },
    ],
  ] as [string, Parameters<typeof checkpoint>[0]][])('%s: shown as stored', async (_, tensors) => {
    expect(await namesOf(checkpoint(tensors))).toEqual(Object.keys(tensors));
  });

  it('NF4 of a shape that its codes do not have is shown as stored, with a warning', async () => {
    const state = Buffer.from(JSON.stringify({ quant_type: 'nf4', blocksize: 64, shape: [1e9, 1e9] }));
    const path = checkpoint({
      'a.weight': ['U8', [64, 1]],
      'a.weight.absmax': ['F32', [2]],
      'a.weight.quant_map': ['F32', [16]],
      'a.weight.quant_state.bitsandbytes__nf4': ['U8', [state.length], state],
    });
    const model = await openModel(path);
    await model.close();
    expect(model.description.tensors).toHaveLength(4);
    expect(model.description.warnings).toEqual([
      '"a.weight.quant_state.bitsandbytes__nf4" does not describe its weights: they are shown as stored.',
    ]);
  });

  it('LLM.int8 in the order of a GPU is shown as stored, with one warning for all matrices', async () => {
    const matrix = (name: string, order: number) =>
      ({
        [`${name}.weight`]: ['I8', [8, 16]],
        [`${name}.SCB`]: ['F32', [8]],
        [`${name}.weight_format`]: ['U8', [], Buffer.of(order)],
      }) as const;
    const path = checkpoint({ ...matrix('a', 1), ...matrix('b', 2), ...matrix('c', 0) });
    const model = await openModel(path);
    await model.close();
    const { tensors, warnings } = model.description;
    expect(tensors.filter(({ stored }) => stored).map(({ name }) => name)).toEqual(['c.weight']);
    expect(tensors).toHaveLength(7);
    expect(warnings).toEqual([
      '"a.weight" (and 1 more) is stored in the order of some GPUs (weight_format), which is not decoded: it is shown as stored.',
    ]);
  });

  it('parts of a weight that is there as a plain tensor too are shown as stored, with a warning', async () => {
    const order = int32(...new Array<number>(16).fill(0));
    const path = checkpoint({ ...gptq(order), 'a.weight': ['F32', [8, 16]] });
    const model = await openModel(path);
    await model.close();
    const { tensors, warnings } = model.description;
    expect(tensors.map(({ name }) => name)).toEqual([...Object.keys(gptq(order)), 'a.weight']);
    expect(warnings).toEqual([
      '"a.weight" is there as a plain tensor and in parts: the parts are shown as stored.',
    ]);
  });

  it('HQQ whose files do not say shapes is shown as stored, with a warning and what would be needed', async () => {
    const path = checkpoint({
      'a.W_q': ['U8', [64, 64]],
      'a.scale': ['F16', [128, 1]],
      'a.zero': ['F16', [128, 1]],
    });
    const model = await openModel(path);
    await model.close();
    const { tensors, warnings, notes } = model.description;
    expect(tensors.map(({ name }) => name)).toEqual(['a.W_q', 'a.scale', 'a.zero']);
    expect(warnings[0]).toContain('"a.W_q" of HQQ is shown as stored');
    expect(notes[0]).toContain(
      'The first one has a.W_q U8 [64, 64]; a.scale F16 [128, 1]; a.zero F16 [128, 1].',
    );
  });
});
