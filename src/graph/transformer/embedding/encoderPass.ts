import type { EncoderTraits } from '../../../architectures/forward';
import type { GgufView } from '../../../architectures/ggufView';
import type { NamedSource } from '../graphSources';
import { blockBytes } from '../decoderBytes';
import type { Tensors } from '../decoderShape';
import type { EmbeddingPass } from './embeddingPass';
import { encoderGraph } from './encoderGraph';
import { encoderShape, type EncoderBlock } from './encoderShape';

/** @throws QuantscopeError as `encoderShape`. */
export function encoderPass(
  view: GgufView,
  traits: EncoderTraits,
  tensors: Tensors,
  file: string,
): EmbeddingPass {
  const { blocks, ...shape } = encoderShape(view, traits, tensors, file);
  return {
    ...{ ...shape, centredNorms: true, embeddingScale: 1, dense: [] },
    blocks: blocks.map((block) => ({
      bytes: blockBytes(block),
      needsPositions: block.reach !== undefined,
      source: (longest) => sourceOf(block, longest),
    })),
  };
}

function sourceOf(block: EncoderBlock, longest: number): NamedSource {
  const { tensors, rotation, ...numbers } = block;
  const alike = [{ ...numbers, index: undefined }, rotation && [...rotation.frequencies], [...tensors]];
  return {
    name: `encoder block ${block.index}`,
    key: JSON.stringify(alike),
    build: (options) => encoderGraph(block, longest, options),
    tensor: (part) => `blk.${block.index}.${part}`,
  };
}
