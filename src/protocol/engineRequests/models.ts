import type { BesideModel } from '../besideModel';
import type { ModelComparison, OtherModel, ThirdModel, ThreeWayComparison } from '../compare';
import type { DoctorParams, DoctorResult } from '../doctor';
import type { LocatedModel, MetadataSlice, MetadataSliceParams, ModelLimits, ModelRef } from '../model';
import type { ModelScan, ScanParams } from '../modelScan';
import type { NameMatch, NameQuery } from '../names';
import type { ModelIdentity } from '../overview';
import type { ProvenanceParams, ProvenanceResult } from '../provenance';
import type { ReportParams } from '../report';
import type { RunEstimate, RunEstimateParams } from '../runEstimate';
import type { ScaffoldedModel } from '../scaffold';
import type { StoredParams } from '../sensitivityRun';
import type { ChangeSpectra } from '../spectrum';
import type { PackedModel } from '../tensorTable';
import type { VerifyParams, VerifyResult } from '../verify';

/** What a model is, and what is found in it or nearby. */
export interface ModelRequests {
  'model/open': { params: ModelRef; result: PackedModel };
  /** What cannot be done with the model: a request of its own, because it looks at all names of a checkpoint. */
  'model/limits': { params: ModelRef; result: ModelLimits };
  /** What a model is, in numbers: from headers and its configuration. */
  'model/overview': { params: ModelRef; result: ModelIdentity };
  /** Memory and traffic of a model at run time, its weights in other formats. */
  'model/estimate': { params: RunEstimateParams; result: RunEstimate };
  /** What is known of a model, in Markdown. */
  'model/summary': { params: ReportParams; result: { text: string } };
  /** Part of a metadata value that the description shows cut. */
  'model/metadata': { params: MetadataSliceParams & ModelRef; result: MetadataSlice };
  /** The models that files and folders lead to, each once, in the order of the paths; a path that leads to none is left out. */
  'model/locate': { params: { paths: readonly string[] }; result: readonly LocatedModel[] };
  /**
   * What a name, a prefix or a pattern means in the models, those without a match left out, in the order of the paths; a model that cannot be
   * opened is left out. Headers are kept between requests.
   */
  'names/lookup': {
    params: { paths: readonly string[]; query: NameQuery };
    result: readonly NameMatch[];
  };
  /**
   * What was made from a model so far. `evaluationDir`: where evaluations are kept; `among`: files of other models that may have been
   * made from it, besides those in its folder.
   */
  'model/beside': {
    params: StoredParams & { evaluationDir: string; among: readonly string[] };
    result: BesideModel;
  };
  /** A start of a description of a checkpoint's architecture. */
  'model/scaffold': { params: ModelRef; result: ScaffoldedModel };
  /** Figures of every tensor of a model; its progress counts bytes. What an earlier run finished is not computed again. */
  'model/scan': { params: ScanParams; result: ModelScan };
  /** What runs have finished of it by now. */
  'model/scanned': { params: ScanParams; result: ModelScan };
  /** Looks for faults of a model, and repairs files of settings where it is asked to. */
  'model/doctor': { params: DoctorParams; result: DoctorResult };
  /** The same without reading weights, as a short request. */
  'model/doctorHeaders': { params: DoctorParams; result: DoctorResult };
  /** Checks the files of a model against the digests that were written with them. */
  'model/verify': { params: VerifyParams; result: VerifyResult };
  /** Encodes the source of a GGUF file again and compares the file with it, tensor by tensor; adapters are merged into the source. */
  'model/verifySource': { params: ProvenanceParams; result: ProvenanceResult };
  /** The same of sizes and headers only: reads no weights. */
  'model/verifyHeaders': { params: ModelRef; result: VerifyResult };
  /** Two models tensor by tensor, the worst first. */
  'model/compare': { params: ModelRef & OtherModel; result: ModelComparison };
  /** Two models against a third, the model: which of them is closer to it, tensor by tensor. */
  'model/compareThree': { params: ModelRef & OtherModel & ThirdModel; result: ThreeWayComparison };
  /** Singular values of the change of all matrices that differ between two models. */
  'model/spectra': { params: ModelRef & OtherModel; result: ChangeSpectra };
}
