import { table } from './document';
import { llamaCppVersion, machine } from './machine';

/** Times are in nanoseconds per weight. */
export interface EncodeResult {
  readonly type: string;
  /** Whether an importance matrix was given. */
  readonly weighted: boolean;
  readonly threads: number;
  readonly weights: number;
  readonly ours: number;
  readonly theirs: number;
  /** One for each of KernelResults.paths, in one thread. */
  readonly paths: readonly number[];
}

export interface DecodeResult {
  readonly type: string;
  readonly threads: number;
  readonly ours: number;
  readonly theirs: number;
  /** memcpy of as many floats. */
  readonly copy: number;
}

export interface KernelResults {
  /** Instruction set that the addon chose. */
  readonly simd: string;
  /** Other instruction sets that were measured. */
  readonly paths: readonly string[];
  readonly data: { readonly rows: number; readonly columns: number; readonly sigma: number };
  readonly threadCounts: readonly number[];
  /** Share of the machine's processor time that other processes used. */
  readonly otherLoad: number;
  readonly encoded: readonly EncodeResult[];
  readonly decoded: readonly DecodeResult[];
  /** Outputs that differ from llama.cpp's. */
  readonly differences: readonly string[];
}

/** The section of docs/BENCHMARKS.md. */
export function describeKernels(results: KernelResults): string {
  const { threadCounts, differences } = results;
  const parts = [setting(results), dataOf(results), definitions(results), verdict(differences)];
  for (const threads of threadCounts)
    parts.push(`### Encode, ${threaded(threads)}`, encodeTable(results, threads));
  for (const threads of threadCounts)
    parts.push(
      `### Decode, ${threaded(threads)}`,
      copySpeed(results, threads),
      decodeTable(results, threads),
    );
  return parts.join('\n\n');
}

function setting({ simd, otherLoad }: KernelResults): string {
  return [
    `- Machine: ${machine()}.`,
    `- Quantscope: the native addon with ${simd}.`,
    `- llama.cpp: npm \`@node-llama-cpp/linux-x64\` ${llamaCppVersion()}, \`libggml-base\`.`,
    `- Other processes used ${percent(otherLoad)} of the machine's processor time during the run.`,
  ].join('\n');
}

function dataOf({ data: { rows, columns, sigma } }: KernelResults): string {
  return [
    `Data: ${rows} rows of ${columns} float32 weights, normally distributed with σ = ${sigma}, from a fixed seed; types that`,
    'encode slowly get only the first rows. The importance matrix has one positive number per column, from a fixed seed.',
    "Decoders read llama.cpp's codes of the first rows, repeated to the full size.",
  ].join('\n');
}

function definitions({ paths }: KernelResults): string {
  const lines = [
    '- **ns**: nanoseconds per weight, of Quantscope and of llama.cpp: the median of the rounds.',
    '- **MB/s**: 10⁶ bytes of float32 per second, read by encoding or written by decoding.',
    '- **ratio**: time of llama.cpp ÷ time of Quantscope; above 1 Quantscope is faster.',
    '- **imatrix**: encoded with an importance matrix. **weights**: how many were encoded, in units of 2²⁰.',
    '- **of copy**: float32 bytes written per second ÷ bytes that `memcpy` copies per second, with as many threads',
    '  and a buffer of the same size, in the same rounds. A copy reads four bytes per weight and decoding reads fewer,',
    '  so it can exceed 100 %.',
  ];
  if (paths.length > 0)
    lines.push(
      `- **${paths.join('**, **')}**: the addon restricted to that instruction set; (ratio) as above.`,
    );
  return lines.join('\n');
}

function verdict(differences: readonly string[]): string {
  if (differences.length === 0) return 'Every output of this run is byte-identical to that of llama.cpp.';
  return ['**NOT byte-identical to llama.cpp:**', '', ...differences.map((line) => `- ${line}`)].join('\n');
}

function encodeTable({ encoded, paths }: KernelResults, threads: number): string {
  const extra = threads === 1 ? paths : [];
  const head = ['type', 'imatrix', 'weights', ...speedHead, ...extra.map((path) => `${path} ns (ratio)`)];
  const rows = encoded
    .filter((result) => result.threads === threads)
    .map((result) => [
      result.type,
      result.weighted ? 'yes' : 'no',
      (result.weights / 2 ** 20).toFixed(2),
      ...speeds(result),
      ...result.paths.map((time) => `${digits(time)} (${digits(result.theirs / time)})`),
    ]);
  return table(head, rows);
}

function decodeTable({ decoded }: KernelResults, threads: number): string {
  const head = ['type', ...speedHead, 'Quantscope of copy', 'llama.cpp of copy'];
  const rows = decoded
    .filter((result) => result.threads === threads)
    .map((result) => [
      result.type,
      ...speeds(result),
      percent(result.copy / result.ours),
      percent(result.copy / result.theirs),
    ]);
  return table(head, rows);
}

function copySpeed({ decoded }: KernelResults, threads: number): string {
  const copies = decoded.filter((result) => result.threads === threads).map(({ copy }) => copy);
  const slowest = megabytesPerSecond(Math.max(...copies));
  const fastest = megabytesPerSecond(Math.min(...copies));
  return `\`memcpy\` copied ${slowest} to ${fastest} MB/s in the same rounds.`;
}

const speedHead = ['Quantscope ns', 'llama.cpp ns', 'Quantscope MB/s', 'llama.cpp MB/s', 'ratio'];

function speeds({ ours, theirs }: { readonly ours: number; readonly theirs: number }): string[] {
  return [
    digits(ours),
    digits(theirs),
    megabytesPerSecond(ours),
    megabytesPerSecond(theirs),
    digits(theirs / ours),
  ];
}

function threaded(threads: number): string {
  return threads === 1 ? 'one thread' : `${threads} threads`;
}

function megabytesPerSecond(nanosecondsPerWeight: number): string {
  return digits(4000 / nanosecondsPerWeight);
}

/** Three significant digits, or all digits of a larger number. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
