import { elementId, type ElementType } from './elementTypes';
import { Message, type SerializedMessage } from './protobuf';

const attributeType = { float: 1, int: 2, text: 3, ints: 7 } as const;

/** An integer, a text, a list of integers, or a number that is a float even when it is whole. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** Values that lie in a file, which ONNX Runtime reads itself. */
export interface ExternalData {
  /** File name inside the folder that the session is told. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** ONNX Runtime's own operators. */
const contribDomain = 'com.microsoft';

/** A dimension: its size, or the name of one that each run decides. */
export type Dimension = number | string;

/** Name of a value inside a graph. */
export type Value = string;

/** A node of a graph. */
export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly domain?: 'contrib' | undefined;
  /** For tools that address nodes by name. */
  readonly name?: string | undefined;
}

/**
 * An ONNX graph of float32 values under construction: opset 21, whose kernels exist on CPU, CUDA and WebGPU alike.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
export class GraphBuilder {
  private readonly added: GraphNode[] = [];
  private readonly shapes = new Map<Value, readonly Dimension[]>();
  private readonly integers = new Map<Value, readonly number[]>();
  private readonly initializers: Message[] = [];
  private readonly inputs: Message[] = [];
  private readonly outputs: Message[] = [];
  private readonly constants = new Map<string, Value>();
  private readonly texts = new Map<string, string>();
  private count = 0;

  /** @param name tells what the graph computes. */
  constructor(private readonly name: string) {}

  /** All nodes so far, each after those whose outputs it takes. */
  get nodes(): readonly GraphNode[] {
    return this.added;
  }

  /** The shape of an input or a tensor; undefined for outputs of nodes. */
  shapeOf(value: Value): readonly Dimension[] | undefined {
    return this.shapes.get(value);
  }

  /** What `ints` made a constant of. */
  integersOf(value: Value): readonly number[] | undefined {
    return this.integers.get(value);
  }

  input(name: string, shape: readonly Dimension[], type: ElementType = 'F32'): Value {
    this.shapes.set(name, shape);
    this.inputs.push(valueInfo(name, shape, type));
    return name;
  }

  /** Makes a value an output under the given name. */
  output(name: string, value: Value, shape: readonly Dimension[]): void {
    this.added.push({ op: 'Identity', inputs: [value], outputs: [name], attributes: {} });
    this.outputs.push(valueInfo(name, shape));
  }

  /** States something about the model, which runtimes show and do not read. */
  metadata(key: string, text: string): void {
    this.texts.set(key, text);
  }

  /** A float32 scalar. */
  constant(value: number): Value {
    return this.initializer(`float ${value}`, 'F32', [], new Uint8Array(Float32Array.of(value).buffer));
  }

  floats(values: readonly number[]): Value {
    const raw = new Uint8Array(Float32Array.from(values).buffer);
    return this.initializer(`floats ${values.join()}`, 'F32', [values.length], raw);
  }

  ints(values: readonly number[]): Value {
    const raw = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    const value = this.initializer(`ints ${values.join()}`, 'I64', [values.length], raw);
    this.integers.set(value, values);
    return value;
  }

  /** A float32 table of any size, kept inside the graph. */
  table(name: string, dims: readonly number[], values: Float32Array): Value {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.tensor(name, 'F32', dims, raw);
  }

  /** A tensor under its own name, kept inside the graph. */
  tensor(name: string, type: ElementType, dims: readonly number[], raw: Uint8Array): Value {
    this.initializers.push(this.tensorProto(name, type, dims).bytes(9, raw));
    return name;
  }

  /** A tensor inside the graph whose `bytes` bytes are written later, where `serialize` says. */
  deferred(name: string, type: ElementType, dims: readonly number[], bytes: number): Value {
    this.initializers.push(this.tensorProto(name, type, dims).gap(9, name, bytes));
    return name;
  }

  /** A tensor whose values ONNX Runtime reads from a file. */
  external(
    name: string,
    type: ElementType,
    dims: readonly number[],
    { file, offset, bytes }: ExternalData,
  ): Value {
    const tensor = this.tensorProto(name, type, dims);
    for (const [key, value] of Object.entries({ location: file, offset, length: bytes }))
      tensor.message(13, new Message().text(1, key).text(2, String(value)));
    this.initializers.push(tensor.varint(14, 1));
    return name;
  }

  /** Adds a node and returns its output. */
  node(
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain?: 'contrib',
    /** For tools that address nodes by name. */
    name?: string,
  ): Value {
    return this.several(1, op, inputs, attributes, domain, name)[0]!;
  }

  /** Adds a node of so many outputs. */
  several(
    count: number,
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain?: 'contrib',
    name?: string,
  ): Value[] {
    const outputs = Array.from({ length: count }, () => `v${this.count++}`);
    this.added.push({ op, inputs, outputs, attributes, domain, name });
    return outputs;
  }

  /** The serialized ModelProto, of a graph without deferred tensors. */
  finish(): Uint8Array {
    return this.model().finish();
  }

  /** The serialized ModelProto around the values of its deferred tensors, which are told by their names. */
  serialize(): SerializedMessage {
    return this.model().serialize();
  }

  private model(): Message {
    const graph = new Message();
    for (const node of this.added) graph.message(1, nodeProto(node));
    graph.text(2, this.name);
    for (const item of this.initializers) graph.message(5, item);
    for (const item of this.inputs) graph.message(11, item);
    for (const item of this.outputs) graph.message(12, item);
    const model = new Message().varint(1, 10).text(2, 'quantscope').message(7, graph);
    model.message(8, new Message().text(1, '').varint(2, 21));
    if (this.added.some(({ domain }) => domain === 'contrib'))
      model.message(8, new Message().text(1, contribDomain).varint(2, 1));
    for (const [key, text] of this.texts) model.message(14, new Message().text(1, key).text(2, text));
    return model;
  }

  private initializer(key: string, type: ElementType, dims: readonly number[], raw: Uint8Array): Value {
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const name = `c${this.constants.size}`;
    this.initializers.push(this.tensorProto(name, type, dims).bytes(9, raw));
    this.constants.set(key, name);
    return name;
  }

  private tensorProto(name: string, type: ElementType, dims: readonly number[]): Message {
    this.shapes.set(name, dims);
    const tensor = new Message();
    for (const size of dims) tensor.varint(1, size);
    return tensor.varint(2, elementId(type)).text(8, name);
  }
}

function nodeProto({ op, inputs, outputs, attributes, domain, name }: GraphNode): Message {
  const node = new Message();
  for (const input of inputs) node.text(1, input);
  for (const output of outputs) node.text(2, output);
  if (name !== undefined) node.text(3, name);
  node.text(4, op);
  for (const [key, value] of Object.entries(attributes)) node.message(5, attribute(key, value));
  return domain === undefined ? node : node.text(7, contribDomain);
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'string') return message.text(4, value).varint(20, attributeType.text);
  if (typeof value === 'number') return message.varint(3, value).varint(20, attributeType.int);
  if ('float' in value) return message.float(2, value.float).varint(20, attributeType.float);
  for (const item of value) message.varint(8, item);
  return message.varint(20, attributeType.ints);
}

function valueInfo(name: string, shape: readonly Dimension[], type: ElementType = 'F32'): Message {
  const dims = new Message();
  for (const size of shape) {
    dims.message(1, typeof size === 'number' ? new Message().varint(1, size) : new Message().text(2, size));
  }
  const tensor = new Message().varint(1, elementId(type)).message(2, dims);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}
