import { expect, it } from 'vitest';
import type { Fault, FaultKind } from '../../../src/protocol/verify';
import { damageText, tensorDamageText } from '../../../src/protocol/verifyText';

const fault = (kind: FaultKind): Fault => ({ kind, file: '/m.gguf', tensor: 'a', message: 'Wrong.' });

it('calls files damaged unless all that is wrong are values, which may have been written so', () => {
  expect(damageText([fault('values'), fault('values')])).toMatch(/^Some values or scales in these files/);
  expect(damageText([fault('values'), fault('bytes')])).toMatch(/^Damaged: /);
  expect(tensorDamageText([fault('values')])).toMatch(/^Some values or scales of the tensor/);
  expect(tensorDamageText([fault('bounds')])).toBe('The tensor is damaged.');
});
