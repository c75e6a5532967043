import { number } from './format';
import type { LayerFigure } from './model/layerFigures';
import type { FigureColumn } from './treeColumns';
import type { TreeNode } from './tree';
import { Ranges, type Range } from './treeRows';

/** Significant digits of a figure in a narrow column. */
const digits = { one: 3, ofRange: 2 } as const;

/** What a cell shows of a figure, and its tooltip; '' where nothing is known. */
export interface FigureText {
  readonly text: string;
  readonly title: string;
}

const nothing: FigureText = { text: '', title: '' };

/** What is known of the figures of the tree's lines: of a tensor its value, of a group the range of its tensors. */
export class TreeFigures {
  private readonly known: ReadonlyMap<
    string,
    { readonly figure: Pick<LayerFigure, 'hint'>; readonly ranges: Ranges }
  >;

  constructor(figures: readonly Pick<LayerFigure, 'id' | 'hint' | 'values'>[] = []) {
    this.known = new Map(
      figures.map((figure) => [
        figure.id,
        { figure, ranges: new Ranges((tensor) => figure.values[tensor]!) },
      ]),
    );
  }

  /** What a figure is, in a sentence; undefined where none of its values is known. */
  hintOf(id: string): string | undefined {
    return this.known.get(id)?.figure.hint;
  }

  /** Undefined where it is known of none of the line's tensors. */
  rangeOf(id: FigureColumn, node: TreeNode): Range | undefined {
    return this.known.get(id)?.ranges.of(node);
  }

  textOf(id: FigureColumn, node: TreeNode): FigureText {
    const range = this.rangeOf(id, node);
    if (!range) return nothing;
    const { min, max } = range;
    if (min === max) return { text: number(min, digits.one), title: number(min) };
    return {
      text: between(number(min, digits.ofRange), number(max, digits.ofRange)),
      title: between(number(min), number(max)),
    };
  }
}

/** A range in one text; ends that read the same are written once. */
const between = (least: string, most: string): string => (least === most ? least : `${least}–${most}`);
