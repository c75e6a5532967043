import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest. Vitest, which begins with large ones, would come to some of them last, and a processor would wait for their end. */
const longest = [
  ...['documentation', 'evaluation', 'ggml', 'provenance', 'evaluationTokenizer', 'optimisedCodes'],
  ...['calibratedFolders', 'forward', 'architectures', 'webgpu'],
].map((name) => `/test/oracle/${name}.test.ts`);

const isLong = ({ moduleId }: TestSpecification): boolean => longest.some((name) => moduleId.endsWith(name));

/** The order in which test files are started. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files);
    return [...usual.filter(isLong), ...usual.filter((file) => !isLong(file))];
  }
}
