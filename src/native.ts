import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QuantscopeError } from './model/errors';
import { columnFunctions, type ColumnBinding, type ColumnFunctions } from './native/columns';
import { codecFunctions, type CodecBinding, type CodecFunctions } from './native/codecs';
import { gridFunctions, type GridBinding, type GridFunctions } from './native/grids';
import {
  measurementFunctions,
  type MeasurementBinding,
  type MeasurementFunctions,
} from './native/measurements';
import { scanFunctions, type ScanBinding, type ScanFunctions } from './native/scan';
import { trainingFunctions, type TrainingBinding, type TrainingFunctions } from './native/training';
import { solverFunctions, type SolverBinding, type SolverFunctions } from './native/solvers';
import { said } from './protocol/said';

export type {
  BadWeight,
  EncodeOptions,
  LevelLayout,
  NativeCodec,
  RecodeOptions,
  TensorRange,
} from './native/codecs';
export type { GroupedMatrix, GroupParameters } from './native/grids';
export type { ErrorSums, MeasuredRange, MeasuredRows, MeasureOptions } from './native/measurements';
export type {
  BlockDescent,
  ColumnGrid,
  ColumnParameters,
  ColumnState,
  HessianFactor,
  DampedMatrix,
  HessianTiles,
} from './native/columns';
export type { Scan, ScanOptions, ScanResult } from './native/scan';
export type { AdamDecay, AdamState, LevelGroups, SortedLevels, Units } from './native/training';

/** What the addon runs on. */
interface MachineFunctions {
  /** Instruction set in use: "AVX-512", "AVX2", "NEON", "scalar". Results do not depend on it. */
  readonly simd: string;
  /** Those that this processor supports, the widest first. */
  readonly simdPaths: readonly string[];
  /** Uses another instruction set, for tests and benchmarks. Throws for one that the processor does not have. */
  setSimd(name: string): void;
  setThreads(threads: number): void;
  /**
   * The bandwidth of copying a buffer of `bytes` with all threads, in bytes per second, counting those read and those written:
   * the best of six rounds. `bytes` (at least 1 MiB) should be several times the last-level cache; twice as many are allocated
   * meanwhile.
   */
  copyBandwidth(bytes: number): Promise<number>;
}

/** The native addon. All long operations run on its thread pool and never block the event loop. One file of `native/` for each subject. */
export interface Native
  extends
    MachineFunctions,
    CodecFunctions,
    ColumnFunctions,
    GridFunctions,
    MeasurementFunctions,
    ScanFunctions,
    SolverFunctions,
    TrainingFunctions {}

/** What the addon exports (native/binding/module.cc). */
interface Binding
  extends
    CodecBinding,
    ColumnBinding,
    GridBinding,
    MeasurementBinding,
    ScanBinding,
    SolverBinding,
    TrainingBinding {
  simd(): string;
  readonly simdPaths: readonly string[];
  setSimd(name: string): void;
  setThreads(threads: number): void;
  copyBandwidth(bytes: number): Promise<number>;
}

let loaded: Native | undefined;

/**
 * The addon of this platform, loaded once.
 * @throws QuantscopeError UNSUPPORTED naming the platform and how to build the addon.
 */
export function loadNative(): Native {
  loaded ??= wrap(loadBinding());
  return loaded;
}

/** `prebuilds/` lies in the package's root: one folder above both `src/` and `dist/`. */
function loadBinding(): Binding {
  const platform = `${process.platform}-${process.arch}`;
  const file = join(
    dirname(dirname(fileURLToPath(import.meta.url))),
    'prebuilds',
    platform,
    'quantscope.node',
  );
  const fail = (what: string, cause?: unknown): QuantscopeError => {
    const message = said`The native addon for ${platform} ${what}. Build it with: node scripts/native.mjs`;
    return new QuantscopeError('UNSUPPORTED', message, { file }, cause);
  };
  let binding: Binding;
  try {
    binding = createRequire(import.meta.url)(file) as Binding;
  } catch (cause) {
    throw fail('cannot be loaded', cause);
  }
  if (typeof binding.adamStep !== 'function') throw fail('was built from older sources');
  return binding;
}

function wrap(binding: Binding): Native {
  return {
    ...codecFunctions(binding),
    ...columnFunctions(binding),
    ...gridFunctions(binding),
    ...measurementFunctions(binding),
    ...scanFunctions(binding),
    ...solverFunctions(binding),
    ...trainingFunctions(binding),
    get simd() {
      return binding.simd();
    },
    simdPaths: binding.simdPaths,
    setSimd: (name) => binding.setSimd(name),
    setThreads: (threads) => binding.setThreads(threads),
    copyBandwidth: async (bytes) => binding.copyBandwidth(bytes),
  };
}
