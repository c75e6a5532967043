import { expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpoints } from '../../../support/checkpoints';
import { describeTensors, keyValuesOf } from '../support';

it('mamba2 takes its epsilon by the name that its class reads, else by the other', () => {
  const { config, shapes } = checkpoints['mamba2']!;
  const epsilon = (change: object) =>
    keyValuesOf(convertCheckpoint(describeTensors(shapes), { ...config, ...change }, 'config.json'))[
      'mamba2.attention.layer_norm_rms_epsilon'
    ];
  expect(epsilon({ layer_norm_epsilon: 1e-3, rms_norm_eps: 1e-4 })).toBe(1e-3);
  expect(epsilon({ layer_norm_epsilon: undefined, rms_norm_eps: 1e-4 })).toBe(1e-4);
  expect(epsilon({ layer_norm_epsilon: undefined })).toBe(1e-5);
});
