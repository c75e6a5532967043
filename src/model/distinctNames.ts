/** Names that follow each other. As long as each comes after the one before it, as the library writes them, there are no two equal ones. */
export class DistinctNames {
  private readonly ascending: string[] = [];
  private all: Set<string> | undefined;

  /** @returns whether the name is a new one. */
  add(name: string): boolean {
    if (!this.all) {
      const last = this.ascending.at(-1);
      if (last === undefined || last < name) {
        this.ascending.push(name);
        return true;
      }
      this.all = new Set(this.ascending);
    }
    return this.all.size < this.all.add(name).size;
  }
}
