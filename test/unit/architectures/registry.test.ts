import { expect, it } from 'vitest';
import { architectureFor, forwardOf } from '../../../src/architectures/registry';

it('an architecture that is not described is named, with the closest one', () => {
  expect(() => architectureFor({ architectures: ['Qwen2ForCausalML'] }, '/m/config.json')).toThrow(
    /^There is no description of the architecture Qwen2ForCausalML, .* Did you mean "Qwen2ForCausalLM"\? README\.md lists/,
  );
  expect(() => architectureFor({ model_type: 'entirely-different' }, '/m/config.json')).toThrow(
    /^There is no description of the architecture "entirely-different", so its tensors cannot be named for GGUF\. README\.md lists .* Any GGUF file can be exported\. \(\/m\/config\.json\)$/,
  );
});

it('an architecture that config.json does not name is said to be missing', () => {
  expect(() => architectureFor({}, '/m/config.json')).toThrow(
    /^"model_type" is missing, and no class is listed in "architectures", so the tensors cannot be named for GGUF\. README\.md/,
  );
  expect(() => architectureFor({ model_type: null }, '/m/config.json')).toThrow(/^"model_type" is null, and/);
});

it('an architecture that cannot be run is named, with the closest one before the list', () =>
  expect(() => forwardOf('lama', '/m.gguf')).toThrow(
    /^Models of the architecture "lama" cannot be run\. Did you mean "llama"\? Those of \d+ architectures can: .*gemma, /,
  ));
