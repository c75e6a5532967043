import { describe, expect, it } from 'vitest';
import type { MethodDescription } from '../../../src/protocol/recipe';
import { optionsOf, optionsText } from '../../../webview/methodOptions';

const method: MethodDescription = {
  ...{ id: 'gptq', label: 'GPTQ', description: '', evidence: 'hessian' },
  options: [
    { name: 'damping', description: '', type: 'number', default: 0.01, minimum: 0, maximum: 1 },
    { name: 'act_order', description: '', type: 'boolean', default: true },
    { name: 'scales', description: '', type: 'choice', default: 'a', choices: ['a', 'b'] },
  ],
};

describe('options of a method, as they are typed', () => {
  it('are those that differ from the defaults', () => {
    expect(optionsOf({ damping: '0.05', act_order: 'true', scales: 'b' }, method)).toEqual({
      ...{ damping: 0.05, scales: 'b' },
    });
    expect(optionsOf({ damping: ' ', act_order: '' }, method)).toEqual({});
    expect(optionsText({ damping: 0.05, act_order: false })).toBe('damping 0.05, act_order false');
  });

  it.each(['2', '-0.1', 'many'])('do not take %s for a number from 0 to 1', (damping) =>
    expect(() => optionsOf({ damping }, method)).toThrow(
      `damping: “${damping}” is not a number from 0 to 1.`,
    ),
  );
});
