import { join } from 'node:path';
import type { Origin } from '../../files/digests/manifest';
import type { Inputs } from '../../files/inputs';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import type { ConvertResult, ConvertSettings } from '../../protocol/convert';
import type { EngineProgress } from '../../protocol/engine';
import { ShardFile } from '../checkpoint/shardFile';
import type { PlannedShard, Unit } from '../checkpoint/shards';
import { writeSafetensors } from '../writeSafetensors';
import type { ConversionPlan, PlannedConversion } from './conversionPlan';
import { tensorData } from './tensorData';

/** A planned tensor as the unit that shards are made of. */
export interface ConvertedUnit extends Unit {
  readonly planned: PlannedConversion;
}

/** What each file of weights says besides its tensors. */
interface FileFacts {
  /** `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly origin: Origin;
}

/** Milliseconds between two reports. */
const interval = 100;

/** Writes the files of weights of a conversion, and reports the progress in bytes of the output. */
export class ConversionWriter {
  /** What was done to weights, as sentences. */
  readonly notes: string[] = [];
  private readonly total: number;
  private done = 0;
  private reported = -Infinity;

  constructor(
    private readonly model: Model,
    private readonly plan: ConversionPlan,
    private readonly settings: ConvertSettings,
    private readonly options: {
      readonly signal?: AbortSignal | undefined;
      readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
    },
  ) {
    this.total = plan.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  throwIfCancelled(): void {
    throwIfCancelled(this.options.signal);
  }

  /** One file, atomically. */
  async file(
    out: string,
    { metadata, origin, inputs }: FileFacts & { readonly inputs: Inputs },
  ): Promise<Pick<ConvertResult, 'out' | 'bytes'>> {
    const { signal } = this.options;
    const parts = this.plan.tensors.map(({ name, dtype, shape }, i) => ({
      ...{ name, dtype, shape },
      data: () => this.data(this.plan.tensors[i]!),
    }));
    const bytes = await writeSafetensors(out, parts, metadata, {
      ...{ origin, inputs },
      ...(signal ? { signal } : {}),
    });
    return { out, bytes };
  }

  /** One file of a folder that is not in its place yet. @returns its bytes. */
  async shard(
    folder: string,
    { name, units }: PlannedShard<ConvertedUnit>,
    { metadata, origin }: FileFacts,
  ): Promise<number> {
    const file = await ShardFile.create(
      join(folder, name),
      units.flatMap(({ parts }) => parts),
      metadata,
    );
    try {
      for (const { planned } of units)
        for await (const bytes of this.data(planned)) await file.write(planned.name, bytes);
      return [...(await file.finish(origin)).values()].reduce((sum, bytes) => sum + bytes, 0);
    } finally {
      await file.close();
    }
  }

  private async *data(planned: PlannedConversion): AsyncGenerator<Uint8Array> {
    const { allowInfinity } = this.settings;
    const note = (sentence: string): unknown => this.notes.push(sentence);
    for await (const bytes of tensorData(this.model, planned, {
      ...{ allowInfinity, note, signal: this.options.signal },
    })) {
      this.throwIfCancelled();
      yield bytes;
      this.done += bytes.length;
      this.tell(planned.name);
    }
  }

  private tell(message: string): void {
    const now = performance.now();
    if (now - this.reported < interval && this.done < this.total) return;
    this.reported = now;
    this.options.onProgress?.({ message, done: this.done, total: this.total, unit: 'bytes' });
  }
}
