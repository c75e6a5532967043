import { blockGraph, closingGraph, expertGraph, logitsGraph, normGraph } from './blockGraph';
import type { BlockShape } from './blockShape';
import type { DecoderShape } from './decoderShape';
import {
  blockGradientGraph,
  closingGradientGraph,
  divergenceGradientGraph,
  entryGradientGraph,
  expertGradientGraph,
  logitsGradientGraph,
  normGradientGraph,
  type GradientKind,
} from './gradientGraph';
import { entryGraph, type CarryingDecoder } from './entryGraph';
import type { GraphSource } from './graphLoader';
import type { TapKind } from './graphParts';
import { roundingFor, type Rounding } from './rounding';
import type { Span } from './span';
import type { Weights } from './weights';

/** A graph of a decoder under its own name. */
export type NamedSource = GraphSource & { readonly name: string };

/** Whether inputs of quantized matrices are rounded to 8 bits as ggml does, or how those of each tensor are, by its name in GGUF. */
export type RoundInputs = boolean | ((tensor: string) => Rounding | undefined);

/** The graphs that a decoder is made of. */
export class GraphSources {
  constructor(
    private readonly shape: DecoderShape,
    private readonly weights: Weights,
    private readonly roundInputs: RoundInputs,
  ) {}

  /** A block for whole windows. */
  block(block: BlockShape, length: number, taps?: TapKind): NamedSource {
    return this.ofBlock(block, `block ${block.index}`, `block of ${length}`, taps, (options) =>
      blockGraph(block, { length }, options),
    );
  }

  /** A block for `length` more tokens of a text of at most `positions`. */
  next(block: BlockShape, { length, positions }: Required<Span>): NamedSource {
    const kind = `next ${length} of ${positions}`;
    return this.ofBlock(block, `${kind} ${block.index}`, kind, undefined, (options) =>
      blockGraph(block, { length, positions }, options),
    );
  }

  expert(block: BlockShape, expert: number, taps?: TapKind): NamedSource {
    const name = `expert ${block.index} ${expert}`;
    return {
      ...this.ofBlock(block, name, 'expert', taps, (options) => expertGraph(block, options)),
      rows: rowsOfExpert(block, expert),
    };
  }

  /** What makes states of embeddings, where they are more than these. */
  entry(shape: CarryingDecoder): NamedSource {
    const build: GraphSource['build'] = (options) => entryGraph(shape, options);
    return { name: 'entry', key: 'entry', build, tensor: (part) => part };
  }

  entryGradient(shape: CarryingDecoder): NamedSource {
    const build: GraphSource['build'] = (options) => entryGradientGraph(shape, options);
    return { name: 'entry gradient', key: 'entry gradient', build, tensor: (part) => part };
  }

  closing(block: BlockShape, taps?: TapKind): NamedSource {
    return this.ofBlock(block, `closing ${block.index}`, 'closing', taps, (options) =>
      closingGraph(block, options),
    );
  }

  closingGradient(block: BlockShape, kind: GradientKind): NamedSource {
    const name = `gradient of ${kind} of closing ${block.index}`;
    return this.ofBlock(block, name, `closing gradient of ${kind}`, undefined, (options) =>
      closingGradientGraph(block, kind, options),
    );
  }

  norm(): NamedSource {
    const build: GraphSource['build'] = (options) => normGraph(this.shape, options);
    return { name: 'norm', key: 'norm', build, tensor: (part) => part };
  }

  blockGradient(block: BlockShape, length: number, kind: GradientKind): NamedSource {
    const name = `gradient of ${kind} of block ${block.index}`;
    return this.ofBlock(block, name, `block gradient of ${kind}, ${length}`, undefined, (options) =>
      blockGradientGraph(block, { length }, kind, options),
    );
  }

  expertGradient(block: BlockShape, expert: number, kind: GradientKind): NamedSource {
    const name = `gradient of ${kind} of expert ${block.index} ${expert}`;
    return {
      ...this.ofBlock(block, name, `expert gradient of ${kind}`, undefined, (options) =>
        expertGradientGraph(block, kind, options),
      ),
      rows: rowsOfExpert(block, expert),
    };
  }

  normGradient(): NamedSource {
    const build: GraphSource['build'] = (options) => normGradientGraph(this.shape, options);
    return { name: 'norm gradient', key: 'norm gradient', build, tensor: (part) => part };
  }

  /** `count` rows of the output matrix from `first` on. */
  logitsGradient(first: number, count: number): NamedSource {
    const name = `logits gradient ${first} ${count}`;
    return {
      ...{ name, key: `logits gradient of ${count}` },
      build: (options) => logitsGradientGraph(this.shape, count, options),
      tensor: (part) => part,
      rows: () => ({ first, count }),
    };
  }

  /** `count` rows of the output matrix from `first` on. */
  divergenceGradient(first: number, count: number): NamedSource {
    const name = `divergence gradient ${first} ${count}`;
    return {
      ...{ name, key: `divergence gradient of ${count}` },
      build: (options) => divergenceGradientGraph(this.shape, count, options),
      tensor: (part) => part,
      rows: () => ({ first, count }),
    };
  }

  /** `count` rows of the output matrix from `first` on. */
  logits(first: number, count: number, taps?: TapKind): NamedSource {
    const rounding = this.roundingOf('');
    const measured = JSON.stringify(taps) ?? '';
    return {
      ...{ name: `logits ${first} ${count} ${measured}`, key: `logits of ${count} ${measured}` },
      build: (options) => logitsGraph(this.shape, count, options),
      tensor: (part) => part,
      rows: () => ({ first, count }),
      ...(rounding ? { rounding } : {}),
      ...(taps ? { taps } : {}),
    };
  }

  private ofBlock(
    block: BlockShape,
    name: string,
    kind: string,
    taps: TapKind | undefined,
    build: GraphSource['build'],
  ): NamedSource {
    const prefix = `blk.${block.index}.`;
    const rounding = this.roundingOf(prefix);
    const { tensors, rotation } = block;
    const numbers = { ...block, index: undefined, tensors: undefined, rotation: undefined };
    const alike = [kind, taps, numbers, rotation && [...rotation.frequencies]];
    const parts = [...tensors].map(([part, shape]) => [part, shape, rounding?.(part)]);
    return {
      name: `${name} ${JSON.stringify(taps) ?? ''}`,
      key: JSON.stringify([...alike, parts]),
      build,
      tensor: (part) => prefix + part,
      ...(rounding ? { rounding } : {}),
      ...(taps ? { taps } : {}),
    };
  }

  private roundingOf(prefix: string): ((part: string) => Rounding | undefined) | undefined {
    const { roundInputs } = this;
    if (roundInputs === false) return undefined;
    if (roundInputs === true) return (part) => roundingFor(this.weights.typeOf(prefix + part));
    return (part) => roundInputs(prefix + part);
  }
}

/** Which rows of merged matrices are those of one expert; of merged biases it is one. */
const rowsOfExpert = (block: BlockShape, expert: number) => (part: string) => {
  const count = part.endsWith('.bias') ? 1 : block.tensors.get(part)![1]!;
  return { first: expert * count, count };
};
