import { dirname } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readJsonFile } from '../model/jsonFiles';
import type { Model } from '../model/model';
import { exists, joinPlace } from '../model/place';
import { said } from '../protocol/said';

/** A JSON file next to the weights: its object, or why it cannot be read. */
export interface PatientJson {
  readonly file: string;
  readonly value?: Readonly<Record<string, unknown>>;
  readonly problem?: QuantscopeError;
}

/** What is examined: a model, or a path that cannot be opened as one. */
export class Patient {
  private readonly files = new Map<string, Promise<PatientJson | undefined>>();

  /** @param opened the model, or why it cannot be opened. */
  constructor(
    readonly path: string,
    private readonly opened: Model | QuantscopeError,
  ) {}

  get model(): Model | undefined {
    return this.opened instanceof QuantscopeError ? undefined : this.opened;
  }

  get problem(): QuantscopeError | undefined {
    return this.opened instanceof QuantscopeError ? this.opened : undefined;
  }

  /** Of the model's files. */
  get folder(): string {
    return this.model?.folder ?? dirname(this.problem?.place.file ?? this.path);
  }

  /** Whether files beside the weights belong to them; one shard that is opened alone is examined as it is. */
  get hasSurroundings(): boolean {
    return this.model !== undefined && this.model.description.part?.alone !== true;
  }

  /** A JSON file of the folder, read once; undefined where it does not exist. */
  json(name: string): Promise<PatientJson | undefined> {
    const known = this.files.get(name);
    if (known) return known;
    const reading = this.read(joinPlace(this.folder, name));
    this.files.set(name, reading);
    return reading;
  }

  private async read(file: string): Promise<PatientJson | undefined> {
    if (!(await exists(file))) return undefined;
    try {
      const { value } = await readJsonFile(file);
      if (isRecord(value)) return { file, value };
      throw new QuantscopeError('MODEL_FILE', said`The file does not hold a JSON object.`, {
        file,
        offset: 0,
      });
    } catch (error) {
      if (error instanceof QuantscopeError && error.code === 'MODEL_FILE') return { file, problem: error };
      throw error;
    }
  }
}

/** The message of an error without its place, which findings have themselves. */
export function bareMessage({ message, place }: QuantscopeError): string {
  const parts = [
    place.file,
    place.tensor === undefined ? undefined : `tensor "${place.tensor}"`,
    place.offset === undefined ? undefined : `byte ${place.offset}`,
  ].filter((part) => part !== undefined);
  const suffix = ` (${parts.join(', ')})`;
  return parts.length > 0 && message.endsWith(suffix) ? message.slice(0, -suffix.length) : message;
}

/** Where an error says that it is. */
export const placeOf = ({ place }: QuantscopeError, path: string) => ({
  file: place.file ?? path,
  ...(place.tensor === undefined ? {} : { tensor: place.tensor }),
  ...(place.offset === undefined ? {} : { offset: place.offset }),
});
