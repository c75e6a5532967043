/** Parts of names whose tensors are kept: small, sensitive, or not really matrices. */
const keptNames: readonly RegExp[] = [
  /_norm\.weight/,
  /ffn_gate_(inp|tid2eid)\.weight/,
  /indexer\.[kq]_proj\.weight/,
  /altup|laurel|per_layer_model_proj/,
  /^position_embd\.weight$|^token_types\.weight$/,
  /ssm_conv1d|shortconv\.conv\.weight/,
  /time_mix_(first|w0|w1|w2|v0|v1|v2|a0|a1|a2|g1|g2|decay_w1|decay_w2|lerp_fused)\.weight/,
  /attn_rel_b\.weight/,
  /\.position_embd|sam\.pos_embd|sam\.neck\.|sam\.net_|\.rel_pos|\.patch_embd|\.patch_merger/,
  /a\.rvq\.codebook|mm\.a\.code_embd/,
];

/** Whether a file type applies to this tensor at all: a matrix of weights, not a norm or one of the kept ones. */
export function isMixed({ name, shape }: { name: string; shape: readonly number[] }): boolean {
  return (
    dimensions(shape) >= 2 && name.endsWith('weight') && !keptNames.some((pattern) => pattern.test(name))
  );
}

/** Number of dimensions as ggml counts them: outermost ones of size 1 do not count; at least 1. */
export function dimensions(shape: readonly number[]): number {
  const first = shape.findIndex((size) => size !== 1);
  return first < 0 ? 1 : shape.length - first;
}
