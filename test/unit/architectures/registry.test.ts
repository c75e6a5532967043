import { expect, it } from 'vitest';
import { architectureFor, forwardOf } from '../../../src/architectures/registry';

it('an architecture that is not described is named, with the closest one before the list', () => {
  expect(() => architectureFor({ architectures: ['Qwen2ForCausalML'] }, '/m/config.json')).toThrow(
    /^There is no description of the architecture Qwen2ForCausalML, .* Did you mean "Qwen2ForCausalLM"\? .* \d+ classes are described: /,
  );
  expect(() => architectureFor({ model_type: 'entirely-different' }, '/m/config.json')).toThrow(
    /^There is no description of the architecture "entirely-different", so its tensors cannot be named for GGUF\. Any GGUF file can be exported\./,
  );
});

it('an architecture that cannot be run is named, with the closest one before the list', () =>
  expect(() => forwardOf('lama', '/m.gguf')).toThrow(
    /^A model of the architecture "lama" cannot be run\. Did you mean "llama"\? .* \d+ architectures can be run: /,
  ));
