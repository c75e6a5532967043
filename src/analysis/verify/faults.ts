import { maxFaults, type Fault } from '../../protocol/verify';

/** Collects what is wrong, up to `maxFaults`, and the tensors that it concerns. */
export class Faults {
  readonly list: Fault[] = [];
  omitted = 0;
  private readonly names = new Set<string>();

  add(fault: Fault): void {
    if (this.list.length < maxFaults) this.list.push(fault);
    else this.omitted += 1;
    if (fault.tensor !== undefined && this.names.size < maxFaults) this.names.add(fault.tensor);
  }

  /** Names of tensors with a fault, in the order in which they were found. */
  get damaged(): readonly string[] {
    return [...this.names];
  }
}
