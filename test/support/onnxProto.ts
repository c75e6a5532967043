import { parse } from 'protobufjs';

/** The messages of the ONNX specification that graphs here use, with their published field numbers. */
const { root } = parse(`
  syntax = "proto2";
  message ModelProto {
    optional int64 ir_version = 1; optional string producer_name = 2; optional GraphProto graph = 7; repeated OperatorSetId opset_import = 8;
    repeated Entry metadata_props = 14;
  }
  message OperatorSetId { optional string domain = 1; optional int64 version = 2; }
  message GraphProto {
    repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
  }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; optional string name = 3; optional string op_type = 4;
    repeated AttributeProto attribute = 5; optional string domain = 7;
  }
  message AttributeProto {
    optional string name = 1; optional float f = 2; optional int64 i = 3; optional bytes s = 4; repeated int64 ints = 8; optional int32 type = 20;
  }
  message TensorProto {
    repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8; optional bytes raw_data = 9;
    repeated Entry external_data = 13; optional int32 data_location = 14;
  }
  message Entry { optional string key = 1; optional string value = 2; }
  message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
  message TypeProto { optional TensorType tensor_type = 1; }
  message TensorType { optional int32 elem_type = 1; optional Shape shape = 2; }
  message Shape { repeated Dimension dim = 1; }
  message Dimension { optional int64 dim_value = 1; optional string dim_param = 2; }
`);
const modelProto = root.lookupType('ModelProto');

export interface OnnxTensorProto {
  readonly dims: number[];
  readonly dataType: number;
  readonly name: string;
  readonly rawData: Uint8Array;
  readonly externalData: { key: string; value: string }[];
}

export interface OnnxModelProto {
  readonly irVersion: number;
  readonly opsetImport: { domain: string; version: number }[];
  readonly metadataProps: { key: string; value: string }[];
  readonly graph: {
    readonly node: {
      input: string[];
      output: string[];
      name: string;
      opType: string;
      domain: string;
      attribute: { name: string; i: number; s: Uint8Array; type: number }[];
    }[];
    readonly initializer: OnnxTensorProto[];
    readonly input: unknown[];
    readonly output: { name: string }[];
  };
}

/** @throws Error when fields were dropped, because they have unknown numbers. */
export function decodeOnnx(bytes: Uint8Array): OnnxModelProto {
  const message = modelProto.decode(bytes);
  const length = modelProto.encode(message).finish().length;
  if (length !== bytes.length) throw new Error(`${bytes.length - length} bytes have unknown field numbers`);
  return modelProto.toObject(message, { longs: Number, defaults: true, arrays: true }) as OnnxModelProto;
}
