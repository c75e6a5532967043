import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkpoints } from '../../support/checkpoints';
import { temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const source = join(folder, 'renamed');
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
  const { config, shapes } = checkpoints['llama']!;
  const renamed = Object.entries(shapes).map(
    ([name, shape]) => [name.replace('up_proj', 'w3'), shape] as const,
  );
  await writeCheckpoint(source, { config, shapes: { ...Object.fromEntries(renamed), extra: [3] } });
});

const quantscope = (...args: string[]): Promise<Ended> =>
  runProgram(cli, args, { cache: join(folder, 'cache') });

describe('a checkpoint whose tensors are not those of its config.json', () => {
  const missing = '2 tensors are missing: "model.layers.0.mlp.up_proj.weight" [96, 64]';
  const unexpected =
    '3 tensors are unexpected: "model.layers.0.mlp.w3.weight" [96, 64] (and 1 alike), "extra" [3].';

  it('is inspected with a note that names them all', async () => {
    const { code, stdout } = await quantscope('inspect', source);
    expect(code).toBe(0);
    expect(stdout).toContain(missing);
    expect(stdout).toContain(unexpected);
  });

  it('is not exported, which a dry run says, too', async () => {
    for (const rest of [['--dry-run'], ['--out', join(folder, 'out.gguf')]]) {
      const { code, stderr } = await quantscope('export', source, '--type', 'Q4_K_M', ...rest);
      expect(code).toBe(1);
      expect(stderr).toContain(missing);
      expect(stderr).toContain(unexpected);
    }
  });
});
