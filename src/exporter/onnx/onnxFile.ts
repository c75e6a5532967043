import type { SerializedMessage } from '../../graph/protobuf';
import type { OnnxTensor } from '../../protocol/exportOnnx';
import { Places, type Place } from './places';

/** A graph as a file, and the tensors inside or beside it. */
export interface OnnxFile {
  readonly name: string;
  readonly graph: SerializedMessage;
  /** The file of weights beside it; absent where they are inside. */
  readonly data?: { readonly name: string; readonly bytes: number };
  readonly places: readonly Place[];
  readonly tensors: readonly OnnxTensor[];
  /** What users of the file should know, as sentences; it holds them too. */
  readonly notes: readonly string[];
}

/** A graph without the place of its weights. */
type BuiltFile = Omit<OnnxFile, 'data' | 'places'>;

/** Bytes of a file that holds its weights; protobuf ends at 2 GiB. */
const maxFileBytes = 2e9;

/**
 * One file where all fits into it, unless the weights shall lie beside the graph.
 * @param build makes the graph with its tensors at some places.
 */
export function smallest(
  external: boolean | undefined,
  dataName: string,
  build: (places: Places) => BuiltFile,
): OnnxFile {
  if (external !== true) {
    const places = new Places(undefined);
    const inside = build(places);
    if (inside.graph.byteLength <= maxFileBytes) return { ...inside, places: places.all };
  }
  const places = new Places(dataName);
  const beside = build(places);
  return { ...beside, data: { name: dataName, bytes: places.externalBytes }, places: places.all };
}
