import { basename } from 'node:path';
import { traceLibraries } from './loader';

/** What users install, by the libraries that belong to it; `version` captures its major version. */
const products: readonly { name: string; libraries: RegExp; version?: RegExp }[] = [
  {
    name: 'CUDA',
    libraries: /^lib(cudart|cublas|cufft|curand|cusparse|cusolver|nvrtc|nvJitLink)/,
    // cuFFT and cuRAND count differently from the toolkit that they belong to.
    version: /^lib(?:cudart|cublas|cublasLt)\.so\.(\d+)/,
  },
  { name: 'cuDNN', libraries: /^libcudnn/, version: /^libcudnn\w*\.so\.(\d+)/ },
  { name: 'the NVIDIA driver', libraries: /^lib(cuda|nvidia-\w+)\.so/ },
  { name: 'other libraries', libraries: /^/ },
];

/**
 * Which libraries ONNX Runtime's CUDA provider needs and the loader does not find, as a sentence that says what to install;
 * undefined when all are there.
 */
export async function missingForCuda(provider: string): Promise<string | undefined> {
  const { found, missing, refusal } = await traceLibraries(provider);
  if (refusal !== undefined) return `${basename(provider)} cannot be loaded: ${refusal}.`;
  if (missing.length === 0) return undefined;
  const absent = productsOf(missing, [...missing, ...found]);
  const parts = absent.map(({ title, libraries }) => `${title} (${libraries.join(', ')})`);
  const titles = absent.map(({ title }) => title);
  return (
    `ONNX Runtime's CUDA library needs ${list(parts)}: not found. ` +
    `Install ${list(titles)}, or name the folder of these libraries in LD_LIBRARY_PATH.`
  );
}

/** The missing libraries by product; a library that is present may tell the version. */
function productsOf(
  missing: readonly string[],
  needed: readonly string[],
): { title: string; libraries: string[] }[] {
  const rest = new Set(missing);
  return products
    .map(({ name, libraries, version }) => {
      const own = [...rest].filter((library) => libraries.test(library)).sort();
      own.forEach((library) => rest.delete(library));
      const major = needed.flatMap((library) => version?.exec(library)?.[1] ?? [])[0];
      return { title: major === undefined ? name : `${name} ${major}`, libraries: own };
    })
    .filter(({ libraries }) => libraries.length > 0);
}

function list(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
