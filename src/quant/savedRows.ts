import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/openModel';
import { matrixOf, maxRowWeights, partWeights } from '../model/rows';
import { loadNative, type EncodedRows } from '../native';
import type { EncodedData, TensorDescriptor } from '../protocol/model';
import type { Scheme } from '../protocol/formats';
import { formatById } from './catalogue';
import { parameterCount, rowLayout, type RowLayout } from './layout';

/** A tensor whose data is codes with separate scales. */
export type SavedDescriptor = TensorDescriptor & { readonly encoded: EncodedData };

/** Weights that are decoded at a time. */
const slabWeights = 2 ** 21;

/** Some whole rows, or a part of one. */
export interface SavedSlab {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly width: number;
}

export const isEncoded = (tensor: TensorDescriptor): tensor is SavedDescriptor =>
  tensor.encoded !== undefined;

/** Reads rows of a tensor that was saved quantized, and decodes them. */
export class SavedRows {
  private readonly scheme: Scheme;
  private readonly layout: RowLayout;
  private readonly rows: number;
  private readonly columns: number;

  /**
   * @throws QuantscopeError MODEL_FILE when the sizes of its parts do not match its format, REQUEST for an unknown format.
   */
  constructor(
    private readonly model: Model,
    private readonly tensor: SavedDescriptor,
  ) {
    const { file, name, offset, encoded, shape, dtype } = tensor;
    const { rows, columns } = matrixOf(shape);
    this.scheme = formatById(dtype).scheme;
    this.rows = rows;
    this.columns = columns;
    this.layout = rowLayout(this.scheme, columns);
    const { codeBytes, hasScales, hasZeros } = this.layout;
    const parameters = 4 * parameterCount(this.layout, rows);
    const expected = {
      codes: rows * codeBytes,
      scales: hasScales ? parameters : 0,
      zeros: hasZeros ? parameters : 0,
    };
    for (const part of ['codes', 'scales', 'zeros'] as const) {
      if (encoded[part] === expected[part]) continue;
      const message = `${dtype} [${shape.join(', ')}] needs ${expected[part]} bytes of ${part}, but the file has ${encoded[part]}.`;
      throw new QuantscopeError('MODEL_FILE', message, { file, tensor: name, offset });
    }
  }

  /** The slabs that it is best read in: whole rows, or parts of one where rows are longer than `maxRowWeights`. */
  *slabs(): Generator<SavedSlab> {
    const { rows, columns } = this;
    if (columns <= maxRowWeights) {
      const perSlab = Math.max(1, Math.floor(slabWeights / columns));
      for (let row = 0; row < rows; row += perSlab)
        yield { row, column: 0, rows: Math.min(perSlab, rows - row), width: columns };
      return;
    }
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column += partWeights)
        yield { row, column, rows: 1, width: Math.min(partWeights, columns - column) };
  }

  /** `rows × width` weights of a slab. */
  async read(slab: SavedSlab, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const { row, column, rows, width } = slab;
    const { codes, scales } = this.tensor.encoded;
    const { codeBytes, groups, hasScales, hasZeros } = this.layout;
    // What comes before the column in its row; blocks and groups never cross the start of a part.
    const before = column === 0 ? { codeBytes: 0, groups: 0 } : rowLayout(this.scheme, column);
    const part = rowLayout(this.scheme, width);
    const parameters = async (start: number): Promise<Float32Array> => {
      const first = groups === 0 ? 0 : row * groups + before.groups;
      const count = groups === 0 ? 1 : rows * part.groups;
      return new Float32Array((await this.bytes(start + 4 * first, 4 * count, signal)).buffer);
    };
    const encoded: EncodedRows = {
      codes: await this.bytes(row * codeBytes + before.codeBytes, rows * part.codeBytes, signal),
      ...(hasScales ? { scales: await parameters(codes) } : {}),
      ...(hasZeros ? { zeros: await parameters(codes + scales) } : {}),
    };
    const values = new Float32Array(rows * width);
    await loadNative().decodeRows(this.scheme, encoded, width, values, signal);
    return values;
  }

  /** A rectangle of weights, row by row. */
  async window(
    { row, column, rows, width }: SavedSlab,
    signal?: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>[]> {
    const isWhole = this.columns <= maxRowWeights;
    const step = isWhole ? this.columns : partWeights;
    const together = isWhole ? rows : 1; // rows that one read brings
    const found = Array.from({ length: rows }, () => new Float32Array(width));
    for (let first = 0; first < rows; first += together) {
      for (let start = column - (column % step); start < column + width; start += step) {
        const part = Math.min(step, this.columns - start);
        const slab = { row: row + first, column: start, rows: together, width: part };
        const values = await this.read(slab, signal);
        const [from, to] = [Math.max(start, column), Math.min(start + part, column + width)];
        for (let i = 0; i < together; i++) {
          const line = values.subarray(i * part + from - start, i * part + to - start);
          found[first + i]!.set(line, from - column);
        }
      }
    }
    return found;
  }

  private async bytes(
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const target = new Uint8Array(length);
    await this.model.readInto(this.tensor, offset, target, signal);
    return target;
  }
}
