import type { TensorDescriptor } from '../protocol/model';
import type { TensorKind } from '../protocol/tensorTable';

/** Kinds of tensors: those that are plain and equal are one. */
export class TensorKinds {
  readonly all: TensorKind[] = [];
  /** By the list of the shape, which readers of headers share, and by its text. */
  private readonly byShape = new Map<readonly number[], number[]>();
  private readonly byText = new Map<string, number[]>();

  of(tensor: TensorKind): number {
    const { dtype, shape, byteLength, elements } = tensor;
    if (!tensor.readable || tensor.strides || tensor.stored) return this.add(tensor);
    const candidates = this.ofShape(shape);
    for (const candidate of candidates) {
      const kind = this.all[candidate]!;
      if (kind.dtype === dtype && kind.byteLength === byteLength && kind.elements === elements)
        return candidate;
    }
    const added = this.add(tensor);
    candidates.push(added);
    return added;
  }

  private ofShape(shape: readonly number[]): number[] {
    const known = this.byShape.get(shape);
    if (known) return known;
    const text = shape.join();
    const found = this.byText.get(text) ?? [];
    this.byText.set(text, found);
    this.byShape.set(shape, found);
    return found;
  }

  private add({ name: _, file: __, offset: ___, ...kind }: TensorKind & Partial<TensorDescriptor>): number {
    return this.all.push(kind) - 1;
  }
}
