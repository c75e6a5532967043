import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { architectures } from '../../src/architectures/registry';
import { allCheckpoints, convertedSpec } from '../support/descriptionParts';
import { hasOracle, llamaLibrary } from '../support/llamaCpp';

/** What descriptions make of all tiny checkpoints. */
const made = Object.entries(allCheckpoints).map(([name, spec]) => ({ name, ...convertedSpec(spec) }));

describe.skipIf(!hasOracle)('names that descriptions write', () => {
  const library = hasOracle ? readFileSync(llamaLibrary()) : Buffer.of();
  /** Whether llama.cpp has the text as a constant. The linker may have stored it as the end of a longer one. */
  const knows = (text: string): boolean => library.includes(`${text}\0`);

  it('of each description are those of a tiny checkpoint here', () => {
    const shown = new Set(made.map(({ architecture }) => architecture));
    expect(architectures.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
  });

  it('are constants of llama.cpp where they are architectures', () =>
    expect(architectures.map(({ name }) => name).filter((name) => !knows(name))).toEqual([]));

  it('are constants of llama.cpp where they are keys', () => {
    const keys = made.flatMap(({ architecture, keyValues }) =>
      keyValues.map(({ key }) => key.replace(`${architecture}.`, '%s.')),
    );
    expect([...new Set(keys)].filter((key) => !knows(key))).toEqual([]);
  });

  it('are constants of llama.cpp where they are tensors', () => {
    const names = made.flatMap(({ tensors, computed }) => [
      ...tensors.map(({ name }) => name),
      ...computed.map(({ to }) => to),
    ]);
    const patterns = names.map((name) =>
      name.replace(/^blk\.\d+\./, 'blk.%d.').replace(/\.(weight|bias|scale)$/, ''),
    );
    expect([...new Set(patterns)].filter((pattern) => !knows(pattern))).toEqual([]);
  });
});
