import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { modelTable } from '../../support/modelTable';
import { architectures } from '../../../src/architectures/registry';
import { projectRoot } from '../../support/files';

const readme = join(projectRoot, 'README.md');
const [begin, end] = ['<!-- models:begin -->', '<!-- models:end -->'];

it('a row says what can be done with a family', () => {
  const named = (name: string) => architectures.filter((description) => description.name === name);
  expect(modelTable([...named('seed_oss'), ...named('gemma-embedding'), ...named('falcon')])).toBe(
    [
      '| models | classes | GGUF | export | evaluation | calibrated methods | notes |',
      '| --- | --- | --- | --- | --- | --- | --- |',
      '| EmbeddingGemma | `Gemma3TextModel` | `gemma-embedding` | yes | of pairs | no | it embeds texts and predicts none |',
      '| Falcon | `FalconForCausalLM`, `RWForCausalLM` | `falcon` | yes | no | no |  |',
      '| Seed-OSS | `SeedOssForCausalLM` | `seed_oss` | yes | yes | yes |  |',
    ].join('\n'),
  );
});

/** Written again by `npm run models`. */
it('the table in README.md is that of the registry', () => {
  const text = readFileSync(readme, 'utf8');
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  const fresh = `${text.slice(0, from)}\n\n${modelTable(architectures)}\n\n${text.slice(to)}`;
  if (process.env['QUANTSCOPE_UPDATE_DOCS'] === '1') writeFileSync(readme, fresh);
  expect(readFileSync(readme, 'utf8')).toBe(fresh);
});
