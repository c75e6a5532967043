import { basename, dirname } from 'node:path';
import { expect, it } from 'vitest';
import { nameFromPath } from '../../../src/model/modelName';
import { hubAddress } from '../../../src/model/remote/address';

const files = `${hubAddress({})}/owner/some-model/resolve`;

it.each([
  ['/models/llama/model-00001-of-00002.safetensors', 'llama'],
  ['/models/llama/tiny.Q4_0.gguf', 'tiny.Q4_0'],
  [`${files}/main/model.safetensors`, 'some-model'],
  [`${files}/main/tiny.gguf`, 'tiny'],
  [`${files}/main`, 'some-model'],
  [`${files}/refs%2Fpr%2F3`, 'some-model'],
  ['https://server.example/llama/model.safetensors', 'llama'],
])('the name of %s', (path, name) => {
  expect(nameFromPath(dirname(path), basename(path))).toBe(name);
});
