import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { measureRows } from '../analysis/measureRows';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import { loadNative, type ErrorSums } from '../native';
import type { DeviceChoice, DeviceReport } from '../protocol/device';
import { said } from '../protocol/said';
import { formatById } from '../quant/catalogue';
import { hasGraph } from './fakeQuant';
import { machineIdentity } from './machineIdentity';
import { OrtMeasurer } from './measurer';
import { missingPart } from './missingParts';
import { activeRuntime } from './runtimeLibraries';
import type { OrtDevice } from './session';
import { trialDifference } from './transformer/trialBlock';
import { recallVerdict, rememberVerdict, type Verdict } from './verdicts';

export interface ProbeOptions {
  /** Probe again, whatever was found before. */
  readonly refresh?: boolean;
  readonly signal?: AbortSignal;
  /** Module that calls `runProbe` when started with `--probe <device>`; the running program by default. */
  readonly childEntry?: string;
}

/** How long a probe may take (ms): a first start compiles shaders, and other programs may have the processors. */
const probeTimeout = 120_000;

/**
 * The device to compute on. `auto` takes CUDA, else WebGPU, else the addon, and says why a faster one was rejected; a
 * named device must work. Verdicts outlive the process, until something that they depend on changes.
 * @throws QuantscopeError DEVICE when the named device does not work.
 */
export async function probeDevices(choice: DeviceChoice, options: ProbeOptions = {}): Promise<DeviceReport> {
  const addon = { chosen: 'cpu', label: said`native addon, ${loadNative().simd}` } as const;
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
    said`The device ${choice} cannot be used: ${refused[0]?.reason ?? 'unknown'}`,
  );
}

async function verdictOn(device: OrtDevice, options: ProbeOptions): Promise<Verdict> {
  const runtime = activeRuntime();
  if (!runtime) return refusal(said`ONNX Runtime is not installed for ${process.platform}-${process.arch}.`);
  const missing = await missingPart(device, runtime);
  if (missing !== undefined) return refusal(missing);
  const identity = machineIdentity(device, runtime, childProgram(options));
  const known = options.refresh ? undefined : recallVerdict(identity);
  if (known) return known;
  const verdict = await probeInChild(device, options);
  await rememberVerdict(identity, verdict, device, runtime.version);
  return verdict;
}

const refusal = (reason: string): Verdict => ({ ok: false, reason });

const childProgram = ({ childEntry }: ProbeOptions): string => childEntry ?? fileURLToPath(import.meta.url);

/** A broken provider can abort its process: a child process, never the engine. */
function probeInChild(device: OrtDevice, options: ProbeOptions): Promise<Verdict> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const child = fork(childProgram(options), ['--probe', device], {
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
      if (signal?.aborted) reject(new QuantscopeError('CANCELLED', said`The request was cancelled.`));
      else resolve(verdict ? withCause(verdict, output) : refusal(silentEnd(code, ended, output)));
    });
  });
}

/** ONNX Runtime prints which library it could not load and why; its error says only that it could not. */
function withCause(verdict: Verdict, output: string): Verdict {
  const [cause] = /Failed to load library .*/.exec(output) ?? [];
  return verdict.ok || cause === undefined ? verdict : refusal(`${verdict.reason} ${cause}.`);
}

function silentEnd(code: number | null, signal: NodeJS.Signals | null, output: string): string {
  const last = output.trim().split('\n').pop() ?? '';
  return `Its probe ended with ${signal ?? `status ${code}`}. ${last}`.trim();
}

/** Formats whose results a device must reproduce: rounding, a search, and a chain of comparisons. */
const probed: readonly string[] = ['absmax-int8', 'Q4_K', 'nf4'];

/** In the child: runs small graphs on the device, compares them with the addon, sends the verdict to the parent. */
export async function runProbe(name: string): Promise<void> {
  const device = name as OrtDevice;
  const verdict = await tryDevice(device).catch((error: unknown) =>
    refusal(shorten(error instanceof Error ? error.message : String(error))),
  );
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
  const rows = { dtype: 'F32', data: new Uint8Array(values.buffer), weights: values.length, columns };
  const ort = new OrtMeasurer(device);
  for (const id of probed) {
    const format = formatById(id);
    if (!hasGraph(format.scheme)) continue;
    const theirs = await ort.measure(format.scheme, values, columns, range);
    const ours = await measureRows(format, rows, range);
    if (!agrees(ours, theirs))
      return refusal(
        said`Its results differ from the addon's in ${id} (${theirs.error} instead of ${ours.error}).`,
      );
  }
  const difference = await trialDifference(device);
  if (!(difference <= 1e-4))
    return refusal(
      said`Its results differ from the CPU's in a transformer block (relative difference ${difference}).`,
    );
  const software = softwareAdapter(device);
  if (software !== undefined && process.env['QUANTSCOPE_ALLOW_SOFTWARE_GPU'] !== '1')
    return refusal(said`${software} is a software renderer, slower than the addon.`);
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
