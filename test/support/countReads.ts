import type { Model } from '../../src/model/model';

/** The model with its reads of tensors counted: bytes, by tensor. */
export function countReads(model: Model): Model & { readonly bytesRead: Map<string, number> } {
  const bytesRead = new Map<string, number>();
  const count = (tensor: string, bytes: number): void => {
    bytesRead.set(tensor, (bytesRead.get(tensor) ?? 0) + bytes);
  };
  return {
    ...model,
    bytesRead,
    read(tensor, offset, length, signal) {
      count(tensor.name, length);
      return model.read(tensor, offset, length, signal);
    },
    readInto(tensor, offset, target, signal) {
      count(tensor.name, target.length);
      return model.readInto(tensor, offset, target, signal);
    },
  };
}

/** Bytes that were read, of each tensor that was, in units of its size. */
export function readsOf(model: ReturnType<typeof countReads>): Map<string, number> {
  return new Map([...model.bytesRead].map(([name, bytes]) => [name, bytes / model.tensor(name).byteLength]));
}
