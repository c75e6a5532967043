import { dirname } from 'node:path';
import koffi from 'koffi';
import { median } from '../../../src/evaluation/statistics';
import { llamaCppLibrary } from '../../support/cache';
import { windowLength, windowTokens } from './work';

/** Tokens that a context has room for after a window. */
const roomBehind = 64;
/** Tokens that warm up before some are timed. */
const warmUps = 2;
const timedTokens = 8;

/** A pass over windows with the logits of every position, with llama.cpp's own defaults. */
export function llamaCppRun(path: string, threads: number, windows: number): () => void {
  const context = new Context(path, threads);
  const tokens = windowTokens(windows * windowLength);
  return () => {
    for (let first = 0; first < tokens.length; first += windowLength) {
      context.clear();
      context.decode(tokens.subarray(first, first + windowLength), 0);
    }
  };
}

/** One more token at a time after a full window. @returns milliseconds of the median one. */
export function llamaCppGeneration(path: string, threads: number): () => number {
  const context = new Context(path, threads);
  const window = windowTokens(windowLength);
  return () => {
    context.clear();
    context.decode(window, 0);
    const times = Array.from({ length: warmUps + timedTokens }, (_, i) => {
      const start = performance.now();
      context.decode(window.subarray(i, i + 1), windowLength + i);
      return performance.now() - start;
    });
    return median(times.slice(warmUps));
  };
}

/** A model of llama.cpp that is loaded through its C interface. */
class Context {
  private readonly llama = loadLibraries();
  private readonly context: unknown;
  private readonly batch: Batch;
  private readonly decodeBatch = this.llama.func('int llama_decode(void *context, bench_batch batch)');
  private readonly clearMemory = this.llama.func('void llama_memory_clear(void *memory, bool data)');
  private readonly memory: unknown;

  constructor(path: string, threads: number) {
    const { llama } = this;
    const modelParams: unknown = llama.func('bench_model_params llama_model_default_params()')();
    const load = llama.func('void *llama_model_load_from_file(const char *path, bench_model_params params)');
    const model: unknown = load(path, modelParams);
    if (!model) throw new Error(`llama.cpp cannot load ${path}`);
    const params = llama.func('bench_context_params llama_context_default_params()')() as object;
    const sizes = { n_ctx: windowLength + roomBehind, n_batch: windowLength, n_ubatch: windowLength };
    const create = llama.func('void *llama_init_from_model(void *model, bench_context_params params)');
    this.context = create(model, { ...params, ...sizes });
    if (!this.context) throw new Error(`llama.cpp cannot make a context for ${path}`);
    llama.func('void llama_set_n_threads(void *context, int threads, int batch)')(
      this.context,
      threads,
      threads,
    );
    const init = llama.func('bench_batch llama_batch_init(int tokens, int embd, int sequences)');
    this.batch = init(windowLength, 0, 1) as Batch;
    this.memory = llama.func('void *llama_get_memory(void *context)')(this.context);
  }

  clear(): void {
    this.clearMemory(this.memory, true);
  }

  /** Evaluates tokens from a position on, with the logits of all of them. */
  decode(tokens: Int32Array, position: number): void {
    const { batch } = this;
    const count = tokens.length;
    const fill = (pointer: unknown, type: string, value: (index: number) => number): void =>
      koffi.encode(
        pointer,
        koffi.array(type, count),
        Array.from(tokens, (_, i) => value(i)),
      );
    fill(batch.token, 'int32_t', (i) => tokens[i]!);
    fill(batch.pos, 'int32_t', (i) => position + i);
    fill(batch.n_seq_id, 'int32_t', () => 1);
    fill(batch.logits, 'int8_t', () => 1);
    for (const sequence of koffi.decode(batch.seq_id, koffi.array('void *', count)) as unknown[])
      koffi.encode(sequence, 'int32_t', 0);
    batch.n_tokens = count;
    const code: unknown = this.decodeBatch(this.context, batch);
    if (code !== 0) throw new Error(`llama_decode returned ${String(code)}`);
  }
}

interface Batch {
  n_tokens: number;
  readonly token: unknown;
  readonly pos: unknown;
  readonly n_seq_id: unknown;
  readonly seq_id: unknown;
  readonly logits: unknown;
}

function loadLibraries(): ReturnType<typeof koffi.load> {
  koffi.load(llamaCppLibrary('libggml-base'), { global: true });
  const ggml = koffi.load(llamaCppLibrary('libggml.'), { global: true });
  const llama = koffi.load(llamaCppLibrary('libllama.'));
  // Structs that are passed by value: room for more than they have, since llama.cpp reads only its own fields.
  koffi.struct('bench_model_params', { fields: koffi.array('uint8_t', 256) });
  koffi.struct('bench_context_params', {
    ...{ n_ctx: 'uint32_t', n_batch: 'uint32_t', n_ubatch: 'uint32_t' },
    rest: koffi.array('uint8_t', 500),
  });
  koffi.struct('bench_batch', {
    ...{ n_tokens: 'int32_t', token: 'int32_t *', embd: 'void *', pos: 'int32_t *' },
    ...{ n_seq_id: 'int32_t *', seq_id: 'void *', logits: 'int8_t *' },
  });
  koffi.proto('void bench_log(int level, const char *text, void *user)');
  const warn = (level: number, text: string): void => void (level >= 3 && process.stderr.write(text));
  const callback = koffi.register(warn, koffi.pointer('bench_log'));
  llama.func('void llama_log_set(bench_log *callback, void *user)')(callback, null);
  ggml.func('void ggml_backend_load_all_from_path(const char *path)')(dirname(llamaCppLibrary('libllama.')));
  llama.func('void llama_backend_init()')();
  return llama;
}
