import { fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import { loadNative, type ErrorSums } from '../native';
import type { DeviceChoice, DeviceReport } from '../protocol/plan';
import { formatById } from '../quant/catalogue';
import { hasGraph } from './fakeQuant';
import { OrtMeasurer } from './measurer';
import type { OrtDevice } from './session';

/** What a probe found: the device works and its numbers are the addon's, or why not. */
export type Verdict =
  { readonly ok: true; readonly label: string } | { readonly ok: false; readonly reason: string };

export interface ProbeOptions {
  /** Probe again, whatever was found before. */
  readonly refresh?: boolean;
  readonly signal?: AbortSignal;
  /** Module that calls `runProbe` when started with `--probe <device>`; the running program by default. */
  readonly childEntry?: string;
}

/** How long a probe may take: a first start compiles shaders. */
const probeTimeout = 30_000;

const verdicts = new Map<string, Verdict>();

/**
 * The device to compute on. `auto` takes CUDA, else WebGPU, else the addon, and tells why a faster one was refused; a device
 * that is named must work. Verdicts last as long as the process.
 * @throws QuantscopeError DEVICE when the named device does not work.
 */
export async function probeDevices(choice: DeviceChoice, options: ProbeOptions = {}): Promise<DeviceReport> {
  const addon = { chosen: 'cpu', label: `native addon, ${loadNative().simd}` } as const;
  if (choice === 'cpu') return { ...addon, refused: [] };
  const refused: { device: OrtDevice; reason: string }[] = [];
  for (const device of choice === 'auto' ? (['cuda', 'webgpu'] as const) : [choice]) {
    throwIfCancelled(options.signal);
    const verdict = await verdictOn(device, options);
    if (verdict.ok) return { chosen: device, label: verdict.label, refused };
    refused.push({ device, reason: verdict.reason });
  }
  if (choice === 'auto') return { ...addon, refused };
  throw new QuantscopeError(
    'DEVICE',
    `The device ${choice} cannot be used: ${refused[0]?.reason ?? 'unknown'}`,
  );
}

async function verdictOn(device: OrtDevice, options: ProbeOptions): Promise<Verdict> {
  const known = options.refresh ? undefined : verdicts.get(device);
  if (known) return known;
  const missing = missingPart(device);
  const verdict =
    missing === undefined ? await probeInChild(device, options) : ({ ok: false, reason: missing } as const);
  verdicts.set(device, verdict);
  return verdict;
}

/** What is plainly not there, without starting anything. */
function missingPart(device: OrtDevice): string | undefined {
  const { platform, arch } = process;
  const folder = runtimeFolder();
  if (folder === undefined) return `ONNX Runtime is not installed for ${platform}-${arch}.`;
  if (device === 'cuda') {
    if (platform !== 'linux' || arch !== 'x64') return 'CUDA is available on Linux x64 only.';
    if (!existsSync(join(folder, 'libonnxruntime_providers_cuda.so')))
      return "ONNX Runtime's CUDA library is not installed.";
    if (!existsSync('/dev/nvidiactl') && !existsSync('/dev/dxg')) return 'There is no NVIDIA GPU.';
  }
  if (device === 'webgpu' && platform === 'linux' && !hasVulkan())
    return 'The Vulkan loader libvulkan.so.1 is not installed.';
  return undefined;
}

function runtimeFolder(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
    const folder = join(dirname(dirname(entry)), 'bin', 'napi-v6', process.platform, process.arch);
    return existsSync(folder) ? folder : undefined;
  } catch {
    return undefined; // not installed
  }
}

/** Whether the dynamic loader finds Vulkan, in its cache or where LD_LIBRARY_PATH points. */
function hasVulkan(): boolean {
  const name = 'libvulkan.so.1';
  const folders = (process.env['LD_LIBRARY_PATH'] ?? '').split(':').filter(Boolean);
  if (
    [...folders, '/usr/lib', '/usr/lib64', '/lib', '/lib64'].some((folder) => existsSync(join(folder, name)))
  )
    return true;
  try {
    return readFileSync('/etc/ld.so.cache').includes(name);
  } catch {
    return false; // no cache, no library
  }
}

/** A provider that is broken can abort its process: that costs a child, never the engine. */
function probeInChild(device: OrtDevice, { signal, childEntry }: ProbeOptions): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const child = fork(childEntry ?? fileURLToPath(import.meta.url), ['--probe', device], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    let verdict: Verdict | undefined;
    let output = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), probeTimeout);
    const abort = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', abort, { once: true });
    child.stderr?.on('data', (data: Buffer) => (output = (output + data.toString()).slice(-2000)));
    child.on('message', (message) => (verdict = message as Verdict));
    child.on('error', reject);
    child.on('close', (code, ended) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(new QuantscopeError('CANCELLED', 'The request was cancelled.'));
      else resolve(verdict ?? { ok: false, reason: silentEnd(code, ended, output) });
    });
  });
}

function silentEnd(code: number | null, signal: NodeJS.Signals | null, output: string): string {
  const last = output.trim().split('\n').pop() ?? '';
  return `Its probe ended with ${signal ?? `status ${code}`}. ${last}`.trim();
}

/** Formats whose numbers a device must reproduce: rounding, a search, and a chain of comparisons. */
const probed: readonly string[] = ['absmax-int8', 'Q4_K', 'nf4'];

/** In the child: runs small graphs on the device, holds them against the addon, sends the verdict to the parent. */
export async function runProbe(name: string): Promise<void> {
  const device = name as OrtDevice;
  const verdict = await tryDevice(device).catch((error: unknown): Verdict => {
    return { ok: false, reason: shorten(error instanceof Error ? error.message : String(error)) };
  });
  process.send?.(verdict, () => process.exit(0));
}

async function tryDevice(device: OrtDevice): Promise<Verdict> {
  const columns = 512;
  const values = Float32Array.from(
    { length: 64 * columns },
    (_, i) => Math.sin(i * 12.9898) * Math.cos(i * 0.37) * 0.05,
  );
  const range = {
    min: values.reduce((a, b) => Math.min(a, b)),
    max: values.reduce((a, b) => Math.max(a, b)),
  };
  const bytes = new Uint8Array(values.buffer);
  const ort = new OrtMeasurer(device);
  for (const id of probed) {
    const { scheme } = formatById(id);
    if (!hasGraph(scheme)) continue;
    const theirs = await ort.measure(scheme, values, columns, range);
    const ours = await loadNative().measureRows('F32', bytes, columns, scheme, range);
    if (!agrees(ours, theirs))
      return {
        ok: false,
        reason: `Its numbers differ from the addon's in ${id} (${theirs.error} instead of ${ours.error}).`,
      };
  }
  const software = softwareAdapter(device);
  if (software !== undefined && process.env['QUANTSCOPE_ALLOW_SOFTWARE_GPU'] !== '1')
    return { ok: false, reason: `${software} is a software renderer, slower than the addon.` };
  await ort.close();
  return {
    ok: true,
    label: {
      cuda: 'CUDA',
      webgpu: software === undefined ? 'WebGPU' : `WebGPU (${software})`,
      'ort-cpu': 'ONNX Runtime, CPU',
    }[device],
  };
}

function agrees(ours: ErrorSums, theirs: ErrorSums): boolean {
  return (
    Math.abs(ours.error - theirs.error) <= 1e-4 * ours.error &&
    Math.abs(ours.source - theirs.source) <= 1e-4 * ours.source
  );
}

/** The software renderer that this process was pointed at or loaded; ONNX Runtime does not name its adapter. */
function softwareAdapter(device: OrtDevice): string | undefined {
  if (device !== 'webgpu' || process.platform !== 'linux') return undefined;
  const loaded = readFileSync('/proc/self/maps', 'utf8');
  if (/libvk_swiftshader/.test(loaded)) return 'SwiftShader';
  const hardware = /libGLX_nvidia|libvulkan_(radeon|intel|nouveau)|libnvidia-/.test(loaded);
  return /libvulkan_lvp/.test(loaded) && !hardware ? 'llvmpipe' : undefined;
}

function shorten(message: string): string {
  const line = message.split('\n')[0] ?? message;
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
