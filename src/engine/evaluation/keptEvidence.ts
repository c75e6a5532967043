import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { GgufView } from '../../architectures/ggufView';
import { inputsByTensor, partsFor } from '../../evaluation/evidence';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { EvidenceKind } from '../../protocol/recipe';
import { plural } from '../../protocol/words';
import type { EvidenceRequest, EvidenceSource } from '../../quant/evidence';
import type { Evidence } from '../../quant/methods/method';
import { keptNumbers, type KeptEvidence, type KeptInput } from './evidenceStore';

/** An input and its place in the index. */
type Placed = KeptInput & { readonly at: number };

/** Evidence that is read from disk, one matrix at a time. */
export function evidenceSource(kept: KeptEvidence, view: GgufView): EvidenceSource {
  const placed = kept.inputs.map((input, at): Placed => ({ ...input, at }));
  const { inputs, unreached } = inputsByTensor(view.tensors, placed);
  const notes =
    unreached === 0
      ? []
      : [
          `${plural(unreached, 'expert')} got no token of the text: the inputs of all experts of the block count for them.`,
        ];
  return {
    text: { path: kept.text.path, tokens: kept.text.tokens, hash: kept.text.hash },
    notes,
    for(tensor, needs, options = {}) {
      const slots = inputs.get(tensor);
      if (!slots) return Promise.resolve({});
      const own = options.expert === undefined ? [...new Set(slots.flat())] : (slots[options.expert] ?? []);
      return joined(kept, own, needs, options);
    },
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
  if ((needed.hessians && !kept.parts.hessians) || (needed.activations && !kept.parts.activations))
    throw new QuantscopeError('REQUEST', `The kept evidence has no ${needs}: calibrate again.`, {
      file: kept.folder,
    });
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
  throw new QuantscopeError('IO', 'The kept evidence is damaged: calibrate again.', { file: folder });
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
