import { join } from 'node:path';
import { previewMmproj } from '../../src/exporter/mmproj/exportMmproj';
import { openModel } from '../../src/layouts/openModel';
import type { MmprojPreview, MmprojType } from '../../src/protocol/mmproj';
import { visionCheckpoints } from './visionCheckpoints';
import type { VisionSpec } from './visionParts';
import { writeVisionCheckpoint } from './writeVisionCheckpoint';

/** Writes checkpoints into folders below one, with changes of their config.json, their preprocessor and the shapes of their tensors. */
export function visionFolders(
  folder: string,
): (name: string, change?: Partial<VisionSpec>) => Promise<string> {
  let written = 0;
  return async (name, change = {}) => {
    const path = join(folder, `${name}-${written++}`);
    await writeVisionCheckpoint(path, { ...visionCheckpoints[name]!, ...change });
    return path;
  };
}

/** A dry run. */
export async function previewVision(path: string, type?: MmprojType, out?: string): Promise<MmprojPreview> {
  const model = await openModel(path);
  return previewMmproj(model, out, { type }).finally(() => model.close());
}

/** Changes of the object of config.json that describes the vision part, and of the one that describes the language part. */
export function changedVision(name: string, vision: object, text: object = {}): Partial<VisionSpec> {
  const { config } = visionCheckpoints[name]!;
  const inner = config['text_config'] as object | undefined;
  return {
    config: {
      ...config,
      vision_config: { ...(config['vision_config'] as object), ...vision },
      ...(inner ? { text_config: { ...inner, ...text } } : {}),
    },
  };
}
