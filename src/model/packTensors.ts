import type { ModelDescription, TensorDescriptor } from '../protocol/model';
import {
  TensorTable,
  type PackedModel,
  type PackedTensors,
  type TensorColumns,
} from '../protocol/tensorTable';
import { IntegerStream } from './integerStream';
import { NamePatterns } from './namePatterns';
import { membersOf, tableOf } from './tabledModel';
import { TensorKinds } from './tensorKinds';

/** A description for `tabled`. */
export const packModel = (model: ModelDescription): PackedModel => ({
  ...membersOf(model),
  tensors: inBase64(tensorTable(model).columns),
});

/** The tensors of a model one by one. */
export const tensorTable = (model: Pick<ModelDescription, 'tensors'>): TensorTable =>
  tableOf(model) ?? new TensorTable(columnsOf(model.tensors));

/** The tensors of a model for `TensorTable`, as they cross boundaries. */
export const packTensors = (tensors: readonly TensorDescriptor[]): PackedTensors =>
  inBase64(columnsOf(tensors));

const inBase64 = ({ stream, ...columns }: TensorColumns): PackedTensors => ({
  ...columns,
  stream: Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength).toString('base64'),
});

function columnsOf(tensors: readonly TensorDescriptor[]): TensorColumns {
  const names = new NamePatterns();
  const kinds = new TensorKinds();
  const places: [first: number, file: number, offset: number][] = [];
  const files = new Map<string, number>();
  const stream = new IntegerStream(6 * tensors.length);
  let [file, end] = ['', -1];
  for (let i = 0; i < tensors.length; i++) {
    const tensor = tensors[i]!;
    names.push(tensor.name, kinds.of(tensor), stream);
    if (tensor.offset !== end || tensor.file !== file) {
      ({ file } = tensor);
      if (!files.has(file)) files.set(file, files.size);
      places.push([i, files.get(file)!, tensor.offset]);
    }
    end = tensor.offset + tensor.byteLength;
  }
  return {
    ...{ count: tensors.length, patterns: names.patterns, kinds: kinds.all, files: [...files.keys()] },
    ...{ places, stream: stream.all() },
  };
}
