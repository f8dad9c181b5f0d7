/**
 * Gatekeeper as a library: seal, open, verify and above all re-encrypt batches of records under your keys; rotate the
 * MasterKey of a store that keeps the store contract: the embedded one, or your own; derive contract keys from shares of a
 * MasterKey that nobody has; hold elections; replay, make and follow the chain that elects gatekeepers.
 */
export { createAccountKey, generateAccountKey, readAccountKey } from "./chain/account-key.ts";
export { EmbeddedChain, type Refused, type Snapshot, type Waiting } from "./chain/embedded.ts";
export { catchUp, openReplica } from "./chain/follow.ts";
export { parseGenesis } from "./chain/genesis-file.ts";
export { type Produced, Producer } from "./chain/producer.ts";
export { type Sent, sendCall } from "./chain/send.ts";
export { type ElectionInput, type ElectionResult, elect } from "./election/election.ts";
export {
  BATCH_BYTES_MAX,
  BATCH_KEYS_MAX,
  BATCH_RECORDS_MAX,
  type Batch,
  type BatchRecord,
  BatchTable,
  boxBytes,
} from "./engine/batch.ts";
export { Engine, type EngineOptions } from "./engine/engine.ts";
export { type Paths, WASM_ONLY } from "./engine/paths.ts";
export { type BatchResult, EnginePool, type EnginePoolOptions } from "./engine/pool.ts";
export { RecordStatus } from "./engine/rows.ts";
export type { Suite } from "./engine/suite.ts";
export { POINT_BYTES, type PointForm, type Points, Secp256k1 } from "./engine/secp256k1.ts";
export { type ErrorCode, type ErrorDetail, GatekeeperError, type WireError } from "./errors.ts";
export { combinePartials } from "./keys/combination.ts";
export { CONTRACT_KIND, type ContractKind, contractId, deployedName } from "./contract-id.ts";
export { contractKeyInfo, expandContractKey, prfOutputs } from "./keys/contract-key.ts";
export { type HashedContracts, hashContracts } from "./keys/contract-points.ts";
export type { Combination, Group, KeySuite } from "./keys/group.ts";
export { MasterKey, generateMasterKey } from "./keys/master-key.ts";
export {
  type PartialReply,
  type SortedReplies,
  type VerifiedPartials,
  evaluatePartials,
  sortReplies,
} from "./keys/partial.ts";
export type { PartialRequest } from "./keys/partial-request.ts";
export { RISTRETTO255_GROUP } from "./keys/ristretto255-group.ts";
export { Secp256k1Group } from "./keys/secp256k1-group.ts";
export { type DealtShares, Share, type Threshold, dealShares, verificationShare, verifyShare } from "./keys/shamir.ts";
export {
  type ContractEdit,
  ContractStates,
  type ContractStatesOptions,
  type StateEdit,
} from "./pruntime/contract-states.ts";
export { ContractWorker, type ContractWorkerOptions, type OpenedCommand } from "./pruntime/contract-worker.ts";
export { ProvisionedKeys } from "./pruntime/provisioned-keys.ts";
export {
  COMMAND_BYTES_MAX,
  type CommandRecipient,
  type OpeningKey,
  newReplyKey,
  openAnswer,
  sealAnswer,
  sealCommand,
} from "./keys/sealed-command.ts";
export type { WriteResult } from "./pruntime/boundary.ts";
export { type AccountId, type PublicKey, accountOf } from "./protocol/account.ts";
export { type LedgerBlock, apply } from "./protocol/apply.ts";
export { type AuthenticMessage, Authenticator, type Unreadable } from "./protocol/authenticate.ts";
export { type Block, type Header, decodeBlock, encodeBlock, hashHeader } from "./protocol/block.ts";
export type { Action, Call, Evidence, Payee, Registration, ValidatorPrefs } from "./protocol/call.ts";
export type { Effect, FailureReason, Happening, RefusalReason } from "./protocol/effect.ts";
export { type Genesis, decodeGenesis, encodeGenesis, hashGenesis } from "./protocol/genesis.ts";
export { Ledger } from "./protocol/ledger.ts";
export type { Migration } from "./protocol/migration.ts";
export {
  type Signer,
  accountSigner,
  publicKeyOf,
  readMessage,
  signMessage,
  signRegistration,
} from "./protocol/message.ts";
export { type Applied, Replica } from "./protocol/replica.ts";
export type { State } from "./protocol/state.ts";
export { initialiseStore } from "./rotation/control.ts";
export {
  type RotationOptions,
  type RotationProgress,
  type RotationSummary,
  finishRotation,
  rotate,
} from "./rotation/rotation.ts";
export { type VerificationOptions, type VerificationSummary, verifyStore } from "./rotation/verification.ts";
export { Secret } from "./secret.ts";
export { EMBEDDED_STORE, openStoreAt } from "./store/location.ts";
export type {
  Cell,
  CellExpectation,
  CellWrite,
  Commit,
  CommitResult,
  ContractEntry,
  ContractName,
  Keep,
  KeptPage,
  KeptRef,
  KeptStatement,
  Page,
  PageRange,
  PageRef,
  PageWrite,
  RotationCount,
  StateStore,
  StoreLocation,
  StoreModule,
} from "./store/store.ts";
