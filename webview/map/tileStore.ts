import type { RegionMap } from '../../src/protocol/analysis';
import type { Tile } from './tiles';

/** Tiles kept: at most 128 × 128 float64 numbers each, 25 MB together. */
const maxKept = 192;
/** Requests at a time: more would only wait in the engine, in an order that cannot be changed any more. */
const maxRunning = 3;

export type AskTile = (tile: Tile, signal: AbortSignal) => Promise<RegionMap>;

/** A tile's content, `mapRows × mapColumns`. */
export interface TileValues {
  readonly mapRows: number;
  readonly mapColumns: number;
  readonly values: Float64Array;
}

/**
 * Tiles of one tensor. What is wanted is asked for in that order, a few at a time; requests that are not wanted any more are cancelled. The
 * latest used are kept.
 */
export class TileStore {
  private readonly kept = new Map<string, TileValues>();
  private readonly running = new Map<string, AbortController>();
  private wanted: readonly Tile[] = [];
  private isClosed = false;
  /** Why a tile could not be read. Nothing more is asked for until `retry`. */
  failure: string | undefined;
  /** Increases with every tile that has come. */
  arrived = 0;

  /** @param changed called when a tile has come, or a request has failed. */
  constructor(
    private readonly ask: AskTile,
    private readonly changed: () => void,
  ) {}

  /** A tile that is there; it counts as used. */
  find({ key }: Pick<Tile, 'key'>): TileValues | undefined {
    const found = this.kept.get(key);
    if (!found) return undefined;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found;
  }

  /** Says which tiles are in sight, the most urgent first. */
  want(tiles: readonly Tile[]): void {
    this.wanted = tiles;
    const keys = new Set(tiles.map(({ key }) => key));
    for (const [key, controller] of this.running) {
      if (keys.has(key)) continue;
      this.running.delete(key);
      controller.abort();
    }
    this.next();
  }

  retry(): void {
    this.failure = undefined;
    this.next();
  }

  /** Cancels everything: the tensor is not shown any more. */
  close(): void {
    this.isClosed = true;
    for (const controller of this.running.values()) controller.abort();
    this.running.clear();
    this.kept.clear();
  }

  private next(): void {
    if (this.isClosed || this.failure !== undefined) return;
    for (const tile of this.wanted) {
      if (this.running.size >= maxRunning) return;
      if (!this.kept.has(tile.key) && !this.running.has(tile.key)) void this.request(tile);
    }
  }

  private async request(tile: Tile): Promise<void> {
    const controller = new AbortController();
    this.running.set(tile.key, controller);
    const { signal } = controller;
    try {
      const map = await this.ask(tile, signal);
      if (signal.aborted) return;
      this.keep(tile.key, map);
      this.arrived += 1;
    } catch (error) {
      if (signal.aborted) return;
      this.failure = error instanceof Error ? error.message : String(error);
    }
    this.running.delete(tile.key);
    this.next();
    this.changed();
  }

  private keep(key: string, { mapRows, mapColumns, values }: RegionMap): void {
    this.kept.set(key, { mapRows, mapColumns, values: Float64Array.from(values) });
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= maxKept) return;
      this.kept.delete(oldest);
    }
  }
}
