import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/openModel';
import { matrixOf, maxRowWeights } from '../model/rows';
import { loadNative, type EncodedRows } from '../native';
import type { EncodedData, TensorDescriptor } from '../protocol/model';
import type { Scheme } from '../protocol/formats';
import { formatById } from './catalogue';
import { parameterCount, rowLayout, type RowLayout } from './layout';

/** A tensor whose data is codes with scales of their own. */
export type SavedDescriptor = TensorDescriptor & { readonly encoded: EncodedData };

export const isEncoded = (tensor: TensorDescriptor): tensor is SavedDescriptor =>
  tensor.encoded !== undefined;

/** Reads rows of a tensor that was saved quantized, and decodes them. */
export class SavedRows {
  private readonly scheme: Scheme;
  private readonly layout: RowLayout;
  private readonly columns: number;

  /**
   * @throws QuantscopeError MODEL_FILE when the sizes of its parts are not those of its format, REQUEST for an unknown format,
   * UNSUPPORTED for rows that are too long to be decoded whole.
   */
  constructor(
    private readonly model: Model,
    private readonly tensor: SavedDescriptor,
  ) {
    const { file, name, offset, encoded, shape, dtype } = tensor;
    const { rows, columns } = matrixOf(shape);
    this.scheme = formatById(dtype).scheme;
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
      const message = `${dtype} [${shape.join(', ')}] has ${expected[part]} bytes of ${part}, the file ${encoded[part]}.`;
      throw new QuantscopeError('MODEL_FILE', message, { file, tensor: name, offset });
    }
    if (columns > maxRowWeights)
      throw new QuantscopeError('UNSUPPORTED', `Rows of ${columns} weights in ${dtype} cannot be decoded.`, {
        ...{ file, tensor: name, offset },
      });
  }

  /** `count × columns` weights. */
  async read(firstRow: number, count: number, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const { codes, scales } = this.tensor.encoded;
    const { codeBytes, groups, hasScales, hasZeros } = this.layout;
    const shared = groups === 0;
    const parameters = async (start: number): Promise<Float32Array> => {
      const perRow = 4 * groups;
      const [offset, length] = shared ? [0, 4] : [firstRow * perRow, count * perRow];
      return new Float32Array((await this.bytes(start + offset, length, signal)).buffer);
    };
    const encoded: EncodedRows = {
      codes: await this.bytes(firstRow * codeBytes, count * codeBytes, signal),
      ...(hasScales ? { scales: await parameters(codes) } : {}),
      ...(hasZeros ? { zeros: await parameters(codes + scales) } : {}),
    };
    const values = new Float32Array(count * this.columns);
    await loadNative().decodeRows(this.scheme, encoded, this.columns, values, signal);
    return values;
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
