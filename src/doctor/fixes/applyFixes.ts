import { readFile } from 'node:fs/promises';
import { writeAtomically } from '../../files/atomicFile';
import { QuantscopeError } from '../../model/errors';
import { parseJson } from '../../model/json';
import { isRemote } from '../../model/remote/address';
import type { Fix } from '../check';
import type { Patient } from '../patient';
import { said } from '../../protocol/said';

/**
 * Changes files of settings: all fixes of a file at once, atomically.
 * @throws QuantscopeError REQUEST for files on a server; IO.
 */
export async function applyFixes(fixes: readonly Fix[], { model }: Patient): Promise<void> {
  const weights = new Set(
    model?.description.files.flatMap(({ path, contentHash }) => (contentHash === undefined ? [] : path)),
  );
  for (const file of new Set(fixes.map((fix) => fix.file))) {
    if (isRemote(file) || weights.has(file))
      throw new QuantscopeError('REQUEST', said`Fixes change files of settings of this machine only.`, {
        file,
      });
    const before = await readFile(file, 'utf8');
    const after = fixes.reduce((text, fix) => (fix.file === file ? fix.apply(text) : text), before);
    parseJson(after);
    if (after !== before) await writeAtomically(file, (output) => output.write(Buffer.from(after)));
  }
}
