import { elementBits } from '../../graph/elementTypes';
import type { GraphBuilder, Value } from '../../graph/onnxWriter';
import type { StoredPart, WritePart } from './storage';

/** ONNX Runtime maps data into memory only where it starts at a multiple of a page. */
const alignment = 4096;

/** Tensors of the file that are written together, from one tensor of the model. */
export interface Place {
  /** Name of the tensor of the model. */
  readonly tensor: string;
  readonly parts: readonly PlacedPart[];
  fill(write: WritePart, signal?: AbortSignal): Promise<void>;
}

export interface PlacedPart {
  /** Name in the graph. */
  readonly name: string;
  readonly type: StoredPart['type'];
  readonly dims: readonly number[];
  readonly bytes: number;
  /** Offset in the file of data; undefined inside the graph, which says where once it is serialized. */
  readonly offset?: number;
}

/** Where the tensors of a graph lie: inside it, or one after the other in a file beside it. */
export class Places {
  readonly all: Place[] = [];
  private end = 0;

  /** @param file name of the file beside the graph; undefined for tensors inside it. */
  constructor(private readonly file: string | undefined) {}

  /** Bytes of the file beside the graph. */
  get externalBytes(): number {
    return this.end;
  }

  /**
   * Adds tensors to the graph.
   * @param name of the first part without its suffix.
   */
  add(
    graph: GraphBuilder,
    name: string,
    tensor: string,
    parts: readonly StoredPart[],
    fill: Place['fill'],
  ): Value[] {
    const placed = parts.map((part) => this.placeOne(graph, name + part.suffix, part));
    this.all.push({ tensor, parts: placed, fill });
    return placed.map((part) => part.name);
  }

  private placeOne(graph: GraphBuilder, name: string, part: StoredPart): PlacedPart {
    const { type, dims } = part;
    const bytes = partBytes(part);
    if (this.file === undefined) {
      graph.deferred(name, type, dims, bytes);
      return { name, type, dims, bytes };
    }
    const offset = Math.ceil(this.end / alignment) * alignment;
    graph.external(name, type, dims, { file: this.file, offset, bytes });
    this.end = offset + bytes;
    return { name, type, dims, bytes, offset };
  }
}

/** Bytes of a tensor: elements of less than a byte are packed without gaps. */
export function partBytes({ type, dims }: Pick<StoredPart, 'type' | 'dims'>): number {
  return Math.ceil((dims.reduce((product, size) => product * size, 1) * elementBits(type)) / 8);
}
