import koffi from 'koffi';
import { ggmlBase } from './llamaCpp';

/** Calls of llama.cpp's own GGUF library, in this process: for files that are known to be sound. */
let loaded: ReturnType<typeof load> | undefined;

export function ggufLibrary(): ReturnType<typeof load> {
  return (loaded ??= load());
}

function load() {
  const base = koffi.load(ggmlBase());
  koffi.struct('gguf_init_params', { no_alloc: 'bool', ctx: 'void *' });
  const open = base.func('void *gguf_init_from_file(const char *path, gguf_init_params params)');
  return {
    /** The file, and its tensors: with their data, or their descriptions alone. */
    open(path: string, withData: boolean): { gguf: unknown; tensors: unknown } {
      const tensors: unknown = koffi.alloc('void *', 1);
      const gguf: unknown = open(path, { no_alloc: !withData, ctx: tensors });
      return { gguf, tensors: koffi.decode(tensors, 'void *') };
    },
    create: base.func('void *gguf_init_empty()'),
    copyKeyValues: base.func('void gguf_set_kv(void *to, void *from)'),
    setU16: base.func('void gguf_set_val_u16(void *gguf, const char *key, uint16_t value)'),
    setI32: base.func('void gguf_set_val_i32(void *gguf, const char *key, int32_t value)'),
    tensorCount: base.func('int64_t gguf_get_n_tensors(void *gguf)'),
    tensorName: base.func('const char *gguf_get_tensor_name(void *gguf, int64_t index)'),
    tensor: base.func('void *ggml_get_tensor(void *tensors, const char *name)'),
    addTensor: base.func('void gguf_add_tensor(void *gguf, void *tensor)'),
    elements: base.func('int64_t ggml_nelements(void *tensor)'),
    data: base.func('void *ggml_get_data(void *tensor)'),
    headerSize: base.func('size_t gguf_get_meta_size(void *gguf)'),
    header: base.func('void gguf_get_meta_data(void *gguf, void *data)'),
  };
}
