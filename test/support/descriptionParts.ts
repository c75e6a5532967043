import { convertCheckpoint, type ConvertedCheckpoint } from '../../src/architectures/convertCheckpoint';
import type { TensorDescriptor } from '../../src/protocol/model';
import type { CheckpointSpec } from './checkpointParts';
import { checkpoints } from './checkpoints';
import { embeddingCheckpoints } from './embeddingCheckpoints';

/** Every tiny checkpoint whose tensors are plain weights, by what it is. */
export const allCheckpoints: Readonly<Record<string, CheckpointSpec>> = Object.fromEntries(
  Object.entries({ ...checkpoints, ...embeddingCheckpoints }).filter(
    ([, { shapes }]) => !Object.keys(shapes).some((name) => name.endsWith('_blocks')),
  ),
);

/** Descriptors of the tensors of a tiny checkpoint that no file holds; codes and scales of gpt-oss are one weight each. */
export const describedTensors = (
  { shapes }: Pick<CheckpointSpec, 'shapes'>,
  dtype = 'BF16',
): TensorDescriptor[] =>
  Object.entries(shapes).flatMap(([stated, sizes]) => {
    if (stated.endsWith('_scales')) return [];
    const isStored = stated.endsWith('_blocks');
    const name = isStored ? stated.replace(/_blocks$/, '') : stated;
    const shape = isStored ? [...sizes.slice(0, -2), 32 * sizes.at(-2)!] : sizes;
    const elements = shape.reduce((product, size) => product * size, 1);
    const byteLength = elements * (dtype === 'F32' ? 4 : 2);
    const place = { file: 'm', offset: 0, byteLength, readable: true };
    const stored = isStored ? { stored: { layout: 'float-blocks', parts: [] } } : {};
    return [{ name, dtype, shape, elements, ...place, ...stored }];
  });

/** What its description makes of a tiny checkpoint, without steps around the model. */
export const convertedSpec = (spec: CheckpointSpec): ConvertedCheckpoint =>
  convertCheckpoint(describedTensors(spec), spec.config, 'config.json');
