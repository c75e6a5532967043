import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { createJobs } from '../../src/engine/jobs';
import { OpenModels } from '../../src/engine/models';
import { openModel } from '../../src/layouts/openModel';
import { pack, unpack } from '../../src/protocol/packed';
import { tabled, type PackedModel } from '../../src/protocol/tensorTable';
import { linesOf } from '../../webview/lines';
import { buildTree } from '../../webview/tree';

/** Milliseconds of processor time by what they were spent on. */
type Figures = Readonly<Record<string, number>>;

/** The largest header of the files here. */
const headerBytes = 32 * 2 ** 20;
/** Lines of a tall screen. */
const screenful = 60;

/** What one process measures and prints. */
export const readings = {
  quantscope: async (file: string) => {
    print({ quantscope: await timeOf(() => openModel(file)) });
  },
  huggingface: async (file: string) => {
    const { gguf } = await import('@huggingface/gguf');
    print({ huggingface: await timeOf(() => gguf(file, { allowLocalFile: true })) });
  },
  hyllama: async (file: string) => {
    const { ggufMetadata } = await import('hyllama');
    const bytes = new Uint8Array(headerBytes);
    const descriptor = openSync(file, 'r');
    const length = readSync(descriptor, bytes, 0, headerBytes, 0);
    closeSync(descriptor);
    print({ hyllama: await timeOf(() => ggufMetadata(bytes.buffer.slice(0, length))) });
  },
  parse: async (index: string) => {
    const headers = headersBeside(index);
    const text = readFileSync(index, 'utf8');
    const parse = await timeOf(() => headers.map((header) => JSON.parse(header) as unknown));
    print({ parse, index: await timeOf(() => JSON.parse(text) as unknown) });
  },
  sides: async (index: string) => print(await sides(index)),
} satisfies Readonly<Record<string, (file: string) => Promise<void>>>;

export type Reading = keyof typeof readings;

/** Runs a reading in a process of its own. */
export function spent(reading: Reading, file: string): Figures {
  const output = execFileSync(process.execPath, [process.argv[1]!, '--reading', reading, file], {
    encoding: 'utf8',
  });
  return JSON.parse(output) as Figures;
}

/** Opening a model in the editor, on each side of its boundaries. */
async function sides(index: string): Promise<Figures> {
  const jobs = createJobs(new OpenModels());
  const context = { signal: new AbortController().signal, progress: () => undefined };
  let sent: Buffer | undefined;
  const engine = await timeOf(async () => {
    sent = serialize(await jobs['model/open']({ path: index }, context));
  });
  let message: unknown;
  const host = await timeOf(() => {
    const model = deserialize(sent!) as PackedModel;
    message = pack({ rpc: 'result', result: { model, revision: 1 } });
  });
  const page = await timeOf(() => {
    const { result } = unpack(message) as { result: { model: PackedModel } };
    const { children } = buildTree(tabled(result.model).table);
    for (const { node } of linesOf(children, new Set(['model.layers.'])).slice(0, screenful))
      if (node.kind === 'group') void [node.label, node.repeats, node.bytes, node.shape];
      else void [node.label, node.tensor];
  });
  const limits = await timeOf(() => jobs['model/limits']({ path: index }, context));
  return { engine, host, page, limits };
}

function headersBeside(index: string): string[] {
  const folder = dirname(index);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => {
      const descriptor = openSync(join(folder, name), 'r');
      const length = Buffer.alloc(8);
      readSync(descriptor, length, 0, 8, 0);
      const text = Buffer.alloc(Number(length.readBigUInt64LE()));
      readSync(descriptor, text, 0, text.length, 8);
      closeSync(descriptor);
      return text.toString();
    });
}

async function timeOf(work: () => unknown): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function print(figures: Figures): void {
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0)); // models keep files open
}
