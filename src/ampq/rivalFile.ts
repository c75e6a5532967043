import { basename } from 'node:path';
import { QuantscopeError } from '../model/errors';
import type { ModelDescription, TensorDescriptor } from '../protocol/model';
import type { PlanAssignment, SensitivityRow, SensitivityTable } from '../protocol/plan';
import type { RivalFile, RivalTensor } from '../protocol/rivalFile';
import { said } from '../protocol/said';
import { findFormat } from '../quant/catalogue';

/** A type of the file beside the format that a plan has for the same tensor; divergences by the same gains, nats per token. */
export interface TensorDifference {
  readonly tensor: string;
  readonly theirs: RivalTensor & { readonly divergence?: number };
  readonly ours: Pick<PlanAssignment, 'format' | 'bytes'> & { readonly divergence?: number };
}

/**
 * The types of a GGUF file for the tensors that a plan chooses formats for.
 * @param description of the opened file, or of all parts of a split one.
 * @throws QuantscopeError REQUEST for a file that is not GGUF, lacks parts, or has other tensors than the model: it has another base.
 */
export function rivalFile(
  description: ModelDescription,
  rows: readonly Pick<SensitivityRow, 'tensor' | 'shape'>[],
): RivalFile {
  const { format, path, tensors, missingFiles } = description;
  const refuse = (message: string, tensor?: string): QuantscopeError =>
    new QuantscopeError('REQUEST', message, { file: path, ...(tensor === undefined ? {} : { tensor }) });
  if (format !== 'gguf') throw refuse(said`A plan is compared with a GGUF file; this is not one.`);
  if (missingFiles.length > 0) throw refuse(said`Parts are missing: ${missingFiles.join(', ')}.`);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const typeOf = ({ tensor, shape }: Pick<SensitivityRow, 'tensor' | 'shape'>): RivalTensor => {
    const found = byName.get(tensor);
    if (!found)
      throw refuse(said`The file is of another base: it does not have this tensor of the model.`, tensor);
    if (found.shape.join() !== shape.join())
      throw refuse(
        said`The file is of another base: this tensor is ${found.shape.join(' × ')} in it, and ${shape.join(' × ')} in the model.`,
        tensor,
      );
    return rivalTensor(found);
  };
  return { file: basename(path), bytes: fileBytes(description), tensors: rows.map(typeOf) };
}

/** Of all parts of a file. */
const fileBytes = ({ files }: Pick<ModelDescription, 'files'>): number =>
  files.reduce((sum, { size }) => sum + size, 0);

const rivalTensor = ({ name, dtype, byteLength }: TensorDescriptor): RivalTensor => ({
  ...{ tensor: name, type: dtype, bytes: byteLength },
});

/** The types of a file that errors can be measured in. Others keep their bytes in the comparison, and have no prediction. */
export const measurableTypes = ({ tensors }: RivalFile): string[] => [
  ...new Set(tensors.flatMap(({ type }) => findFormat(type)?.id ?? [])),
];

/** The divergence that a table predicts for the types of a file; undefined where an error or a gain is not known, with these tensors. */
export function predictRival(
  { tensors }: RivalFile,
  { rows }: Pick<SensitivityTable, 'rows'>,
): { readonly divergence?: number; readonly unknown: readonly string[] } {
  const figures = rows.map((row, i) => divergenceIn(row, tensors[i]!.type));
  const unknown = tensors.flatMap(({ tensor }, i) => (figures[i] === undefined ? [tensor] : []));
  if (unknown.length > 0) return { unknown };
  return { divergence: figures.reduce<number>((sum, figure) => sum + figure!, 0), unknown };
}

/** The error of a tensor in a type of a file; undefined where it was not measured. */
export function errorInType(
  { cells, lossless }: Pick<SensitivityRow, 'cells' | 'lossless'>,
  type: string,
): number | undefined {
  if (type === 'F32' || type === lossless.format) return 0;
  const error = cells.find(({ format }) => format === type)?.relativeSquaredError;
  return error !== undefined && Number.isFinite(error) ? error : undefined;
}

/** Of a tensor alone in a type, where its gain and its error there are known. */
function divergenceIn(row: SensitivityRow, type: string): number | undefined {
  const error = errorInType(row, type);
  if (error === 0 || error === undefined) return error;
  return row.gain === undefined ? undefined : row.gain * error;
}

/** The tensors for which a plan has another format than the file. */
export function differencesFrom(
  { tensors }: RivalFile,
  assignments: readonly PlanAssignment[],
  { rows }: Pick<SensitivityTable, 'rows'>,
): TensorDifference[] {
  const ours = new Map(assignments.map((item) => [item.tensor, item]));
  return tensors.flatMap((theirs, i) => {
    const { format, bytes } = ours.get(theirs.tensor)!;
    if (format === theirs.type) return [];
    const of = (type: string) => {
      const divergence = divergenceIn(rows[i]!, type);
      return divergence === undefined ? {} : { divergence };
    };
    return [
      {
        tensor: theirs.tensor,
        theirs: { ...theirs, ...of(theirs.type) },
        ours: { format, bytes, ...of(format) },
      },
    ];
  });
}
