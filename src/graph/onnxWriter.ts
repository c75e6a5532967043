/** Field numbers of onnx.proto (ONNX IR version 10), as far as graphs here need them. */

/** Builds protobuf messages: varints, 32-bit floats and length-delimited fields. */
class Message {
  private readonly parts: Uint8Array[] = [];

  varint(field: number, value: number): this {
    return this.raw(encodeVarint(field * 8), encodeVarint(value));
  }
  float(field: number, value: number): this {
    return this.raw(encodeVarint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer));
  }
  bytes(field: number, value: Uint8Array): this {
    return this.raw(encodeVarint(field * 8 + 2), encodeVarint(value.length), value);
  }
  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }
  message(field: number, value: Message): this {
    return this.bytes(field, value.finish());
  }
  finish(): Uint8Array {
    return Buffer.concat(this.parts);
  }
  private raw(...parts: Uint8Array[]): this {
    this.parts.push(...parts);
    return this;
  }
}

/** Negative integers take ten bytes, as protobuf wants. */
function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const more = rest > 0x7fn;
    bytes.push(Number(rest & 0x7fn) | (more ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

const elementType = { float: 1, int64: 7 } as const;
const attributeType = { int: 2, text: 3 } as const;

/** A dimension: its size, or the name of one that each run decides. */
export type Dimension = number | string;

/** Name of a value inside a graph. */
export type Value = string;

/**
 * An ONNX graph of float32 values under construction: opset 21, whose kernels exist on CPU, CUDA and WebGPU alike.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
export class GraphBuilder {
  private readonly nodes: Message[] = [];
  private readonly initializers: Message[] = [];
  private readonly inputs: Message[] = [];
  private readonly outputs: Message[] = [];
  private readonly constants = new Map<string, Value>();
  private count = 0;

  input(name: string, shape: readonly Dimension[]): Value {
    this.inputs.push(valueInfo(name, shape));
    return name;
  }

  /** Makes a value an output under the given name. */
  output(name: string, value: Value, shape: readonly Dimension[]): void {
    this.nodes.push(new Message().text(1, value).text(2, name).text(4, 'Identity'));
    this.outputs.push(valueInfo(name, shape));
  }

  /** A float32 scalar. */
  constant(value: number): Value {
    return this.initializer(
      `float ${value}`,
      elementType.float,
      [],
      new Uint8Array(Float32Array.of(value).buffer),
    );
  }

  floats(values: readonly number[]): Value {
    const raw = new Uint8Array(Float32Array.from(values).buffer);
    return this.initializer(`floats ${values.join()}`, elementType.float, [values.length], raw);
  }

  ints(values: readonly number[]): Value {
    const raw = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    return this.initializer(`ints ${values.join()}`, elementType.int64, [values.length], raw);
  }

  /** Adds a node and returns its output. Attributes are integers or texts. */
  node(
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, number | string>> = {},
  ): Value {
    const output = `v${this.count++}`;
    const node = new Message();
    for (const input of inputs) node.text(1, input);
    node.text(2, output).text(4, op);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    this.nodes.push(node);
    return output;
  }

  /** The serialized ModelProto. */
  finish(): Uint8Array {
    const graph = new Message();
    for (const node of this.nodes) graph.message(1, node);
    graph.text(2, 'fake_quantization');
    for (const item of this.initializers) graph.message(5, item);
    for (const item of this.inputs) graph.message(11, item);
    for (const item of this.outputs) graph.message(12, item);
    const opset = new Message().text(1, '').varint(2, 21);
    return new Message().varint(1, 10).text(2, 'quantscope').message(7, graph).message(8, opset).finish();
  }

  private initializer(key: string, type: number, dims: readonly number[], raw: Uint8Array): Value {
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const name = `c${this.constants.size}`;
    const tensor = new Message();
    for (const size of dims) tensor.varint(1, size);
    this.initializers.push(tensor.varint(2, type).text(8, name).bytes(9, raw));
    this.constants.set(key, name);
    return name;
  }
}

function attribute(name: string, value: number | string): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'string') return message.text(4, value).varint(20, attributeType.text);
  return message.varint(3, value).varint(20, attributeType.int);
}

function valueInfo(name: string, shape: readonly Dimension[]): Message {
  const dims = new Message();
  for (const size of shape) {
    dims.message(1, typeof size === 'number' ? new Message().varint(1, size) : new Message().text(2, size));
  }
  const tensor = new Message().varint(1, elementType.float).message(2, dims);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}
