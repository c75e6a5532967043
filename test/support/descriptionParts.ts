import { convertCheckpoint, type ConvertedCheckpoint } from '../../src/architectures/convertCheckpoint';
import type { TensorDescriptor } from '../../src/protocol/model';
import type { CheckpointSpec } from './checkpointParts';
import { checkpoints } from './checkpoints';
import { embeddingCheckpoints } from './embeddingCheckpoints';

/** Every tiny checkpoint, by what it is. */
export const allCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  ...checkpoints,
  ...embeddingCheckpoints,
};

/** Descriptors of the tensors of a tiny checkpoint that no file holds. */
export const describedTensors = (
  { shapes }: Pick<CheckpointSpec, 'shapes'>,
  dtype = 'BF16',
): TensorDescriptor[] =>
  Object.entries(shapes).map(([name, shape]) => {
    const elements = shape.reduce((product, size) => product * size, 1);
    return {
      ...{ name, dtype, shape, elements, file: 'm', offset: 0, byteLength: 2 * elements, readable: true },
    };
  });

/** What its description makes of a tiny checkpoint, without steps around the model. */
export const convertedSpec = (spec: CheckpointSpec): ConvertedCheckpoint =>
  convertCheckpoint(describedTensors(spec), spec.config, 'config.json');
