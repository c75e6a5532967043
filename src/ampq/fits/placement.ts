/** The memories of a machine with a graphics card. */
export type Place = 'ram' | 'gpu';

/** What runs on the GPU, as llama.cpp's options say it. */
export interface Split {
  /** `-ngl`: the output layer first, then blocks from the last one to the first. */
  readonly gpuLayers: number;
  /** `--cpu-moe`: experts stay in RAM. */
  readonly cpuMoe: boolean;
}

/** What placement depends on. */
export interface PlacedModel {
  readonly blocks: number;
  /** Whether the embedding is also the output matrix. */
  readonly isTied: boolean;
}

/** Tensors of experts, as `--cpu-moe` selects them (common/common.h, `LLM_FFN_EXPS_REGEX`). */
const experts = /\.ffn_(up|down|gate|gate_up)_(ch|)exps/;

/** Tensors that belong to the output layer (`LLM_TENSOR_LAYER_OUTPUT`). */
const ofOutput = /^(output|cls|dense_)/;

/** Whether a block is on the GPU (llama-model.cpp, `i_gpu_start`). */
export const isBlockOnGpu = (block: number, { blocks }: PlacedModel, { gpuLayers }: Split): boolean =>
  block >= blocks + 1 - gpuLayers;

/**
 * Where llama.cpp v0.5.0 keeps a tensor, by its name in GGUF. Embeddings are always in RAM; one that is also the output matrix is kept twice where
 * the output is on the GPU, and so are factors of the rotary embedding where blocks are in both.
 */
export function placesOf(tensor: string, model: PlacedModel, split: Split): readonly Place[] {
  const { gpuLayers, cpuMoe } = split;
  const block = /^blk\.(\d+)\./.exec(tensor)?.[1];
  if (block !== undefined) {
    const isOnGpu = isBlockOnGpu(Number(block), model, split) && !(cpuMoe && experts.test(tensor));
    return [isOnGpu ? 'gpu' : 'ram'];
  }
  if (ofOutput.test(tensor)) return [gpuLayers > 0 ? 'gpu' : 'ram'];
  if (tensor === 'token_embd.weight' && model.isTied && gpuLayers > 0) return ['ram', 'gpu'];
  if (tensor.startsWith('rope_') && gpuLayers > 1) return gpuLayers > model.blocks ? ['gpu'] : ['ram', 'gpu'];
  return ['ram'];
}
