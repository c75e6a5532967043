import { describe, expect, it } from 'vitest';
import { fakeQuantGraph } from '../../../src/graph/fakeQuant';
import { GraphBuilder } from '../../../src/graph/onnxWriter';
import { graphFormats } from '../../support/graphFormats';
import { decodeOnnx as decode } from '../../support/onnxProto';

const floatsOf = (bytes: Uint8Array): number[] => [...new Float32Array(Uint8Array.from(bytes).buffer)];
const intsOf = (bytes: Uint8Array): number[] =>
  [...new BigInt64Array(Uint8Array.from(bytes).buffer)].map(Number);

describe('GraphBuilder', () => {
  it('writes a model that the ONNX field numbers read back', () => {
    const builder = new GraphBuilder('test');
    const x = builder.input('x', ['rows', 300]);
    const sum = builder.node('Add', [x, builder.constant(0.5)]);
    const padded = builder.node('Pad', [sum, builder.ints([0, 0, 0, -1])], { mode: 'edge', axis: -1 });
    builder.output('y', padded, ['rows', 299]);
    const { irVersion, opsetImport, graph } = decode(builder.finish());

    expect({ irVersion, opsetImport }).toEqual({ irVersion: 10, opsetImport: [{ domain: '', version: 21 }] });
    expect(graph.node.map((node) => [node.opType, node.input, node.output])).toEqual([
      ['Add', ['x', 'c0'], ['v0']],
      ['Pad', ['v0', 'c1'], ['v1']],
      ['Identity', ['v1'], ['y']],
    ]);
    expect(graph.node[1]!.attribute).toMatchObject([
      { name: 'mode', s: Buffer.from('edge'), type: 3 },
      { name: 'axis', i: -1, type: 2 },
    ]);
    expect(graph.initializer.map(({ name, dims, dataType }) => ({ name, dims, dataType }))).toEqual([
      { name: 'c0', dims: [], dataType: 1 },
      { name: 'c1', dims: [4], dataType: 7 },
    ]);
    expect(floatsOf(graph.initializer[0]!.rawData)).toEqual([0.5]);
    expect(intsOf(graph.initializer[1]!.rawData)).toEqual([0, 0, 0, -1]);
    expect(graph.input).toMatchObject([
      {
        name: 'x',
        type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'rows' }, { dimValue: 300 }] } } },
      },
    ]);
    expect(graph.output.map((output) => output.name)).toEqual(['y']);
  });

  it('stores equal constants once', () => {
    const builder = new GraphBuilder('test');
    expect(builder.constant(2)).toBe(builder.constant(2));
    expect(builder.constant(2)).not.toBe(builder.floats([2]));
  });
});

describe('fakeQuantGraph', () => {
  /** Operators without a float32 kernel on WebGPU, or with one that gives other numbers. */
  const unportable = new Set(['Round', 'Cast', 'Sign', 'QuantizeLinear', 'DequantizeLinear', 'Clip']);
  /** WebGPU promises this many storage buffers to a shader. */
  const storageBuffers = 8;

  it.each(graphFormats.map(({ format, scheme }) => [format.id, scheme] as const))(
    'builds %s of portable operators with few buffers each',
    (_, scheme) => {
      for (const columns of [512, 768]) {
        const { graph } = decode(fakeQuantGraph(scheme, columns));
        for (const { opType, input, output } of graph.node) {
          expect(unportable.has(opType), opType).toBe(false);
          expect(input.length + output.length).toBeLessThanOrEqual(storageBuffers);
        }
        expect(graph.output.map(({ name }) => name)).toEqual(['source', 'decoded', 'error', 'largest']);
      }
    },
  );

  it.each(graphFormats.map(({ format, scheme }) => [format.id, scheme] as const))(
    'keeps %s small: the time to make a session grows with the square of the nodes',
    (_, scheme) => {
      expect(decode(fakeQuantGraph(scheme, 512)).graph.node.length).toBeLessThan(1200);
    },
  );
});
