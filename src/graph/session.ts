import type * as Ort from 'onnxruntime-node';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { QuantscopeError } from '../model/errors';
import type { Device } from '../protocol/device';
import { said } from '../protocol/said';
import { requireRuntime } from './runtimeLibraries';
import { requestThreads } from './threads';

type Runtime = typeof Ort;
export type OrtDevice = Exclude<Device, 'cpu'>;

/** ONNX Runtime's names of the providers. */
const providers: Readonly<Record<OrtDevice, string>> = { cuda: 'cuda', webgpu: 'webgpu', 'ort-cpu': 'cpu' };

let runtime: Runtime | undefined;

/**
 * ONNX Runtime, loaded when first needed: it is large, and optional.
 * @throws QuantscopeError DEVICE when it is not installed for this platform.
 */
export function loadRuntime(): Runtime {
  try {
    runtime ??= requireRuntime();
    return runtime;
  } catch (cause) {
    const message = said`ONNX Runtime is not installed for ${process.platform}-${process.arch}.`;
    throw new QuantscopeError('DEVICE', message, {}, cause);
  }
}

/**
 * A session with the threads of the current request.
 * @param folder folder of the values that the graph keeps outside itself.
 * @throws QuantscopeError DEVICE with ONNX Runtime's reason.
 */
export async function createSession(
  device: OrtDevice,
  graph: Uint8Array,
  folder?: string,
): Promise<InferenceSession> {
  // cuBLAS would round the inputs of products to ten bits; it reads this when it starts.
  if (device === 'cuda') process.env['NVIDIA_TF32_OVERRIDE'] ??= '0';
  const { InferenceSession } = loadRuntime();
  const onGpu = device !== 'ort-cpu';
  const threads = requestThreads();
  try {
    return await InferenceSession.create(graph, {
      executionProviders: [providers[device]],
      logSeverityLevel: 3,
      // A memory pattern is allocated in addition to the memory of the run that it was learned from.
      enableMemPattern: onGpu,
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      extra: {
        session: {
          // Threads that spin while waiting take processor time from the editor, and from each other.
          'intra_op.allow_spinning': '0',
          // A node that silently moves to the CPU would make the device's numbers and times meaningless.
          ...(onGpu ? { disable_cpu_ep_fallback: '1' } : {}),
          ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
        },
      },
    });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new QuantscopeError('DEVICE', said`ONNX Runtime cannot use ${device}: ${message}`, {}, cause);
  }
}

/** The values of an output. */
export function floatsOf(tensor: Tensor | undefined): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new QuantscopeError('DEVICE', said`ONNX Runtime returned values that are not float32.`);
}
