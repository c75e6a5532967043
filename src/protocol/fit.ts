/** Types that llama.cpp keeps keys and values in (`-ctk`, `-ctv`). */
export const cacheTypes = ['f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0', 'iq4_nl'] as const;
export type CacheType = (typeof cacheTypes)[number];

/** How a model is run. */
export interface RunSettings {
  /** Tokens of each sequence. */
  readonly context: number;
  /** Sequences at a time. */
  readonly sequences: number;
  readonly cacheType: CacheType;
}

/** The memory that a plan was made for, with the context that it leaves room for. */
export interface PlanFit extends RunSettings {
  /** Of the machine; of its RAM where there is `gpu`. Bytes. */
  readonly memory: number;
  readonly gpu?: {
    /** Bytes. */
    readonly memory: number;
    /** `-ngl` of llama.cpp: the output, then blocks from the last one to the first. */
    readonly layers: number;
    /** Whether experts stay in RAM. */
    readonly cpuMoe: boolean;
  };
}

/** A memory that a model has to fit into when it runs, or two. */
export interface FitRequest extends Omit<RunSettings, 'context'> {
  /** The model's context length where absent, but at most 8,192 tokens. */
  readonly context?: number;
  /** Bytes; of RAM where there is `gpu`. */
  readonly memory: number;
  readonly gpu?: {
    /** Bytes. */
    readonly memory: number;
    /** `-ngl` of llama.cpp; found where absent. */
    readonly layers?: number;
    readonly cpuMoe: boolean;
  };
}

/** What a memory holds, bytes. */
export interface MemoryUse {
  readonly weights: number;
  readonly cache: number;
  readonly compute: number;
}

/** What memories hold when the plan's model runs, bytes. */
export interface FitUse {
  /** All of it, or what is in RAM. */
  readonly memory: MemoryUse;
  readonly gpu?: MemoryUse;
}

/** The size of the best plan that fits, and what its model takes at run time. */
export interface FittingBits {
  readonly bitsPerWeight: number;
  /** The memories with the context that there is room for, and how the model is split. */
  readonly fit: PlanFit;
  readonly use: FitUse;
}

/** Options that make llama.cpp take the memory that was computed. */
export function launchOptions({ context, sequences, cacheType, gpu }: PlanFit): string {
  return [
    `-c ${context * sequences} -np ${sequences}`,
    ...(cacheType === 'f16' ? [] : [`-ctk ${cacheType} -ctv ${cacheType}`]),
    '-fa on',
    ...(gpu ? [`-ngl ${gpu.layers}`, ...(gpu.cpuMoe ? ['--cpu-moe'] : []), '--no-op-offload'] : []),
  ].join(' ');
}
