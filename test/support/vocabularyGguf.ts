import { truncateSync, writeFileSync } from 'node:fs';
import { GgufBytes } from './ggufBytes';

/** Ids of value types. */
const [f32, i32, text, list, u32] = [6, 5, 8, 9, 4];

/**
 * Writes a GGUF file with a vocabulary as large as the largest published ones have, its merges, and the tensors of a dense model, whose data is
 * a hole in the file.
 */
export function writeVocabularyGguf(path: string, tokens = 262_144, blocks = 48): void {
  const bytes = new GgufBytes();
  const names = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
  const tensors = Array.from({ length: blocks }, (_, block) =>
    names.map((name) => `blk.${block}.${name}.weight`),
  ).flat();
  bytes.start(3, tensors.length, 6);
  bytes.string('general.architecture').u32(text).string('llama');
  bytes.string('llama.block_count').u32(u32).u32(blocks);
  const strings = (key: string, item: (i: number) => string): void => {
    const parts: Buffer[] = [];
    for (let i = 0; i < tokens; i++) {
      const content = Buffer.from(item(i));
      const length = Buffer.alloc(8);
      length.writeUInt32LE(content.length);
      parts.push(length, content);
    }
    bytes.string(key).u32(list).u32(text).u64(tokens).raw(Buffer.concat(parts));
  };
  const token = (i: number): string => `Ġ${(i * 2_654_435_761).toString(36)}`;
  strings('tokenizer.ggml.tokens', token);
  bytes
    .string('tokenizer.ggml.scores')
    .u32(list)
    .u32(f32)
    .u64(tokens)
    .raw(Buffer.alloc(4 * tokens));
  bytes
    .string('tokenizer.ggml.token_type')
    .u32(list)
    .u32(i32)
    .u64(tokens)
    .raw(Buffer.alloc(4 * tokens, 1));
  strings('tokenizer.ggml.merges', (i) => `${token(i)} ${token(i + 1)}`);
  const size = 2 * 4096 * 4096;
  tensors.forEach((name, i) => bytes.tensor(name, [4096, 4096], 1, i * size));
  const header = bytes.data(0);
  writeFileSync(path, header);
  truncateSync(path, header.length + tensors.length * size);
}
