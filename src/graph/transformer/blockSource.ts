import type { BlockShape, BlockTensors, HeadSizes } from './blockShape';
import type { NumberOf } from './shapeNumbers';

/** What says how a block's mixers compute. */
export interface BlockSource extends HeadSizes, Pick<BlockShape, 'gatedHeads'> {
  readonly index: number;
  readonly hiddenSize: number;
  readonly parts: BlockTensors;
  readonly number: NumberOf;
  readonly text: (key: string) => string | undefined;
  readonly file: string;
  /** Whether attention has matrices of its own for keys and for values. */
  readonly needs: { readonly keys: boolean; readonly values: boolean };
}
