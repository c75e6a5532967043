import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { GraphBuilder, Value } from '../onnxWriter';
import { createSession, floatsOf, loadRuntime, type OrtDevice } from '../session';
import type { BuiltGraph } from './blockGraph';
import type { Bind, GraphOptions } from './graphParts';
import type { Rounding } from './rounding';
import type { RowSpan } from './weightRows';
import type { StoredRows, Weights } from './weights';

/** What a graph measures besides its result. */
type Measures = Omit<BuiltGraph, 'bytes'>;

/** A graph with its weights, ready to run. */
export interface LoadedGraph extends Measures {
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  release(): Promise<void>;
}

/** What to load: a graph, and which tensor each of its parts is. */
export interface GraphSource {
  /** Equal for graphs that differ only in their weights. */
  readonly key: string;
  readonly build: (options: GraphOptions) => BuiltGraph;
  /** Name of a part's tensor. */
  readonly tensor: (part: string) => string;
  /** Rows of it, where the part is not all of it. */
  readonly rows?: (part: string) => RowSpan | undefined;
  readonly rounding?: (part: string) => Rounding | undefined;
  readonly taps?: GraphOptions['taps'];
}

/**
 * Where weights are while a graph runs. `fed`: decoded into this process and passed to ONNX Runtime with every run, which copies
 * nothing on the CPU; graphs of one kind share a session. `held`: read by ONNX Runtime itself from the model's files, or put into
 * the graph, and kept on the device until it is released.
 */
export type Placement = 'fed' | 'held';

/** Bytes of weights inside one graph; protobuf ends at 2 GiB. */
const maxInlineBytes = 1.5e9;

type Parts = Map<string, readonly number[]>;

/** Loads graphs with their weights. Buffers and sessions are reused where graphs follow each other. */
export class GraphLoader {
  private readonly sessions = new Map<string, Promise<SharedSession>>();
  private readonly buffers = new Map<number, Float32Array[]>();
  private readonly kept = new Map<string, Float32Array>();

  constructor(
    readonly weights: Weights,
    readonly device: OrtDevice,
    readonly placement: Placement,
    /** Decoded weights stay in memory, and graphs that use the same share them. */
    private readonly keep: boolean,
  ) {}

  load(source: GraphSource, signal?: AbortSignal): Promise<LoadedGraph> {
    return this.placement === 'fed' ? this.feed(source, signal) : this.hold(source, signal);
  }

  /** Releases decoded weights, and buffers that wait for reuse. */
  drain(): void {
    this.buffers.clear();
    this.kept.clear();
  }

  /** Releases the session that graphs of one kind share. */
  async forget(key: string): Promise<void> {
    const shared = await this.sessions.get(key);
    this.sessions.delete(key);
    await shared?.session.release();
  }

  async close(): Promise<void> {
    const open = await Promise.all(this.sessions.values());
    this.sessions.clear();
    this.drain();
    for (const { session } of open) await session.release();
  }

  private async feed(source: GraphSource, signal: AbortSignal | undefined): Promise<LoadedGraph> {
    const { session, measures, parts } = await this.sharedSession(source);
    const feeds: Record<string, Tensor> = {};
    const taken: Float32Array[] = [];
    for (const [part, shape] of parts) {
      const values = await this.valuesOf(source, part, shape, taken, signal);
      feeds[part] = floatTensor(values, shape);
    }
    return {
      ...measures,
      run: (inputs) => session.run({ ...feeds, ...inputs }),
      release: () => {
        for (const values of taken.splice(0)) this.give(values);
        return Promise.resolve();
      },
    };
  }

  /** Decoded weights of a part; `taken` notes a buffer that must be given back. */
  private async valuesOf(
    source: GraphSource,
    part: string,
    shape: readonly number[],
    taken: Float32Array[],
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const rows = source.rows?.(part);
    const key = `${source.tensor(part)} ${rows?.first ?? 0} ${rows?.count ?? 'all'}`;
    const known = this.kept.get(key);
    if (known) return known;
    const values = this.take(sizeOf(shape));
    if (!this.keep) taken.push(values);
    await this.weights.load(source.tensor(part), values, rowsAnd(source, part, signal));
    if (this.keep) this.kept.set(key, values);
    return values;
  }

  private sharedSession(source: GraphSource): Promise<SharedSession> {
    const known = this.sessions.get(source.key);
    if (known) return known;
    const made = this.makeShared(source);
    this.sessions.set(source.key, made);
    made.catch(() => this.sessions.delete(source.key)); // who asked gets the error; it is not kept
    return made;
  }

  private async makeShared(source: GraphSource): Promise<SharedSession> {
    const parts: Parts = new Map();
    const { bytes, ...measures } = source.build({ ...optionsOf(source), bind: asInput(parts) });
    return { session: await createSession(this.device, bytes), measures, parts };
  }

  private async hold(source: GraphSource, signal: AbortSignal | undefined): Promise<LoadedGraph> {
    const { session, measures, fed } = await this.makeHeld(source, signal);
    return {
      ...measures,
      run: (inputs) => session.run({ ...fed, ...inputs }),
      release: () => session.release(),
    };
  }

  /** A session with its weights. Apart from `hold`, whose functions would keep this process's copy of them alive. */
  private async makeHeld(source: GraphSource, signal: AbortSignal | undefined) {
    const parts: Parts = new Map();
    source.build({ ...optionsOf(source), bind: asInput(parts) });
    const stored = await this.storedParts(source, parts);
    const inline = new Map<string, Float32Array>();
    const fed: Record<string, Tensor> = {};
    let room = maxInlineBytes;
    for (const [part, shape] of parts) {
      if (stored?.byPart.has(part)) continue;
      const values = new Float32Array(sizeOf(shape));
      await this.weights.load(source.tensor(part), values, rowsAnd(source, part, signal));
      room -= values.byteLength;
      if (room > 0) inline.set(part, values);
      else fed[part] = floatTensor(values, shape);
    }
    const bind: Bind = (graph, part, shape) => {
      const rows = stored?.byPart.get(part);
      if (rows) return readByRuntime(graph, part, shape, rows);
      const values = inline.get(part);
      return values ? graph.table(part, shape, values) : graph.input(part, shape);
    };
    const { bytes, ...measures } = source.build({ ...optionsOf(source), bind });
    return { session: await createSession(this.device, bytes, stored?.folder), measures, fed };
  }

  /** Parts that ONNX Runtime can read itself; it takes files of one folder only, and follows no link out of it. */
  private async storedParts(source: GraphSource, parts: Parts) {
    let folder: string | undefined;
    const byPart = new Map<string, StoredRows>();
    for (const [part, shape] of parts) {
      if (shape.length < 2) continue; // norms and biases are small, and often changed
      const rows = this.weights.stored(source.tensor(part), source.rows?.(part));
      if (!rows) continue;
      const real = await Promise.all(
        rows.parts.map(async (piece) => ({ ...piece, file: await realpath(piece.file) })),
      );
      const folders = new Set(real.map(({ file }) => dirname(file)));
      folder ??= [...folders][0];
      if (folders.size !== 1 || !folders.has(folder!)) continue;
      byPart.set(part, { ...rows, parts: real });
    }
    return folder === undefined ? undefined : { folder, byPart };
  }

  private take(length: number): Float32Array {
    return this.buffers.get(length)?.pop() ?? new Float32Array(length);
  }

  private give(values: Float32Array): void {
    const free = this.buffers.get(values.length) ?? [];
    free.push(values);
    this.buffers.set(values.length, free);
  }
}

interface SharedSession {
  readonly session: InferenceSession;
  readonly measures: Measures;
  readonly parts: Parts;
}

const optionsOf = ({ rounding, taps }: GraphSource): Omit<GraphOptions, 'bind'> => ({
  ...(rounding ? { rounding } : {}),
  ...(taps ? { taps } : {}),
});

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

function rowsAnd(source: GraphSource, part: string, signal: AbortSignal | undefined) {
  const rows = source.rows?.(part);
  return { ...(rows ? { rows } : {}), signal };
}

const asInput =
  (parts: Parts): Bind =>
  (graph, part, shape) => {
    parts.set(part, shape);
    return graph.input(part, shape);
  };

/** A matrix that ONNX Runtime reads from the model's files, as float32. */
function readByRuntime(
  graph: GraphBuilder,
  part: string,
  shape: readonly number[],
  { dtype, parts }: StoredRows,
): Value {
  const columns = shape.at(-1)!;
  const pieces = parts.map(({ file, offset, bytes, rows }, i) => {
    const value = graph.external(`${part} ${i}`, dtype, [rows, columns], {
      ...{ file: basename(file), offset, bytes },
    });
    return dtype === 'F32' ? value : graph.node('Cast', [value], { to: 1 });
  });
  const rows = pieces.length === 1 ? pieces[0]! : graph.node('Concat', pieces, { axis: 0 });
  return shape.length === 2 ? rows : graph.node('Reshape', [rows, graph.ints(shape)]);
}

/** A float32 tensor of ONNX Runtime on the values, which are not copied. */
export function floatTensor(values: Float32Array, dims: readonly number[]): Tensor {
  const { Tensor: OrtTensor } = loadRuntime();
  return new OrtTensor('float32', values, [...dims]);
}

/** The values of an output by name. */
export const output = (outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array =>
  floatsOf(outputs[name]);
