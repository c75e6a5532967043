import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { addSums, noSums } from '../analysis/metrics';
import { floatsOf as weightsOf, type TensorReader, type TensorSlab } from '../analysis/tensorReader';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import { loadNative, type ErrorSums, type TensorRange } from '../native';
import type { QuantFormat } from '../quant/format';
import { fakeQuantGraph, hasGraph, takesTensorRange, type GraphScheme } from './fakeQuant';
import { createSession, floatsOf, loadRuntime, type OrtDevice } from './session';
import { said } from '../protocol/said';

/** Weights per run: on the CPU what stays near the caches, on a GPU large uploads below the buffer limits. */
const runWeights: Readonly<Record<OrtDevice, number>> = {
  cuda: 16 << 20,
  webgpu: 4 << 20,
  'ort-cpu': 1 << 18,
};

/** Runs after which a session is replaced: sessions leak a little. */
const maxRuns = 2000;

/** Measures formats through fake-quant graphs on one of ONNX Runtime's devices. Close it. */
export class OrtMeasurer {
  private readonly sessions = new Map<string, { session: InferenceSession; runs: number }>();

  constructor(readonly device: OrtDevice) {}

  /**
   * Error sums of a slab in a format; the same numbers as the addon's, up to the order of float32 sums.
   * @throws QuantscopeError UNSUPPORTED for a format that has no graph, MODEL_FILE naming the first weight that is not finite.
   */
  async measureSlab(
    reader: TensorReader,
    slab: TensorSlab,
    format: QuantFormat,
    range: TensorRange,
    signal?: AbortSignal,
  ): Promise<ErrorSums> {
    const { scheme } = format;
    if (!hasGraph(scheme)) throw new QuantscopeError('UNSUPPORTED', said`${format.id} has no graph.`);
    const sums = await this.measure(scheme, await weightsOf(slab, signal), slab.columns, range, signal);
    if (Number.isFinite(sums.source)) return sums;
    const { bad } = await loadNative().measureRange(slab.dtype, slab.data, signal);
    if (bad) throw reader.badWeight(slab, bad);
    return sums;
  }

  async measure(
    scheme: GraphScheme,
    values: Float32Array,
    columns: number,
    range: TensorRange,
    signal?: AbortSignal,
  ): Promise<ErrorSums> {
    const perRun = Math.max(1, Math.floor(runWeights[this.device] / columns)) * columns;
    let sums = noSums;
    for (let start = 0; start < values.length; start += perRun) {
      throwIfCancelled(signal);
      const session = await this.sessionFor(scheme, columns);
      const piece = values.subarray(start, Math.min(values.length, start + perRun));
      sums = addSums(sums, await runOnce(session, scheme, piece, columns, range));
    }
    return sums;
  }

  async close(): Promise<void> {
    const open = [...this.sessions.values()];
    this.sessions.clear();
    for (const { session } of open) await session.release();
  }

  private async sessionFor(scheme: GraphScheme, columns: number): Promise<InferenceSession> {
    const key = `${JSON.stringify(scheme)} ${columns}`;
    const known = this.sessions.get(key);
    if (known && known.runs++ < maxRuns) return known.session;
    await known?.session.release();
    const session = await createSession(this.device, fakeQuantGraph(scheme, columns));
    this.sessions.set(key, { session, runs: 1 });
    return session;
  }
}

async function runOnce(
  session: InferenceSession,
  scheme: GraphScheme,
  values: Float32Array,
  columns: number,
  range: TensorRange,
): Promise<ErrorSums> {
  const { Tensor: OrtTensor } = loadRuntime();
  const feeds: Record<string, Tensor> = {
    w: new OrtTensor('float32', values, [values.length / columns, columns]),
  };
  if (takesTensorRange(scheme)) {
    feeds['min'] = new OrtTensor('float32', Float32Array.of(range.min), [1]);
    feeds['max'] = new OrtTensor('float32', Float32Array.of(range.max), [1]);
  }
  const outputs = await session.run(feeds);
  const total = (name: string): number => floatsOf(outputs[name]).reduce((sum, value) => sum + value, 0);
  return {
    count: values.length,
    source: total('source'),
    decoded: total('decoded'),
    error: total('error'),
    maxError: floatsOf(outputs['largest']).reduce((most, value) => Math.max(most, value), 0),
  };
}
