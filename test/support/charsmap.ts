interface Node {
  readonly children: Map<number, Node>;
  replacement?: string;
}

/** SentencePiece's table of replacements for these rules, as a double array in which every node takes the first place that is free. */
export function charsmapBytes(rules: Readonly<Record<string, string>>): Uint8Array {
  const root: Node = { children: new Map() };
  for (const [text, replacement] of Object.entries(rules)) {
    let node = root;
    for (const byte of Buffer.from(text)) {
      const child: Node = node.children.get(byte) ?? { children: new Map() };
      node.children.set(byte, child);
      node = child;
    }
    node.replacement = replacement;
  }
  const units = new Map<number, number>();
  const texts: Buffer[] = [];
  let used = 0;
  const place = (node: Node, index: number, byte: number): void => {
    const labels = [...node.children.keys(), ...(node.replacement === undefined ? [] : [0])];
    let base = 1;
    while (labels.some((label) => units.has(base ^ label) || (base ^ label) === 0)) base += 1;
    for (const label of labels) units.set(base ^ label, 0);
    units.set(index, (((index ^ base) << 10) | (node.replacement === undefined ? 0 : 0x100) | byte) >>> 0);
    if (node.replacement !== undefined) {
      units.set(base, (0x80000000 | used) >>> 0);
      texts.push(Buffer.from(`${node.replacement}\0`));
      used += texts.at(-1)!.length;
    }
    for (const [label, child] of node.children) place(child, base ^ label, label);
  };
  place(root, 0, 0);
  const size = Math.max(...units.keys()) + 256;
  const trie = Buffer.alloc(4 * size);
  for (const [index, unit] of units) trie.writeUInt32LE(unit, 4 * index);
  const header = Buffer.alloc(4);
  header.writeUInt32LE(trie.length);
  return new Uint8Array(Buffer.concat([header, trie, ...texts]));
}
