import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printPlan } from '../../../src/ampq/planFile';
import { readPlan } from '../../../src/engine/evaluation/weightVariant';
import type { Plan } from '../../../src/protocol/plan';
import { temporaryFolder, writeFile } from '../../support/files';

const plan: Plan = {
  version: 2,
  model: { name: 'm', hash: 'abc', parameters: 512 },
  budget: { kind: 'bytes', value: 1000 },
  total: { bytes: 288, bitsPerWeight: 4.5 },
  notes: [],
  assignments: [{ tensor: 'a', sources: [], format: 'Q4_K', bitsPerWeight: 4.5, bytes: 288 }],
};

const fileOf = (content: string | Buffer): string => writeFile(temporaryFolder(), 'p.ampq.json', content);

describe('the file of a plan', () => {
  it('may begin with a byte order mark, as editors of Windows write it', async () => {
    expect(await readPlan(fileOf(`\uFEFF${printPlan(plan)}`))).toEqual(plan);
  });

  it.each<[string, string | Buffer, string]>([
    ['is empty', '', 'The file is empty.'],
    ['is UTF-16', Buffer.from('\uFEFF{}', 'utf16le'), 'The file is UTF-16 text: save it as UTF-8.'],
    ['is not UTF-8', Buffer.from([0x7b, 0xe9, 0x7d]), 'The file is not UTF-8 text.'],
    [
      'has a comma too many',
      '{\n "version": 2,\n}',
      'The file is not JSON: in line 2, column 14, there is a comma before "}", where JSON has none.',
    ],
    [
      'nests too deep',
      '['.repeat(101),
      'The file is not JSON: in line 1, column 101, objects and lists are nested more than 100 deep.',
    ],
    [
      'has a size that is not a number',
      printPlan(plan).replace('288,', 'NaN,'),
      'The plan is not valid: $.total.bytes must be a whole number from 0 to 2^53 − 1.',
    ],
  ])('is rejected with its place when it %s', async (_, content, message) => {
    const file = fileOf(content);
    await expect(readPlan(file)).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringContaining(message) as string,
      place: { file },
    });
  });

  it('is rejected when it cannot be opened', async () => {
    const file = join(temporaryFolder(), 'absent.ampq.json');
    await expect(readPlan(file)).rejects.toMatchObject({ code: 'IO', place: { file } });
  });
});
