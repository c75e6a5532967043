import type { Slab } from '../../architectures/convertedRows';

/**
 * Memory that slabs are read into, one after the other. Fresh memory for each would have to be garbage-collected, which
 * happens only after dozens of megabytes pile up.
 */
export class SlabRoom {
  private target = new Uint8Array(0);
  private scratch = new Uint8Array(0);

  /** Room for a slab, and as much again for one whose rows are reordered. */
  of({ bytes }: Slab, rearranged: boolean): { readonly target: Uint8Array; readonly scratch?: Uint8Array } {
    if (this.target.length < bytes) this.target = new Uint8Array(bytes);
    const target = this.target.subarray(0, bytes);
    if (!rearranged) return { target };
    if (this.scratch.length < bytes) this.scratch = new Uint8Array(bytes);
    return { target, scratch: this.scratch.subarray(0, bytes) };
  }
}
