import { basename } from 'node:path';
import type { SerializedMessage } from '../../graph/protobuf';
import type { OnnxTensor } from '../../protocol/exportOnnx';
import { Places, type Place } from './places';

/** A graph as a file, and the tensors inside or beside it. */
export interface OnnxFile {
  /** Path below the folder of the export. */
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
type BuiltFile = Omit<OnnxFile, 'name' | 'data' | 'places'>;

/** Bytes of a file that holds its weights; protobuf ends at 2 GiB. */
const maxFileBytes = 2e9;

/**
 * One file where all fits into it, unless the weights shall lie beside the graph. Their file has the name of the graph and `_data`, as
 * Optimum and transformers.js have it.
 * @param build makes the graph with its tensors at some places.
 */
export function smallest(
  external: boolean | undefined,
  name: string,
  build: (places: Places) => BuiltFile,
): OnnxFile {
  if (external !== true) {
    const places = new Places(undefined);
    const inside = build(places);
    if (inside.graph.byteLength <= maxFileBytes) return { name, ...inside, places: places.all };
  }
  const dataName = `${name}_data`;
  const places = new Places(basename(dataName));
  const beside = build(places);
  const data = { name: dataName, bytes: places.externalBytes };
  return { name, ...beside, data, places: places.all };
}
