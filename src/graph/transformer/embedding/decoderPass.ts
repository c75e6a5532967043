import { isBidirectional } from '../../../architectures/direction';
import type { GgufView } from '../../../architectures/ggufView';
import { poolingOf } from '../../../architectures/pooling';
import { QuantscopeError } from '../../../model/errors';
import type { Model } from '../../../model/model';
import { denseBlock, startGraph } from '../blockGraph';
import type { BlockShape } from '../blockShape';
import { blockBytes } from '../decoderBytes';
import type { NamedSource } from '../graphSources';
import { refuseOtherStates } from '../mixers';
import { describeBlocks } from '../openDecoder';
import { numbersOf } from '../shapeNumbers';
import type { Weights, WeightChanges } from '../weights';
import { WholeText } from '../wholeText';
import type { EmbeddingPass } from './embeddingPass';
import { said } from '../../../protocol/said';

/**
 * A decoder whose last states are pooled, or whose tokens see later ones, too.
 * @throws QuantscopeError UNSUPPORTED for one that predicts tokens, and one that cannot be run; MODEL_FILE for one that lacks something.
 */
export async function decoderPass(
  model: Model,
  view: GgufView,
  changes: WeightChanges | undefined,
): Promise<{ readonly pass: EmbeddingPass; readonly weights: Weights }> {
  const { path } = model.description;
  const pooling = poolingOf(view, path);
  const causal = !isBidirectional(view);
  if (pooling === undefined && causal)
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`Texts cannot be embedded with this model: nothing says how the states of a text become one vector ("${view.architecture}.pooling_type" of GGUF, modules.json and 1_Pooling of sentence-transformers). It predicts tokens: evaluate it over a text.`,
      { file: path },
    );
  const { shape, weights } = await describeBlocks(model, changes ? { changes } : {});
  refuseOtherStates(shape.blocks, path);
  const mixture = shape.blocks.find(({ experts }) => experts);
  if (mixture)
    throw new QuantscopeError('UNSUPPORTED', said`Texts cannot be embedded with a mixture of experts here.`, {
      file: path,
      tensor: `blk.${mixture.index}.ffn_gate_exps.weight`,
    });
  const { hiddenSize, contextLength, epsilon, centredNorms, embeddingScale, blocks } = shape;
  return {
    weights,
    pass: {
      ...{ hiddenSize, contextLength, epsilon, embeddingScale, pooling: pooling ?? 'mean' },
      centredNorms: centredNorms === true,
      dense: denseOf(view, weights, hiddenSize, path),
      blocks: blocks.map((block) => ({
        bytes: blockBytes(block),
        needsPositions: causal || block.window !== undefined || block.temperature !== undefined,
        source: (longest) => sourceOf(block, { longest, causal }),
      })),
    },
  };
}

function sourceOf(
  block: BlockShape,
  options: { readonly longest: number; readonly causal: boolean },
): NamedSource {
  const { tensors, rotation, ...numbers } = block;
  const alike = [options, { ...numbers, index: undefined }, rotation && [...rotation.frequencies]];
  return {
    name: `embedding block ${block.index}`,
    key: JSON.stringify([...alike, [...tensors]]),
    build(given) {
      const { graph, parts } = startGraph('embedding block', block, given);
      const x = graph.input('x', ['n', block.hiddenSize]);
      graph.output('y', denseBlock(parts, block, new WholeText(parts, options), x), ['n', block.hiddenSize]);
      return { bytes: graph.finish(), taps: [] };
    },
    tensor: (part) => `blk.${block.index}.${part}`,
  };
}

/** Dense layers after the pooling, which llama.cpp applies where the file has both sizes of each. */
function denseOf(
  view: GgufView,
  { tensors }: Weights,
  hiddenSize: number,
  file: string,
): EmbeddingPass['dense'] {
  const number = numbersOf(view, file);
  const layers = ['dense_2', 'dense_3'].flatMap((name) => {
    const tensor = tensors.get(`${name}.weight`);
    return tensor ? [[name, tensor.shape] as const] : [];
  });
  let size = hiddenSize;
  for (const [name, [rows = 0, columns = 0]] of layers) {
    const stated = [number(`${name}_feat_in`, columns), number(`${name}_feat_out`, rows)];
    if (columns !== size || stated[0] !== columns || stated[1] !== rows)
      throw new QuantscopeError(
        'MODEL_FILE',
        said`The tensor has ${rows} rows of ${columns} weights, but ${stated[1]!} of ${size} are needed.`,
        { file, tensor: `${name}.weight` },
      );
    size = rows;
  }
  return layers;
}
