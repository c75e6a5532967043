/** Runtimes that plans can be made for. */
export const runtimes = ['llama.cpp', 'vllm', 'onnxruntime', 'mlx'] as const;
export type Runtime = (typeof runtimes)[number];
