import { openAdapter, type Adapter } from '../../adapters/openAdapter';
import { weightChanges, type WeightChange } from '../../adapters/weightChanges';
import { sourcesOf } from '../../architectures/convertedTensor';
import { ggufView } from '../../architectures/ggufView';
import { writeWithDigests } from '../../files/digests/writeWithDigests';
import { inputsOfModels } from '../../files/inputs';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { modelHash } from '../../model/identity';
import type { KeyValue } from '../../model/keyValue';
import type { Model } from '../../model/model';
import type { ExportedAdapter } from '../../protocol/adapters';
import { said } from '../../protocol/said';
import { ensureFreeSpace } from '../diskSpace';
import { layOutGguf, writeGguf, type GgufTensor } from '../gguf/writer';
import { adapterTensor, type AdapterTensor } from './adapterTensors';
import { appliedTensor } from './appliedTensors';

/**
 * Writes an adapter of PEFT as llama.cpp's adapter file, in float32: for each tensor NAME of the base's GGUF file that it changes, `NAME.lora_a` and
 * `NAME.lora_b`, whose rows are in the order of that file.
 * @param base the checkpoint that the adapter was trained on, without adapters.
 * @throws QuantscopeError as `openAdapter` and `weightChanges`; UNSUPPORTED naming what llama.cpp would not apply; REQUEST for an output that is
 * an input, IO.
 */
export async function exportAdapter(
  path: string,
  base: Model,
  out: string,
  signal?: AbortSignal,
): Promise<ExportedAdapter> {
  const adapter = await openAdapter(path, signal);
  try {
    return await writeAdapter(adapter, base, out, signal);
  } finally {
    await adapter.close();
  }
}

interface FactorTensor extends GgufTensor {
  readonly of: AdapterTensor;
  readonly factor: 'a' | 'b';
}

async function writeAdapter(
  adapter: Adapter,
  base: Model,
  out: string,
  signal: AbortSignal | undefined,
): Promise<ExportedAdapter> {
  const { alpha, file } = adapter.config;
  if (alpha === 0)
    throw new QuantscopeError('UNSUPPORTED', said`"lora_alpha" is 0, which llama.cpp takes for no scale.`, {
      file,
    });
  const { architecture, tensors } = await tensorsOf(adapter, base, signal);
  const listed = tensors.flatMap((of) => [factorTensor(of, 'a'), factorTensor(of, 'b')]);
  const layout = layOutGguf(keyValuesOf(adapter, architecture), listed);
  const identity = [adapter.weights, adapter.config.identity];
  const inputs = await inputsOfModels([{ format: 'safetensors', files: identity }, base.description]);
  await inputs.check([out]);
  await ensureFreeSpace(out, layout.fileBytes);
  const pairs = new LatestPair(signal);
  await writeWithDigests({
    files: [{ path: out, bytes: layout.fileBytes, hasWeights: true }],
    origin: {
      source: { name: adapter.name, hash: modelHash({ files: identity }) },
      ...{ action: 'adapter', settings: { base: modelHash(base.description) } },
    },
    ...{ inputs, signal },
    async fill(target, digests) {
      await writeGguf(target, layout, (tensor) => pairs.bytesOf(tensor), digests);
      throwIfCancelled(signal);
    },
  });
  return { out, architecture, alpha, bytes: layout.fileBytes, tensors: tensors.map(rowOf) };
}

const rowOf = ({ name, shapeA, shapeB }: AdapterTensor): ExportedAdapter['tensors'][number] => ({
  ...{ name, rank: shapeB.at(-1)!, shapeA, shapeB },
});

/** The changes of the base's tensors, as its GGUF file has them and in its order. */
async function tensorsOf(adapter: Adapter, base: Model, signal: AbortSignal | undefined) {
  const changes = weightChanges(base, adapter);
  for (const change of changes.values()) if (change.whole) throw wholeTensor(change);
  const { architecture, tensors } = await ggufView(base, signal);
  const left = new Set(changes.keys());
  const found = tensors.flatMap((converted) => {
    const changed = sourcesOf(converted).filter(({ name }) => changes.has(name));
    for (const { name } of changed) left.delete(name);
    if (changed.length === 0) return [];
    if (!appliedTensor(architecture, converted.name))
      throw notApplied(changed[0]!.name, converted.name, changes);
    return [adapterTensor(converted, changes, adapter.config.alpha)];
  });
  const [lost] = left;
  if (lost !== undefined) throw notApplied(lost, undefined, changes);
  return { architecture, tensors: found };
}

function wholeTensor({ whole, tensor }: WeightChange): QuantscopeError {
  const { file, name, offset } = whole!;
  const message = said`The adapter replaces "${tensor.name}"; llama.cpp's adapters have low-rank changes only. Merge the adapter on export (--lora).`;
  return new QuantscopeError('UNSUPPORTED', message, { file, tensor: name, offset });
}

function notApplied(
  source: string,
  name: string | undefined,
  changes: ReadonlyMap<string, WeightChange>,
): QuantscopeError {
  const { file, name: tensor, offset } = changes.get(source)!.change!.a;
  const where =
    name === undefined ? said`which GGUF does not have` : said`${name} in GGUF, where llama.cpp ignores it`;
  const message = said`The adapter changes "${source}", ${where}. Merge the adapter on export (--lora).`;
  return new QuantscopeError('UNSUPPORTED', message, { file, tensor, offset });
}

function factorTensor(of: AdapterTensor, factor: 'a' | 'b'): FactorTensor {
  const shape = factor === 'a' ? of.shapeA : of.shapeB;
  const bytes = 4 * shape.reduce((product, size) => product * size, 1);
  return { name: `${of.name}.lora_${factor}`, to: 'F32', shape, bytes, of, factor };
}

/** What llama.cpp asks of an adapter's file. */
function keyValuesOf({ name, config }: Adapter, architecture: string): KeyValue[] {
  const text = (key: string, value: string): KeyValue => ({ key, type: 'string', value });
  return [
    text('general.architecture', architecture),
    text('general.type', 'adapter'),
    text('general.name', name),
    text('adapter.type', 'lora'),
    { key: 'adapter.lora.alpha', type: 'f32', value: config.alpha },
    { key: 'general.file_type', type: 'u32', value: 0 },
  ];
}

/** The factors of the tensor that is being written: one computation gives both. */
class LatestPair {
  private latest:
    { readonly of: AdapterTensor; readonly factors: ReturnType<AdapterTensor['factors']> } | undefined;

  constructor(private readonly signal: AbortSignal | undefined) {}

  async *bytesOf({ of, factor }: FactorTensor): AsyncGenerator<Uint8Array> {
    if (this.latest?.of !== of) this.latest = { of, factors: of.factors(this.signal) };
    const { buffer, byteOffset, byteLength } = (await this.latest.factors)[factor];
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}
