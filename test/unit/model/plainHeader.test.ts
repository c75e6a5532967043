import { describe, expect, it } from 'vitest';
import { openFileSource } from '../../../src/model/byteSource';
import { QuantscopeError } from '../../../src/model/errors';
import { readSafetensorsHeader } from '../../../src/model/safetensors';
import { readWeightIndex } from '../../../src/model/weightIndex';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();

/** What reading gives, without what depends on the header's length. */
async function outcome(header: string): Promise<unknown> {
  const path = writeFile(folder, 'a.safetensors', safetensorsBytes(header, 64));
  const source = await openFileSource(path);
  try {
    const { tensors, metadata, fileMetadata, warnings } = await readSafetensorsHeader(source);
    const start = 8 + Buffer.byteLength(header);
    return {
      tensors: tensors.map((tensor) => ({ ...tensor, offset: tensor.offset - start })),
      ...{ metadata, fileMetadata, warnings },
    };
  } catch (error) {
    if (!(error instanceof QuantscopeError)) throw error;
    return error.message.replace(/byte \d+/g, 'byte');
  } finally {
    await source.close();
  }
}

/** The same header with an escape in it, which is not how libraries write headers: the general reader reads it. */
const unusual = (header: string): string =>
  header.includes('"dtype"') ? header.replace('"dtype"', String.raw`"\u0064type"`) : header;

const entry = (begin: number, end: number): string =>
  `{"dtype":"F32","shape":[${(end - begin) / 4}],"data_offsets":[${begin},${end}]}`;

const nested = (lists: number): string => '['.repeat(lists) + ']'.repeat(lists);

const headers: Readonly<Record<string, string>> = {
  'written by the library': `{"__metadata__":{"format":"pt"},"b":${entry(32, 64)},"a":${entry(0, 32)}}   `,
  'with spaces and members in another order': `{ "a" : {"data_offsets": [0, 64],\n\t"shape" :[ 2 , 8 ],"dtype": "F32" } }`,
  'metadata with escapes, accents and nested values': `{"a":${entry(0, 64)},"__metadata__":{"k\\"}":"é } ] \\\\","n":[{"x":1}]}}`,
  'metadata that is not an object': `{"a":${entry(0, 64)},"__metadata__":3}`,
  'metadata that nests as deep as a header may': `{"a":${entry(0, 64)},"__metadata__":{"k":${nested(98)}}}`,
  'metadata that nests deeper': `{"a":${entry(0, 64)},"__metadata__":{"k":${nested(99)}}}`,
  'metadata that is not JSON': `{"a":${entry(0, 64)},"__metadata__":{"k":}}`,
  'a name with accents': `{"é":${entry(0, 64)}}`,
  'scalars and empty tensors':
    '{"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]},"r":{"dtype":"U8","shape":[56],"data_offsets":[8,64]}}',
  'a name twice': `{"a":${entry(0, 32)},"a":${entry(32, 64)}}`,
  'a member twice': '{"a":{"dtype":"F32","dtype":"F32","shape":[16],"data_offsets":[0,64]}}',
  'a member that is not known': '{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64],"more":1}}',
  'a member too few': '{"a":{"dtype":"F32","shape":[16]}}',
  'a size that is not whole': '{"a":{"dtype":"F32","shape":[16.5],"data_offsets":[0,64]}}',
  'a negative size': '{"a":{"dtype":"F32","shape":[-16],"data_offsets":[0,64]}}',
  'an exponent': '{"a":{"dtype":"F32","shape":[1.6e1],"data_offsets":[0,64]}}',
  'a leading zero': '{"a":{"dtype":"F32","shape":[016],"data_offsets":[0,64]}}',
  'a size beyond exact numbers': '{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,64]}}',
  'three offsets': '{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64,64]}}',
  'too many dimensions': `{"a":{"dtype":"F32","shape":[${Array(33).fill(1).join(',')}],"data_offsets":[0,4]}}`,
  'a comma at the end': `{"a":${entry(0, 64)},}`,
  'text after the end': `{"a":${entry(0, 64)}} x`,
  'an end that is missing': `{"a":${entry(0, 64)}`,
  'a name that does not end': '{"a',
  'a dtype that is not known': '{"a":{"dtype":"X9","shape":[16],"data_offsets":[0,64]}}',
  'bytes that do not fit the shape': '{"a":{"dtype":"F32","shape":[15],"data_offsets":[0,64]}}',
  'data beyond the file': `{"a":${entry(0, 64)},"b":${entry(64, 128)}}`,
  nothing: '{}',
};

describe('a header is read as its JSON says, however it is written', () => {
  it.each(Object.entries(headers))('%s', async (_, header) => {
    const padding = ' '.repeat(unusual(header).length - header.length);
    expect(await outcome(header + padding)).toEqual(await outcome(unusual(header)));
  });

  it('tensors that have equal shapes share them', async () => {
    const { tensors } = (await outcome(`{"a":${entry(0, 32)},"b":${entry(32, 64)}}`)) as {
      tensors: { shape: number[] }[];
    };
    expect(tensors[0]!.shape).toBe(tensors[1]!.shape);
  });
});

describe('an index is read as its JSON says, however it is written', () => {
  const key = 'weight_map';
  const escaped = String.raw`weight\u005fmap`;
  const indexes: Readonly<Record<string, string>> = {
    'written by the library': `{"metadata":{"total_size":1},"${key}":{"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"}}`,
    'a tensor twice: the last counts': `{"${key}":{"a":"1.safetensors","a":"2.safetensors"}}`,
    'a shard in another folder': `{"${key}":{"a":"../1.safetensors"}}`,
    'a shard that is not a text': `{"${key}":{"a":1}}`,
    'another member that is not JSON': `{"metadata":{"total_size"},"${key}":{"a":"1.safetensors"}}`,
    'another member with brackets that do not match': `{"metadata":{"total_size":1]},"${key}":{"a":"1.safetensors"}}`,
    'another member that nests too deep': `{"metadata":{"k":${nested(99)}},"${key}":{"a":"1.safetensors"}}`,
    'a map twice: the last counts': `{"${key}":{"a":"1.safetensors"},"weight_map":{}}`,
    'a member after the map that is no object': `{"${key}":{"a":"1.safetensors"},"total":1}`,
    'a member after the map that is not JSON': `{"${key}":{"a":"1.safetensors"},"total":{"a"}}`,
    'an end that is missing after the map': `{"${key}":{"a":"1.safetensors"}`,
    'text after the end': `{"${key}":{"a":"1.safetensors"}} x`,
    'no map': '{"metadata":{}}',
    'a map that is a list': `{"${key}":["a"]}`,
    'not JSON': `{"${key}":{"a":"1.safetensors",}}`,
  };
  const read = (text: string | Buffer): Promise<unknown> =>
    readWeightIndex(writeFile(folder, 'model.safetensors.index.json', text)).then(
      ({ listed: { names, shards: of }, shards }) => ({
        shardOf: [...new Map(names.map((name, i) => [name, of[i]]))],
        shards: [...shards].sort(),
      }),
      (error: unknown) => (error as Error).message.replace(/(column|byte) \d+/g, ''),
    );
  it.each(Object.entries(indexes))('%s', async (_, text) => {
    expect(await read(text)).toEqual(await read(text.replace(key, escaped)));
  });

  it('wherever it is cut off or has a wrong character', async () => {
    const members = [0, 1, 2, 3].map((block) => `"l.${block}.a":"1.safetensors"`);
    const text = `{"${key}":{${members.join()}},"more":{}}`;
    const said = async (damaged: string) => JSON.stringify(await read(damaged)).replace(/\\+u005f/g, '_');
    for (let at = 0; at <= text.length; at++)
      for (const rest of ['', `"${text.slice(at + 1)}`, `}${text.slice(at)}`]) {
        const damaged = text.slice(0, at) + rest;
        expect(await said(damaged), damaged).toEqual(await said(damaged.replace(key, escaped)));
      }
  });

  it('another member that is not UTF-8', async () => {
    const bytes = Buffer.from(`{"metadata":{"by":"\xe9"},"${key}":{"a":"1.safetensors"}}`, 'latin1');
    expect(await read(bytes)).toMatch(/not UTF-8/);
  });
});
