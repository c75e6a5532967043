import type { Tensor } from 'onnxruntime-node';
import { loadNative } from '../../native';
import { output } from './graphLoader';
import type { Tap, TapKind } from './graphParts';
import { RowSample } from './rowSample';

/** Input of some matrices: Σx² and Σx over all of its rows, float64 over the runs of a graph and float32 within one. */
export interface InputStatistics {
  /** The matrices, by their names in GGUF. */
  readonly tensors: readonly string[];
  /** Which of the matrices that are merged in them: an expert, or a head. */
  readonly expert?: number;
  /** Rows (tokens) that were added up. */
  readonly rows: number;
  /** Per input channel: Σx², Σx, max|x|. */
  readonly squares: Float64Array;
  readonly sums: Float64Array;
  readonly largest: Float64Array;
  /** XᵀX, `[columns, columns]`, in float64: products are exact. Only where requested. */
  readonly gram?: Float64Array;
  /** Some of the rows, `[samples, columns]`; only where requested. */
  readonly samples?: Float32Array;
}

/** Adds up what the taps of a graph measure in its runs. */
export class TapSums {
  private readonly slots: readonly { readonly tap: Tap; readonly member: number }[];
  private readonly found: InputStatistics[];
  private readonly samples: RowSample[];
  private rows = 0;

  /** @param prefix goes before the names of parts. */
  constructor(
    taps: readonly Tap[],
    prefix: string,
    { grams = false, samples = 0 }: TapKind = {},
    expert?: number,
  ) {
    this.slots = taps.flatMap((tap) =>
      Array.from({ length: tap.members ?? 1 }, (_, member) => ({ tap, member })),
    );
    this.samples = this.slots.map(({ tap }) => new RowSample(samples, tap.columns));
    this.found = this.slots.map(({ tap: { parts, columns, members }, member }) => ({
      tensors: parts.map((part) => prefix + part),
      ...(members === undefined ? (expert === undefined ? {} : { expert }) : { expert: member }),
      ...{ rows: 0, squares: new Float64Array(columns), sums: new Float64Array(columns) },
      largest: new Float64Array(columns),
      ...(grams ? { gram: new Float64Array(columns * columns) } : {}),
    }));
  }

  /** Adds a run over so many rows. @throws QuantscopeError CANCELLED. */
  async add(outputs: Readonly<Record<string, Tensor>>, rows: number, signal?: AbortSignal): Promise<void> {
    this.rows += rows;
    for (const [i, { tap, member }] of this.slots.entries()) {
      const { squares, sums, largest, gram } = this.found[i]!;
      const measured = (name: string): Float32Array =>
        ofMember(output(outputs, name), member, tap.members ?? 1);
      addTo(squares, measured(tap.squares));
      addTo(sums, measured(tap.sums));
      for (const [column, value] of measured(tap.largest).entries())
        largest[column] = Math.max(largest[column]!, value);
      if (tap.rows === undefined) continue;
      const values = measured(tap.rows);
      this.samples[i]!.add(values);
      if (gram) await loadNative().accumulateGram(values, tap.columns, gram, signal);
    }
  }

  finish(): InputStatistics[] {
    return this.found.map((item, i) => ({
      ...{ ...item, rows: this.rows },
      ...(this.samples[i]!.capacity > 0 ? { samples: this.samples[i]!.values() } : {}),
    }));
  }
}

/** What values have of one matrix of several, for each of which they have equally many, one after the other. */
export const ofMember = (values: Float32Array, member: number, members: number): Float32Array =>
  values.subarray((member * values.length) / members, ((member + 1) * values.length) / members);

function addTo(to: Float64Array, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) to[i]! += values[i]!;
}
