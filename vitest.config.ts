import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Milliseconds. The limits end what hangs and judge no speed: a test on a machine that is slow or busy may take many times what it takes elsewhere, so no
 * test has a shorter limit of its own.
 */
const limits = { test: 600_000, poll: 120_000 };

const project = (name: string, extra: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: limits.test,
    hookTimeout: limits.test,
    expect: { poll: { timeout: limits.poll } },
    setupFiles: ['test/support/setup.ts'],
    globalSetup: ['test/support/runFolder.ts'],
    ...extra,
  },
});

/** Files that take longest. Vitest, which begins with large ones, would come to some of them last, and a processor would wait for their end. */
const longest = [
  ...['documentation', 'evaluation', 'ggml', 'provenance', 'evaluationTokenizer', 'optimisedCodes'],
  ...['calibratedFolders', 'forward', 'architectures', 'webgpu'],
].map((name) => `/test/oracle/${name}.test.ts`);

const isLong = ({ moduleId }: TestSpecification): boolean => longest.some((name) => moduleId.endsWith(name));

/** The order in which test files are started. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files);
    return [...usual.filter(isLong), ...usual.filter((file) => !isLong(file))];
  }
}

// Tests that load ONNX Runtime directly must not start its telemetry either; workers inherit this process's environment.
process.env['ORT_DISABLE_TELEMETRY'] = '1';

/** `unit` needs only the addon; `oracle` llama.cpp and ONNX Runtime; `ui` a real VS Code in a browser. */
export default defineConfig({
  test: {
    // Vitest leaves one core free, which on two cores is half of them.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit'),
      project('oracle', { pool: 'forks' }),
      project('ui', { fileParallelism: false, pool: 'forks' }),
    ],
  },
});
