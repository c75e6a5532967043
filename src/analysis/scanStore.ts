import { SealedLines } from '../files/sealedLines';
import { isRecord } from '../model/json';
import { scanFigureNames, type ScanFigureName } from '../protocol/modelScan';
import { areCurrent, versionsOf } from '../quant/algorithms';
import { isFormatId } from '../quant/catalogue';

/** Figures of one tensor. */
export type TensorFigures = Readonly<Record<ScanFigureName, number>>;

/**
 * Scanned tensors on disk, appended as they are finished. Figures that another version of the program computed are computed again. Where the
 * folder cannot be used they are kept in memory only, and `problem` says why.
 */
export class ScanStore {
  private constructor(
    private readonly lines: SealedLines,
    private readonly figures: Map<string, TensorFigures>,
    private readonly errors: Map<string, number>,
  ) {}

  /** @param key contentKey of the model. */
  static async open(folder: string, key: string): Promise<ScanStore> {
    const figures = new Map<string, TensorFigures>();
    const errors = new Map<string, number>();
    const lines = await SealedLines.open(folder, `${key}-scan`, (line) => {
      if (!isRecord(line) || typeof line['tensor'] !== 'string') return;
      const { tensor, format, values, relative, versions } = line;
      if (format === undefined) {
        const found = areCurrent(versions, ['scan']) ? figuresOf(values) : undefined;
        if (found) figures.set(tensor, found);
      } else if (
        isFormatId(format) &&
        typeof relative === 'number' &&
        areCurrent(versions, errorAlgorithms(format))
      )
        errors.set(errorKey(tensor, format), relative);
    });
    return new ScanStore(lines, figures, errors);
  }

  get problem(): string | undefined {
    return this.lines.problem;
  }

  figuresOf(tensor: string): TensorFigures | undefined {
    return this.figures.get(tensor);
  }

  /** ‖x − x'‖ / ‖x‖ in a format; NaN where it cannot take the tensor; undefined where it was not measured. */
  errorOf(tensor: string, format: string): number | undefined {
    return this.errors.get(errorKey(tensor, format));
  }

  /** Written in the background: a killed run loses no more than the last tensors. */
  addFigures(tensor: string, figures: TensorFigures): void {
    this.figures.set(tensor, figures);
    const values = scanFigureNames.map((name) => figures[name]);
    void this.lines.append({ tensor, values, versions: versionsOf(['scan']) });
  }

  addError(tensor: string, format: string, relative: number): void {
    this.errors.set(errorKey(tensor, format), relative);
    void this.lines.append({ tensor, format, relative, versions: versionsOf(errorAlgorithms(format)) });
  }

  close(): Promise<void> {
    return this.lines.close();
  }
}

const errorKey = (tensor: string, format: string): string => `${format}\n${tensor}`;

const errorAlgorithms = (format: string): string[] => [format, 'errors'];

function figuresOf(values: unknown): TensorFigures | undefined {
  if (!Array.isArray(values) || values.length !== scanFigureNames.length) return undefined;
  if (!values.every((value) => typeof value === 'number')) return undefined;
  return Object.fromEntries(scanFigureNames.map((name, i) => [name, values[i]!])) as TensorFigures;
}
