import { architectureOf } from '../plan/architecture';
import { encodableTypes, fileTypes, type FileType } from '../plan/fileTypes';
import { compareTensorNames } from '../plan/order';
import { mixTypes, type MixtureOptions } from '../plan/mixture';
import {
  planComputed,
  planFactors,
  planTensor,
  type PlannedTensor,
  type TensorContext,
} from '../plan/tensor';
import { sourceDtype, type ConvertedTensor } from '../../architectures/convertedTensor';
import { ggufView, type GgufView } from '../../architectures/ggufView';
import { QuantscopeError } from '../../model/errors';
import type { Imatrix } from '../../model/imatrix';
import type { Model } from '../../model/model';
import type { TensorDescriptor } from '../../protocol/model';
import { maxUnproven, type StatedFileType } from '../../protocol/provenance';
import { said } from '../../protocol/said';

/** How a tensor of a file would be made of the source in the type that it has in the file. */
export type FileTensor = TensorDescriptor & {
  readonly planned?: PlannedTensor;
  /** Why it cannot be encoded; absent where the source has no such tensor. */
  readonly problem?: string;
};

/** What a file holds, in terms of the source. */
export interface FilePlan {
  readonly view: GgufView;
  /** Those of the file, in its order. */
  readonly tensors: readonly FileTensor[];
  /** Tensors of the source that the file lacks. */
  readonly missing: readonly { readonly name: string; readonly type: string }[];
}

/**
 * Plans each tensor of a file from the source, in the type that it has there.
 * @throws QuantscopeError as `ggufView` for a source that cannot be written as GGUF.
 */
export async function planLikeFile(
  source: Model,
  file: Model,
  imatrix: Imatrix | undefined,
  signal: AbortSignal | undefined,
): Promise<FilePlan> {
  const view = await ggufView(source, signal);
  const context: TensorContext = {
    ...{ model: source, target: { allowRequantize: true }, imatrix },
    ...{ fileType: undefined, isCopy: false },
  };
  const converted = new Map(view.tensors.map((tensor) => [tensor.name, tensor]));
  const own = file.description.tensors.map((tensor): FileTensor => {
    const from = converted.get(tensor.name);
    return from ? { ...tensor, ...plannedLike(from, tensor, context) } : tensor;
  });
  const others = new Map(
    [
      ...view.computed.map(planComputed),
      ...own.flatMap(({ planned }) => (planned ? planFactors(planned) : [])),
    ].map((planned) => [planned.name, planned]),
  );
  const tensors = own.map((tensor) => {
    const planned = others.get(tensor.name);
    return planned ? { ...tensor, planned } : tensor;
  });
  const names = new Set(tensors.map(({ name }) => name));
  const wanted = [
    ...view.tensors.map((tensor) => ({ name: tensor.name, type: sourceDtype(tensor) ?? 'F32' })),
    ...[...others.values()].map(({ name, to }) => ({ name, type: to })),
  ];
  return { view, tensors, missing: wanted.filter(({ name }) => !names.has(name)) };
}

function plannedLike(
  converted: ConvertedTensor,
  { dtype }: TensorDescriptor,
  context: TensorContext,
): Pick<FileTensor, 'planned' | 'problem'> {
  if (!encodableTypes.has(dtype) && sourceDtype(converted) !== dtype)
    return { problem: said`${dtype} cannot be encoded.` };
  const type = { type: dtype, cause: 'rule', reason: said`its type in the file` } as const;
  try {
    return { planned: planTensor({ converted, unprunedName: converted.name }, type, context) };
  } catch (error) {
    if (!(error instanceof QuantscopeError)) throw error;
    return { problem: error.message };
  }
}

/** The file type that a file states, and how well its tensors fit it. */
export function statedFileType({ view, tensors }: FilePlan, { gguf }: Model): StatedFileType {
  const id = gguf?.metadata.get('general.file_type')?.scalar;
  const fileType = id === undefined ? undefined : fileTypes.find((type) => type.id === Number(id));
  if (!fileType) return { others: [], otherCount: 0 };
  const usesImportance = gguf?.metadata.has('quantize.imatrix.file') === true;
  const ways: readonly (readonly [NonNullable<StatedFileType['mixture']>, MixtureOptions])[] = [
    [usesImportance ? 'with importance' : 'usual', { hasImportance: usesImportance }],
    [usesImportance ? 'usual' : 'with importance', { hasImportance: !usesImportance }],
    ['pure', { pure: true }],
  ];
  const fits = ways.map(([mixture, options]) => ({
    mixture,
    others: othersThan(view, tensors, fileType, options),
  }));
  const { mixture, others } = fits.reduce((best, next) =>
    next.others.length < best.others.length ? next : best,
  );
  return {
    ...{ name: fileType.name, mixture },
    ...{ others: others.slice(0, maxUnproven), otherCount: others.length },
  };
}

/** Tensors whose type is not the one that a mixture gives them. */
function othersThan(
  view: GgufView,
  tensors: readonly FileTensor[],
  fileType: FileType,
  options: MixtureOptions,
): StatedFileType['others'] {
  const ordered = [...view.tensors].sort((a, b) => compareTensorNames(a.name, b.name));
  const mixed = mixTypes(ordered, fileType, architectureOf(view), options);
  return tensors.flatMap(({ name, dtype }) => {
    const expected = mixed.get(name)?.type;
    return expected === undefined || expected === dtype ? [] : [{ tensor: name, type: dtype, expected }];
  });
}
