import type { Model } from '../../model/model';
import { holdsWeights, tensorRole } from '../../model/roles';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';

/** Models whose linear layers are `Conv1D`, with matrices `[in, out]`: no library quantizes those as they are. */
const transposedModels = new Set(['gpt2', 'openai-gpt', 'imagegpt', 'decision_transformer']);

/** Models whose merged experts are multiplied from the right: `[experts, in, out]`. */
const transposedExperts = new Set(['gpt_oss', 'llama4', 'llama4_text']);

/** Matrices that are looked up by row, not multiplied with inputs. */
const embedding =
  /(?:^|\.)(?:embed_tokens\w*|embed_positions|embed_in|relative_attention_bias|word_embeddings\w*|position_embeddings|token_type_embeddings|tok_embeddings|wte|wpe|\w*_?embeddings?)(?:\.\d+)?\.weight$/;

/** Matrices that choose experts: libraries keep them, because a small error there sends tokens elsewhere. */
const router =
  /(?:^|\.)(?:mlp\.gate|block_sparse_moe\.gate|router|router\.classifier|gate\.wg|shared_expert_gate)\.weight$/;

/** The matrix that gives the logits, whatever the architecture calls it. */
const outputMatrix = /(?:^|\.)(?:lm_head|embed_out)\.weight$|^output\.weight$/;

/** Whether a tensor is the output matrix, which libraries leave as it is by default: an error there is not made up for by anything after it. */
export const isOutput = (name: string): boolean => outputMatrix.test(name);

/** Whether a tensor is the matrix of a module that libraries may convert, so that they must be told where it is kept. */
export const isOfLinearModule = ({ name, shape }: Pick<TensorDescriptor, 'name' | 'shape'>): boolean =>
  shape.length === 2 && name.endsWith('.weight') && !embedding.test(name) && tensorRole(name).role !== 'norm';

/**
 * Whether merged experts hold inputs in rows, where every layout has outputs. Those of quantized files, which are decoded, are in the order of the
 * layout.
 */
export const areTransposedExperts = (
  { name, shape, stored }: Pick<TensorDescriptor, 'name' | 'shape' | 'stored'>,
  { config }: Pick<Model, 'config'>,
): boolean =>
  shape.length === 3 &&
  stored === undefined &&
  name.includes('.experts.') &&
  transposedExperts.has(String(config?.['model_type']));

/** The module of a weight: "model.layers.0.mlp.up_proj". */
export const moduleOf = (name: string): string => name.replace(/\.weight$/, '');

/**
 * Why a tensor is not the matrix of a linear layer, which is what recipes quantize where they name nothing else; undefined where it is
 * one. By name and shape, as libraries decide by class.
 */
export function whyNotLinear(
  tensor: TensorDescriptor,
  { config }: Pick<Model, 'config'>,
): string | undefined {
  const { name, shape } = tensor;
  if (tensor.elements === 0) return said`no weights`;
  if (!name.endsWith('.weight')) return said`not a weight of a module`;
  if (shape.length === 3) return said`merged experts`;
  if (shape.length !== 2) return said`not a matrix`;
  if (!tensor.readable || !holdsWeights(tensor)) return said`not real numbers`;
  if (tensorRole(name).role === 'norm') return said`a norm`;
  if (embedding.test(name)) return said`an embedding`;
  if (router.test(name)) return said`chooses experts`;
  const type = config?.['model_type'];
  if (typeof type === 'string' && transposedModels.has(type) && !name.endsWith('lm_head.weight'))
    return said`a transposed matrix (Conv1D)`;
  return undefined;
}
