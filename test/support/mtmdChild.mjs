// Pushes an image through llama.cpp's vision part and its language part, and prints what comes out as one line of JSON.
// usage: echo '{"library": "…/index.node", "model": "….gguf", "mmproj": "….gguf", "image": {…}, "before": "…", "after": "…"}' | node mtmdChild.mjs
import { readFileSync } from 'node:fs';
import koffi from 'koffi';

const input = JSON.parse(readFileSync(0, 'utf8'));
const llama = koffi.load(input.library);

// Structs that are passed by value, with more room than they have; only fields that are set have names.
koffi.struct('model_params', {
  before: koffi.array('uint8_t', 64),
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  rest: koffi.array('uint8_t', 189),
});
koffi.struct('context_params', {
  n_ctx: 'uint32_t',
  n_batch: 'uint32_t',
  n_ubatch: 'uint32_t',
  unused: koffi.array('uint8_t', 36),
  flash_attention: 'int',
  more: koffi.array('uint8_t', 52),
  type_k: 'int',
  type_v: 'int',
  rest: koffi.array('uint8_t', 144),
});
koffi.struct('vision_params', {
  use_gpu: 'bool',
  print_timings: 'bool',
  n_threads: 'int',
  markers: koffi.array('void *', 2),
  flash_attention: 'int',
  warmup: 'bool',
  rest: koffi.array('uint8_t', 227),
});
koffi.struct('batch', {
  n_tokens: 'int32_t',
  token: 'int32_t *',
  embd: 'void *',
  pos: 'int32_t *',
  n_seq_id: 'int32_t *',
  seq_id: 'void *',
  logits: 'int8_t *',
});
koffi.struct('input_text', {
  text: 'const char *',
  length: 'size_t',
  add_special: 'bool',
  parse_special: 'bool',
});
koffi.proto('void log_callback(int level, const char *text, void *user)');

const call = (declaration) => llama.func(declaration);
const log = koffi.register((level, text) => {
  if (level >= 3 || process.env.QUANTSCOPE_TEST_LOG) process.stderr.write(text);
}, koffi.pointer('log_callback'));
call('void llama_log_set(log_callback *callback, void *user)')(log, null);
call('void mtmd_helper_log_set(log_callback *callback, void *user)')(log, null);
call('void mtmd_log_set(log_callback *callback, void *user)')(log, null);
call('void llama_backend_init()')();

function need(value, what) {
  if (!value) throw new Error(`llama.cpp cannot ${what}`);
  return value;
}

const size = 512;
const modelParams = call('model_params llama_model_default_params()')();
modelParams.use_extra_bufts = false;
const model = need(
  call('void *llama_model_load_from_file(const char *path, model_params params)')(input.model, modelParams),
  `load ${input.model}`,
);
const contextParams = call('context_params llama_context_default_params()')();
// Keys and values in float32 (ggml type 0), attention without fusion: as exact as llama.cpp can be.
const exact = { flash_attention: 0, type_k: 0, type_v: 0 };
Object.assign(contextParams, { n_ctx: size, n_batch: size, n_ubatch: size, ...exact });
const context = need(
  call('void *llama_init_from_model(void *model, context_params params)')(model, contextParams),
  'make a context',
);
call('void llama_set_n_threads(void *context, int threads, int batch_threads)')(context, 1, 1);
const visionParams = call('vision_params mtmd_context_params_default()')();
if (visionParams.n_threads !== 4 || !visionParams.warmup) throw new Error('mtmd_context_params has changed');
Object.assign(visionParams, { n_threads: 1, flash_attention: 0, warmup: false, print_timings: false });
const vision = need(
  call('void *mtmd_init_from_file(const char *path, void *model, vision_params params)')(
    input.mmproj,
    model,
    visionParams,
  ),
  `load ${input.mmproj}`,
);

const { width, height, pixels } = input.image;
const bitmap = call('void *mtmd_bitmap_init(uint32_t width, uint32_t height, const uint8_t *data)')(
  width,
  height,
  Buffer.from(pixels, 'base64'),
);
const chunks = call('void *mtmd_input_chunks_init()')();
const marker = call('const char *mtmd_default_marker()')();
const prompt = `${input.before}${marker}${input.after}`;
const text = {
  ...{ text: prompt, length: Buffer.byteLength(prompt) },
  ...{ add_special: false, parse_special: true },
};
const code = call(
  'int mtmd_tokenize(void *vision, void *chunks, const input_text *text, void **bitmaps, size_t count)',
)(vision, chunks, text, [bitmap], 1);
if (code !== 0) throw new Error(`mtmd_tokenize returned ${code}`);

const chunkAt = call('void *mtmd_input_chunks_get(void *chunks, size_t index)');
const count = Number(call('size_t mtmd_input_chunks_size(void *chunks)')(chunks));
const typeOf = call('int mtmd_input_chunk_get_type(void *chunk)');
const lengthOf = call('size_t mtmd_input_chunk_get_n_tokens(void *chunk)');
const tokensOf = call('void *mtmd_input_chunk_get_tokens_text(void *chunk, _Out_ size_t *count)');
const evaluate = call(
  'int mtmd_helper_eval_chunk_single(void *vision, void *context, void *chunk, int past, int sequence, int batch, bool last, _Out_ int *newPast)',
);
const [isText, isImage] = [0, 1];

const embeddingWidth = call('int llama_model_n_embd_inp(void *model)')(model);
const outputOf = call('void *mtmd_get_output_embd(void *vision)');
const vocabulary = call('int llama_vocab_n_tokens(void *vocab)')(
  call('void *llama_model_get_vocab(void *model)')(model),
);
const floats = (pointer, length) => [...new Float32Array(koffi.view(pointer, length * 4))];

/** Logits of every token of a text that comes at a position. */
function logitsOf(tokens, past) {
  const batch = call('batch llama_batch_init(int tokens, int embd, int sequences)')(tokens.length, 0, 1);
  const fill = (field, type, value) =>
    koffi.encode(field, koffi.array(type, tokens.length), tokens.map(value));
  fill(batch.token, 'int32_t', (token) => token);
  fill(batch.pos, 'int32_t', (_, i) => past + i);
  fill(batch.n_seq_id, 'int32_t', () => 1);
  fill(batch.logits, 'int8_t', () => 1);
  for (const sequence of koffi.decode(batch.seq_id, koffi.array('void *', tokens.length)))
    koffi.encode(sequence, 'int32_t', 0);
  batch.n_tokens = tokens.length;
  const failed = call('int llama_decode(void *context, batch batch)')(context, batch);
  if (failed !== 0) throw new Error(`llama_decode returned ${failed}`);
  const at = call('void *llama_get_logits_ith(void *context, int index)');
  return tokens.map((_, i) => floats(at(context, i), vocabulary));
}

const result = { chunks: [], logits: [] };
let past = 0;
for (let index = 0; index < count; index++) {
  const chunk = chunkAt(chunks, index);
  const length = Number(lengthOf(chunk));
  if (typeOf(chunk) === isText) {
    const tokens = [...new Int32Array(koffi.view(tokensOf(chunk, [0]), length * 4))];
    result.chunks.push({ tokens });
    result.logits = logitsOf(tokens, past);
    past += length;
  } else if (typeOf(chunk) === isImage) {
    const newPast = [0];
    const failed = evaluate(vision, context, chunk, past, 0, size, false, newPast);
    if (failed !== 0) throw new Error(`mtmd_helper_eval_chunk_single returned ${failed}`);
    const output = floats(outputOf(vision), length * embeddingWidth);
    const rows = Array.from({ length }, (_, i) => output.slice(i * embeddingWidth, (i + 1) * embeddingWidth));
    result.chunks.push({ embeddings: rows, positions: newPast[0] - past });
    past = newPast[0];
  }
}
// Backends unload in an order that some builds do not survive; the answer is out already.
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
