import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { engineJobs } from '../../support/engineJobs';
import { hasSharedData, projectRoot, sharedData, temporaryFolder } from '../../support/files';

const { request } = engineJobs(temporaryFolder());

/** Files that are not healthy, as paths in `../shared`, and exactly what is found in each. Nothing may be found in any other. */
const unhealthy: readonly (readonly [path: RegExp, ...codes: string[]])[] = [
  [/^cases\/files\/(gz|html)\.safetensors$/, 'file/not-a-model'],
  [/^cases\/files\/trunc\.safetensors$/, 'file/truncated'],
  [/^cases\/folders\/stale\/model\.safetensors\.index\.json$/, 'index/missing-shard'],
  [/^cases\/hostile\/big\.safetensors$/, 'values/all-zero', 'values/f16-overflow'],
  [/^cases\/hostile\/escape-bad\.safetensors$/, 'layout/wrong-size'],
  [/^cases\/hostile\/(hover-injection\/evil|zero-shapes)\.safetensors$/, 'values/all-zero'],
  // Its template has no place for instructions and always begins the answer.
  [/^gguf\/ggml-vocab-phi-3\.gguf$/, 'chat-template/ignores-system', 'chat-template/no-generation-prompt'],
  [/(llamacpp-example|FUGG)-v1\.gguf$|lfs-pointer|pre-gguf/, 'file/not-a-model'],
  [/^hostile\/(ollama-test-6bytes\.gguf|safetensors_abuse_attempt_1\.safetensors)$/, 'file/header-cut'],
  [/^hostile\/(prototype-llamacpp-test_writer|utf8-mangled.*)\.gguf$/, 'file/unreadable'],
  [/^hostile\/weight-inspect-tiny-no-tensor-data\.gguf$/, 'file/truncated'],
  [/^index\/(mixtral|molmo|qwen).*\.index\.json$/, 'index/missing-shard'], // indexes alone
  [/^index\/sglang-awq\/model\.safetensors\.index\.json$/, 'file/header-cut'], // an empty file
  [/^safetensors\/weight-inspect-tiny\.safetensors$/, 'layout/unused-bytes'],
  // Made for tests of decoders: rows of zeros, columns that two bits round to 0, values that are no numbers.
  [/^reference\/(compressed-tensors|transformers-fp8)\/.*-w64x128\.special\./, 'values/dead-rows'],
  [/^reference\/compressed-tensors\/vectors\/W2A16-w64x128\.heavy\./, 'values/dead-columns'],
  [/^reference\/torchao\/vectors\/float8wo-bf16-w64x128\.special\./, 'values/nan'],
  [/^reference\/transformers-fp8\/vectors\/torch-float8-casts\./, 'values/infinite', 'values/nan'],
];

const isModel = /\.(gguf|safetensors|sft|bin|pt|pth|ckpt|index\.json)$/;
const modelsIn = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[])
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => isModel.test(name))
    .sort();

async function codesIn(path: string): Promise<string[]> {
  const { findings } = await request('model/doctor', { path });
  return [...new Set(findings.map(({ code }) => code))].sort();
}

async function findingsIn(folder: string): Promise<Readonly<Record<string, string[]>>> {
  const found: Record<string, string[]> = {};
  for (const name of modelsIn(folder)) {
    const codes = await codesIn(join(folder, name));
    if (codes.length > 0) found[name] = codes;
  }
  return found;
}

describe('the doctor on files as they are', () => {
  it('finds nothing in the sample', async () => {
    expect(await findingsIn(join(projectRoot, 'samples'))).toEqual({});
  });

  it.skipIf(!hasSharedData)(
    'finds nothing in models of others, and all that is wrong with the others',
    async () => {
      expect(await findingsIn(join(sharedData, '..', 'models'))).toEqual({});
      const expected = modelsIn(sharedData).flatMap((name) => {
        const [, ...codes] = unhealthy.find(([path]) => path.test(name)) ?? [];
        return codes.length > 0 ? [[name, codes] as const] : [];
      });
      expect(await findingsIn(sharedData)).toEqual(Object.fromEntries(expected));
      expect(modelsIn(sharedData).length - expected.length).toBeGreaterThan(400);
    },
  );
});
