import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { GgufView } from '../../architectures/ggufView';
import { checkpointRow } from '../../architectures/rowOrder';
import { inputsByTensor, partsFor } from '../../evaluation/evidence';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { EvidenceKind } from '../../protocol/recipe';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import type { EvidenceRequest, EvidenceSource, OutputRows } from '../../quant/evidence';
import type { Evidence, OutputCovariance } from '../../quant/methods/method';
import { keptNumbers, type KeptInput } from './evidenceNumbers';
import type { KeptEvidence } from './evidenceStore';
import { inCheckpointOrder } from './inputOrder';

/** An input and its place in the index. */
type Placed = KeptInput & { readonly at: number };

/** Evidence that is read from disk, one matrix at a time. */
export function evidenceSource(kept: KeptEvidence, view: GgufView): EvidenceSource {
  const placed = kept.inputs.map((input, at): Placed => ({ ...input, at }));
  const { inputs, unreached } = inputsByTensor(view.tensors, placed);
  return {
    text: { path: kept.text.path, tokens: kept.text.tokens, hash: kept.text.hash },
    notes: notesOf(kept, unreached),
    outputs: new Set(
      kept.outputs.flatMap(({ tensor: name, covariance, own }) => (covariance || own ? [name] : [])),
    ),
    async for(tensor, needs, options = {}) {
      const slots = inputs.get(tensor);
      if (!slots) return {};
      checkNeeds(kept, needs);
      const own = options.expert === undefined ? [...new Set(slots.flat())] : (slots[options.expert] ?? []);
      const inFile = await joined(kept, own, needs, options);
      const ofInputs = options.columns === 'gguf' ? inFile : inCheckpointOrder(inFile, view, tensor);
      const gradients = partsFor([needs]).gradients
        ? await gradientsAt(kept, view, options.output ?? rowsOf(view, tensor))
        : undefined;
      return { ...ofInputs, ...(gradients ? { gradients } : {}) };
    },
  };
}

function notesOf({ stopped }: KeptEvidence, unreached: number): string[] {
  const experts = `${plural(unreached, 'expert')} got no token of the text: the inputs of all experts of the block count for them.`;
  return [
    ...(unreached === 0 ? [] : [experts]),
    ...(stopped === undefined
      ? []
      : [
          `${stopped} Errors of matrices at whose outputs gradients are not known are weighted by their inputs alone.`,
        ]),
  ];
}

/** @throws QuantscopeError REQUEST when a pass did not measure what is needed. */
function checkNeeds({ parts, folder }: KeptEvidence, needs: EvidenceKind): void {
  const needed = partsFor([needs]);
  const lacks = (['hessians', 'activations', 'gradients'] as const).some(
    (part) => needed[part] && !parts[part],
  );
  if (lacks)
    throw new QuantscopeError('REQUEST', said`The kept evidence has no ${needs}: calibrate again.`, {
      file: folder,
    });
}

/** The matrix of a GGUF file that a tensor of a checkpoint is; undefined for one that is less or more than a matrix. */
function rowsOf(view: GgufView, name: string): OutputRows | undefined {
  const holders = view.tensors.filter(({ pieces }) => pieces.some(({ tensor }) => tensor.name === name));
  const [holder] = holders;
  const at = holder?.pieces.findIndex(({ tensor }) => tensor.name === name) ?? -1;
  const piece = holder?.pieces[at];
  if (!holder || !piece || holders.length > 1 || piece.tensor.elements !== piece.rows * holder.columns)
    return undefined;
  const experts = holder.shape.length > 2 ? holder.shape[0]! : 1;
  return holder.pieces.length === experts
    ? { tensor: holder.name, expert: at, order: 'checkpoint' }
    : undefined;
}

/** Undefined for an output whose gradients are not known. */
async function gradientsAt(
  kept: KeptEvidence,
  view: GgufView,
  output: OutputRows | undefined,
): Promise<OutputCovariance | undefined> {
  const at = kept.outputs.findIndex(
    ({ tensor, expert = 0 }) => tensor === output?.tensor && expert === (output.expert ?? 0),
  );
  if (!output || at < 0) return undefined;
  const found = await readable(kept, keptNumbers.gradients(kept.folder, at, kept.outputs[at]!));
  const unit = view.tensors.find(({ name }) => name === output.tensor)?.unit;
  return output.order === 'gguf' && unit?.order === 'interleave' ? interleaved(found, unit.rows) : found;
}

/** In the order of the file. */
function interleaved({ diagonal, covariance }: OutputCovariance, unit: number): OutputCovariance {
  const rows = diagonal.length;
  const source = Int32Array.from({ length: rows }, (_, row) => checkpointRow(row, unit));
  return {
    diagonal: diagonal.map((_, row) => diagonal[source[row]!]!),
    ...(covariance
      ? {
          covariance: covariance.map(
            (_, i) => covariance[source[Math.floor(i / rows)]! * rows + source[i % rows]!]!,
          ),
        }
      : {}),
  };
}

/** The evidence of some inputs together, each as often as it has rows. */
async function joined(
  kept: KeptEvidence,
  inputs: readonly Placed[],
  needs: EvidenceKind,
  { signal }: EvidenceRequest,
): Promise<Evidence> {
  const needed = partsFor([needs]);
  const total = inputs.reduce((sum, { rows }) => sum + rows, 0);
  const columns = inputs[0]!.columns;
  const empty = (): Float32Array => new Float32Array(columns);
  const [importance, mean, largest] = [empty(), empty(), empty()];
  const hessian = needed.hessians ? new Float64Array(columns * columns) : undefined;
  const rows: Float32Array[] = [];
  for (const input of inputs) {
    throwIfCancelled(signal);
    const weight = input.rows / total;
    const sums = await readable(kept, keptNumbers.sums(kept.folder, input.at, input));
    for (let i = 0; i < columns; i++) {
      importance[i]! += weight * sums.squares[i]!;
      mean[i]! += weight * sums.means[i]!;
      largest[i] = Math.max(largest[i]!, sums.largest[i]!);
    }
    if (hessian) await readable(kept, keptNumbers.addHessian(kept.folder, input.at, input, weight, hessian));
    if (needed.activations) rows.push(await readable(kept, keptNumbers.rows(kept.folder, input.at, input)));
  }
  return {
    ...{ importance, mean, largest },
    ...(hessian ? { hessian } : {}),
    ...(needed.activations ? { inputs: spread(rows, columns) } : {}),
  };
}

/** The numbers, or an error where they are damaged; the index goes with them, so that the next run measures again. */
async function readable<T>({ folder }: KeptEvidence, numbers: Promise<T | undefined>): Promise<T> {
  const found = await numbers;
  if (found !== undefined) return found;
  await rm(join(folder, 'index.json'), { force: true });
  throw new QuantscopeError('IO', said`The kept evidence is damaged: calibrate again.`, { file: folder });
}

/** As many rows as one input has, taken from all of them alike. */
function spread(parts: readonly Float32Array[], columns: number): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const most = parts.reduce((rows, part) => Math.max(rows, part.length / columns), 0);
  const each = Math.ceil(most / parts.length);
  const chosen = parts.map((part) => part.subarray(0, each * columns));
  const rows = new Float32Array(chosen.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of chosen) {
    rows.set(part, at);
    at += part.length;
  }
  return rows;
}
