import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vocabulary } from './checkpointParts';
import type { VisionSpec } from './visionParts';
import { writeCheckpoint } from './writeCheckpoint';

/** The files of a checkpoint and of its preprocessor; tokens are added to its tokenizer. */
export async function writeVisionCheckpoint(folder: string, spec: VisionSpec): Promise<void> {
  await writeCheckpoint(folder, spec);
  if (!spec.consolidated)
    writeFileSync(join(folder, 'preprocessor_config.json'), JSON.stringify(spec.preprocessor));
  if (spec.tokens.length === 0) return;
  const file = join(folder, 'tokenizer.json');
  const tokenizer = JSON.parse(readFileSync(file, 'utf8')) as { added_tokens: object[] };
  const [first] = tokenizer.added_tokens;
  spec.tokens.forEach((content, i) => tokenizer.added_tokens.push({ ...first, id: vocabulary + i, content }));
  writeFileSync(file, JSON.stringify(tokenizer));
}
