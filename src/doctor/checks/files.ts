import { basename } from 'node:path';
import { dtypeNamed } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { fileKind } from '../../model/fileKind';
import { readGguf } from '../../model/gguf';
import { exists, joinPlace, openSource } from '../../model/place';
import { headerReaders } from '../../model/readHeader';
import { indexName, readWeightIndex } from '../../model/weightIndex';
import { plural, size } from '../../protocol/words';
import type { ModelFormat, TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { Check, CheckContext, Found } from '../check';
import type { Code } from '../codes';
import { bareMessage, placeOf, type Patient } from '../patient';

/**
 * What the readers of headers refuse, by their messages: a reader stops at the first fault, so one is reported for each file. Anything else is
 * `file/unreadable`.
 */
const refusals: readonly (readonly [RegExp, Code])[] = [
  [/^The data overlaps/, 'layout/overlap'],
  [/^There is a gap of/, 'layout/gap'],
  [/ needs \d+ bytes, but the header gives it|^The row length .* is not a multiple/, 'layout/wrong-size'],
  [/^The data offset \d+ is not a multiple of the alignment/, 'layout/misaligned'],
  [/^general\.alignment is/, 'gguf/wrong-value'],
  [/appears in two (shards|parts)/, 'index/doubled-tensor'],
  [/^The index names|without a "weight_map"/, 'index/unreadable'],
  [
    /is cut off|ends inside|bytes cannot hold|^The file has \d+ bytes;|^The file is empty|^The file begins with zeros/,
    'file/header-cut',
  ],
  [
    /^This is (an?|the) |does not start with "GGUF"|this is not a safetensors file|byte-swapped|is not safetensors, GGUF or/,
    'file/not-a-model',
  ],
];

/** The code of a file that cannot be opened. */
export function codeOfRefusal(error: QuantscopeError): Code {
  const message = bareMessage(error);
  const found = refusals.find(([pattern]) => pattern.test(message))?.[1];
  if (found) return found;
  return /\.index(\.[\w-]+)?\.json$/i.test(error.place.file ?? '') ? 'index/unreadable' : 'file/unreadable';
}

const refusalOf = (error: QuantscopeError, path: string): Found => ({
  code: codeOfRefusal(error),
  message: bareMessage(error),
  ...placeOf(error, path),
});

/** Files that cannot be opened, or end too early, and how their data lies in them. */
export const filesCheck: Check = {
  codes: [
    ...new Set<Code>(refusals.map(([, code]) => code)),
    ...(['file/unreadable', 'file/truncated', 'layout/unaligned-elements', 'layout/unused-bytes'] as const),
    'index/missing-shard',
  ],
  async run(patient, context) {
    const { model, problem, path } = patient;
    if (problem) context.report(refusalOf(problem, path));
    if (!model) return;
    await missingFiles(patient, context);
    reportUnused(model, context);
    for (const { path: file, size: bytes, contentHash } of model.description.files) {
      if (contentHash === undefined) continue;
      const tensors = model.description.tensors.filter((tensor) => tensor.file === file);
      reportTruncated(file, bytes, tensors, context);
      if (model.description.format === 'safetensors') reportUnaligned(file, tensors, context);
    }
  },
};

/** Shards and parts that are not there, and those that are there and cannot be read. */
async function missingFiles({ model }: Patient, { report, signal }: CheckContext): Promise<void> {
  const { folder, description } = model!;
  const { path, missingFiles: names, files } = description;
  const listed = await listedShards(files.map((file) => file.path));
  const absent: string[] = [];
  for (const name of names) {
    const file = joinPlace(folder, name);
    if (!(await exists(file))) absent.push(name);
    else await unreadable(file, description.format, { report, signal });
  }
  const code = 'index/missing-shard';
  if (absent.length > 1 && listed && listed.shards.size === absent.length) {
    const message = said`None of the ${absent.length} files that the index names is there: download them.`;
    return report({ code, file: listed.path, key: ['weight_map'], message });
  }
  for (const name of absent) {
    const tensor = listed?.shards.get(name);
    const key = tensor === undefined ? {} : { key: ['weight_map', tensor] };
    report({ code, file: listed?.path ?? path, ...key, message: said`${name} is missing: download it.` });
  }
}

/** The index among the files of a model, and the first tensor of each shard that it lists. */
async function listedShards(files: readonly string[]) {
  const path = files.find((file) => indexName.test(file));
  if (path === undefined) return undefined;
  const { names, shards } = (await readWeightIndex(path)).listed;
  const first = new Map<string, string>();
  for (const [i, shard] of shards.entries()) if (!first.has(shard)) first.set(shard, names[i]!);
  return { path, shards: first };
}

async function unreadable(
  file: string,
  format: ModelFormat,
  { report, signal }: Pick<CheckContext, 'report' | 'signal'>,
): Promise<void> {
  const source = await openSource(file);
  try {
    await fileKind(source, { signal });
    await (format === 'gguf' ? readGguf : headerReaders[format])(source, signal);
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code !== 'MODEL_FILE') throw error;
    report(refusalOf(error, file));
  } finally {
    await source.close();
  }
}

function reportTruncated(
  file: string,
  bytes: number,
  tensors: readonly TensorDescriptor[],
  { report }: CheckContext,
): void {
  const missing = tensors.filter(({ missingBytes }) => missingBytes !== undefined);
  const [first] = missing;
  if (!first) return;
  const lost = missing.reduce((sum, { missingBytes = 0 }) => sum + missingBytes, 0);
  report({
    ...{ code: 'file/truncated', file, tensor: first.name, offset: bytes },
    message: said`${basename(file)} has ${size(bytes)} and lacks ${size(lost)}: the download was interrupted. ${tensors.length - missing.length} of ${plural(tensors.length, 'tensor')} can still be read.`,
  });
}

/** Bytes after the last tensor of a safetensors file. */
function reportUnused({ description }: Model, { report }: CheckContext): void {
  const files = description.files.flatMap(({ path, contentHash }) => (contentHash === undefined ? [] : path));
  for (const warning of description.warnings) {
    const bytes = /^Unused after the last tensor: (.+)\.$/.exec(warning)?.[1];
    if (bytes === undefined) continue;
    const file = files.length === 1 ? files[0]! : description.path;
    const message = said`After the last tensor, ${bytes} belong to none: the safetensors library refuses the file.`;
    report({ code: 'layout/unused-bytes', file, message });
  }
}

/** Elements at odd places, which some readers copy or refuse; where the header ends is not counted. */
function reportUnaligned(file: string, tensors: readonly TensorDescriptor[], { report }: CheckContext): void {
  if (tensors.some(({ stored }) => stored)) return; // parts of weights are not all known
  const begin = tensors.reduce((first, { offset }) => Math.min(first, offset), Infinity);
  const odd = tensors.filter(({ dtype, offset, byteLength }) => {
    const bits = dtypeNamed(dtype)?.bitsPerBlock ?? 8;
    return byteLength > 0 && bits > 8 && bits % 8 === 0 && bits <= 64 && (offset - begin) % (bits / 8) !== 0;
  });
  const [first] = odd;
  if (!first) return;
  report({
    ...{ code: 'layout/unaligned-elements', file, tensor: first.name, offset: first.offset },
    message:
      odd.length === 1
        ? said`1 tensor does not begin at a multiple of the size of an element: programs that map the file must copy the data.`
        : said`${plural(odd.length, 'tensor')} do not begin at a multiple of the size of an element: programs that map the file must copy the data.`,
  });
}
