/** Caps on what a file may declare, each with its reason. A value is checked against the file's size as well. */

/** The reference implementation of safetensors rejects longer headers (bytes). */
export const maxSafetensorsHeader = 100_000_000;

/** Index and config files are read whole; the largest published index files are a few megabytes (bytes). */
export const maxJsonFile = 64 * 1024 * 1024;

/** Rules for the types of tensors are a line for each tensor at most (bytes). */
export const maxRulesFile = 64 * 1024 * 1024;

/** Tensors of one file. The largest published models have some tens of thousands. */
export const maxTensors = 1_000_000;

/** Key-values of one GGUF file; published files have fewer than a hundred. */
export const maxGgufKeys = 1_000_000;

/** A GGUF key or tensor name (bytes); the specification says 65535 for keys, 64 for tensor names in ggml. */
export const maxGgufName = 65_535;

/** A metadata string that is held in memory (bytes): chat templates and licences are below 1 MB. */
export const maxGgufString = 64 * 1024 * 1024;

/** Depth of arrays in arrays in GGUF metadata; no published file nests them. */
export const maxArrayDepth = 8;

/** Layers of a model, heads or experts of a layer; published models have at most some hundreds. */
export const maxParts = 65_536;

/** Tokens of a vocabulary; the largest published ones have some hundred thousand. */
export const maxTokens = 16_777_216;

/** Characters of a token in which merges are looked for; the longest published ones have some hundred. */
export const maxTokenCharacters = 4096;

/** Bytes of all pieces of a Unigram vocabulary together: the largest published ones have 2 MB; a node and a byte must fit in 31 bits. */
export const maxPieceBytes = 8_388_000;

/** Dimensions of a tensor: safetensors sets no limit, ggml allows 4. */
export const maxDimensions = 32;

/** Characters of a metadata value that are shown. */
export const maxShownCharacters = 400;

/** Elements of a metadata array that are shown. */
export const maxShownElements = 12;

/** Elements of a metadata array of numbers or flags that are held with the header: one for each layer of any model. */
export const maxHeldElements = 1_024;

/** Elements of a metadata array, and characters of a text, that one request for more gets: as many as a page can lay out at once. */
export const maxSliceElements = 1_000;
export const maxSliceCharacters = 100_000;

/** Bytes of one read while a header is walked. */
export const headerWindow = 256 * 1024;

/** Header of a GGUF file (bytes): vocabularies and templates make up some tens of megabytes. */
export const maxGgufHeader = 1024 * 1024 * 1024;

/** Alignment of GGUF data: a power of two, at most this. */
export const maxGgufAlignment = 1 << 20;

/** Entries of an importance matrix: one per linear layer. */
export const maxImatrixEntries = 1_000_000;

/** Name of the text that an importance matrix was computed from (bytes): a path. */
export const maxImatrixDataset = 65_535;

/** Parts of a split GGUF model: the format counts them in 16 bits. */
export const maxGgufParts = 65_535;

/** JSON that a server states facts in: an entry of NuGet's catalogue lists a package's files, a page of the Hub a thousand files, some hundred kilobytes (bytes). */
export const maxServedJson = 4 * 1024 * 1024;

/** Package with ONNX Runtime's CUDA libraries: some hundred megabytes (bytes). */
export const maxGpuPackage = 4 * 1024 * 1024 * 1024;

/** Redirections that a download follows. */
export const maxRedirects = 5;

/** Files of a folder on a server: the largest published models have some hundreds. */
export const maxListedFiles = 50_000;

/** Pages of the Hub's list of a folder: one has up to a thousand files, and a list that leads to itself has no end. */
export const maxListedPages = 500;

/** Shards of a model: the largest published ones have some hundreds. */
export const maxShards = 10_000;

/** Files of a folder whose first bytes are looked at where no name says which one is a model. */
export const maxSniffedFiles = 64;

/** Objects and lists inside each other in JSON: published files have less than a dozen; deeper ones exhaust the stack of recursive code. */
export const maxJsonDepth = 100;

/** Modules of an embedding model: the model, its pooling, dense layers, the normalization. */
export const maxSentenceModules = 64;

/** The pickle of a PyTorch file (bytes), which is read whole: a tensor takes some hundred bytes of it. */
export const maxPickle = 128 * 1024 * 1024;

/** Objects that a pickle makes, keeps for later use, or has on its stack at a time: a tensor takes six. */
export const maxPickleObjects = 4_000_000;

/** Bytes of an integer in a pickle; the magic number of PyTorch files has 10. */
export const maxPickleNumber = 1024;

/** A line of a text opcode of a pickle (bytes): a name or a number. */
export const maxPickleLine = 65_535;

/** Containers inside each other in a pickle; checkpoints of training runs have less than a dozen. */
export const maxPickleDepth = 100;

/** Characters of all names of tensors that are made of the keys of nested dictionaries; published models have some megabytes. */
export const maxNameCharacters = 256 * 1024 * 1024;

/** Classes and functions of a pickle that are listed as dangers, and calls of each: more help nobody. */
export const maxDangers = 1000;
export const maxDangerCalls = 8;

/** Directory of a ZIP archive (bytes): a storage takes about a hundred. */
export const maxZipDirectory = 128 * 1024 * 1024;

/** A list of digests (bytes): 44 for each of at most 262,144 chunks, and some hundred for each tensor. */
export const maxDigestsFile = 512 * 1024 * 1024;

/** Size of a chunk that a list of digests may state (bytes): one is held in memory. */
export const maxDigestChunk = 1024 * 1024 * 1024;
