import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../src/architectures/convertCheckpoint';
import { QuantscopeError } from '../../../src/model/errors';
import { checkpoints } from '../../support/checkpoints';
import { describeTensors } from './support';

const { config, shapes } = checkpoints['llama']!;

function problemOf(changed: Readonly<Record<string, readonly number[]>>, change: object = {}) {
  try {
    convertCheckpoint(describeTensors(changed), { ...config, ...change }, 'config.json');
  } catch (error) {
    if (error instanceof QuantscopeError) return { code: error.code, message: error.message };
    throw error;
  }
  return undefined;
}

const renamed = (from: string, to: string) =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name.replace(from, to), shape]));

describe('tensors that are not those of config.json', () => {
  it('are none in a checkpoint that fits', () => expect(problemOf(shapes)).toBeUndefined());

  it('are all in one message: missing, unexpected and of another shape', () => {
    const changed = { ...renamed('up_proj', 'up_projection'), 'model.norm.weight': [63] };
    expect(problemOf(changed)).toEqual({
      code: 'MODEL_FILE',
      message:
        'The checkpoint\'s tensors are not those that config.json leads to in GGUF\'s architecture "llama". ' +
        '2 tensors are missing: "model.layers.0.mlp.up_proj.weight" [96, 64]; is it "model.layers.0.mlp.up_projection.weight"? (and 1 alike). ' +
        '2 tensors are unexpected: "model.layers.0.mlp.up_projection.weight" [96, 64] (and 1 alike). ' +
        '1 tensor is of another shape: "model.norm.weight" is [63], not [64]. (config.json)',
    });
  });

  it('are looked for behind a prefix', () =>
    expect(problemOf(renamed('model.', 'text.decoder.'))?.message).toContain(
      '"layers.0.self_attn.o_proj.weight" [64, 64]; is it "text.decoder.layers.0.self_attn.o_proj.weight"?',
    ));

  it('are not supported where they are only unexpected', () => {
    const more = { 'model.layers.0.a.weight': [1], 'model.layers.1.a.weight': [1], b: [2] };
    expect(problemOf({ ...shapes, ...more })).toEqual({
      code: 'UNSUPPORTED',
      message: expect.stringContaining(
        '3 tensors are unexpected: "model.layers.0.a.weight" [1] (and 1 alike), "b" [2].',
      ) as string,
    });
  });

  it('are named up to eight of a kind, and counted', () => {
    const strangers = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`stranger_${i}`, [1]]));
    const message = problemOf({ ...shapes, ...strangers })!.message;
    expect(message).toMatch(
      /30 tensors are unexpected: "stranger_0" \[1\], .*"stranger_7" \[1\] and 22 more\./,
    );
    expect(message).not.toContain('stranger_8');
  });

  it('end early where config.json asks for more layers than any list is good for', () => {
    const many = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`x${i}`, [1]]));
    const message = problemOf({ ...shapes, ...many }, { num_hidden_layers: 60_000 })!.message;
    expect(message).toContain('10,000 tensors are missing');
    expect(message).not.toContain('unexpected');
    expect(message.length).toBeLessThan(2000);
  });
});
