import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ModuleSpec } from '../checkpointParts';
import { Checkpoint } from './checkpoint';
import type { EmbeddingSteps } from './models';

/** What modules of sentence-transformers do with the states of a text. */
export function embeddingSteps(folder: string, modules: readonly ModuleSpec[] = []): EmbeddingSteps {
  const dense = modules.flatMap(({ path }) => {
    const inside = join(folder, path);
    const isDense = path !== '' && existsSync(join(inside, 'model.safetensors'));
    return isDense ? [new Checkpoint(inside).tensor('linear.weight')] : [];
  });
  const text = JSON.stringify(modules);
  if (text.includes('pooling_mode_lasttoken')) return { pooling: 'last', dense };
  return { pooling: text.includes('pooling_mode_cls_token') ? 'first' : 'mean', dense };
}
