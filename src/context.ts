/**
 * Every context string of the project, in one place: what a hash, a derivation or a seal is for is part of its input,
 * so that no output of one use can be taken for that of another.
 *
 * They are ASCII and prefix-free (a test holds that), because what follows a context string is not always delimited.
 * A string that ever was released keeps its meaning for ever; what changes gets a new one.
 */
export const CONTEXT = Object.freeze({
  /** SHA-256 of a contract's kind and native name: contract-id.ts. */
  contractId: "gatekeeper/v1 contract id",
  /** Domain separation tags of the hash to a group, which RFC 9380 §3.1 wants to name its suite: contract-key.ts. */
  contractPoint: "gatekeeper/v1 contract point with secp256k1_XMD:SHA-256_SSWU_RO_",
  contractPointRistretto255: "gatekeeper/v1 contract point with ristretto255_XMD:SHA-512_R255MAP_RO_",
  /** HKDF info of the key that a contract's states are sealed under: contract-key.ts. */
  contractKey: "gatekeeper/v1 contract key",
  /** HKDF info of the key that users encrypt commands to a contract with: contract-ecdh-key.ts. */
  contractEcdhKey: "gatekeeper/v1 contract EcdhKey",
  /** HKDF info of the key that a command to a contract is encrypted under: sealed-command.ts. */
  sealedCommandKey: "gatekeeper/v1 key of a sealed command",
  /** HKDF info of the key that its answer is encrypted under: sealed-command.ts. */
  sealedAnswerKey: "gatekeeper/v1 key of a sealed answer",
  /** What a gatekeeper's proof for a batch of partials is about: partial-proof.ts. */
  dleqTranscript: "gatekeeper/v1 dleq transcript",
  /** The weights that fold the batch of such a proof into one statement: partial-proof.ts. */
  dleqWeights: "gatekeeper/v1 dleq weights",
  /** Domain separation tag of such a proof's challenge: partial-proof.ts. */
  dleqChallenge: "gatekeeper/v1 dleq challenge",
  /** HKDF info of such a proof's nonce: partial-proof.ts. */
  dleqNonce: "gatekeeper/v1 dleq nonce",
  /** Domain separation tag of the challenge of a proof of possession, and HKDF info of its nonce: possession.ts. */
  possessionChallenge: "gatekeeper/v1 possession challenge",
  possessionNonce: "gatekeeper/v1 possession nonce",
  /** What a receiver's proof of possession of its dealing key is about: dealing.ts. */
  dealingKeyPossession: "gatekeeper/v1 possession of a dealing key",
  /** A dealing's terms, dealer and commitments in one hash: dealing.ts. */
  dealing: "gatekeeper/v1 dealing",
  /** What a dealer's proofs of possession are about: dealing.ts. */
  constantPossession: "gatekeeper/v1 possession of a constant term",
  ephemeralPossession: "gatekeeper/v1 possession of an ephemeral key",
  /** HKDF info of the key that a sub-share is encrypted under: sub-share.ts. */
  subShareKey: "gatekeeper/v1 key of a sub-share",
  /** What the proof of a complaint is about, its challenge and its nonce: complaint.ts. */
  complaintTranscript: "gatekeeper/v1 complaint transcript",
  complaintChallenge: "gatekeeper/v1 complaint challenge",
  complaintNonce: "gatekeeper/v1 complaint nonce",
  /** The id, no contract's, of a trial partial: trial-partial.ts. */
  trialId: "gatekeeper/v1 id of a trial partial",
  /** What a page statement is a hash of begins with it: engine/page-statement.ts. */
  pageStatement: "gatekeeper/v1 page statement",
  /** Digest of all pages that a pRuntime has replaced in a partition: rotation/receipt.ts. */
  partitionDigest: "gatekeeper/v1 partition digest",
  /** Digest of all pages that a pRuntime has written in a copy of a partition: rotation/copy-leased.ts. */
  copyDigest: "gatekeeper/v1 digest of a copy",
  /** Names a record that was put aside: rotation/quarantine.ts. */
  quarantine: "gatekeeper/v1 quarantined record",
  /** Sealing of a MasterKey generation in a home: pruntime/master-key-files.ts. */
  sealMasterKey: "gatekeeper/v1 seal: MasterKey",
  /** Sealing of what a pRuntime of a network keeps: pruntime/enclave-files.ts. */
  sealIdentityKey: "gatekeeper/v1 seal: IdentityKey",
  sealEcdhKeys: "gatekeeper/v1 seal: EcdhKeys",
  sealShares: "gatekeeper/v1 seal: shares",
  sealProgress: "gatekeeper/v1 seal: progress",
  /** Path of the key that a dstack app seals under, and HKDF info of what is made of it: pruntime/dstack-sealer.ts. */
  dstackSealingKey: "gatekeeper/v1 dstack sealing key",
  /** A key file, or its export, under a passphrase: pruntime/protected-key.ts. */
  exportKeyFile: "gatekeeper/v1 export: key file",
  /** What a pRuntime signs to send a message to another one: pruntime/sealed-message.ts. */
  sealedMessage: "gatekeeper/v1 sealed message",
  /** HKDF info of the key that such a message is encrypted under: pruntime/sealed-message.ts. */
  sealedMessageKey: "gatekeeper/v1 key of a sealed message",
  /** HMAC-SHA-256 of a user's key, by which its value is stored: pruntime/key-value-contract.ts. */
  keyValueName: "gatekeeper/v1 name of a key-value state",
  /** What a chain begins with: protocol/genesis.ts. */
  genesis: "gatekeeper/v1 genesis",
  /** All that a ledger knows: protocol/state-codec.ts. */
  ledgerState: "gatekeeper/v1 ledger state",
  /** What an account or IdentityKey signs to send a message: protocol/message.ts. */
  message: "gatekeeper/v1 message",
  /** What an IdentityKey signs to be registered by its operator: protocol/message.ts. */
  workerRegistration: "gatekeeper/v1 worker registration",
  /** What a gatekeeper signs when it gives partials: protocol/partials-evidence.ts. */
  statedPartials: "gatekeeper/v1 stated partials",
  /** The id of a key session: protocol/key-session-phases.ts. */
  keySession: "gatekeeper/v1 key session",
  /** A block's header, which its authority signs: protocol/block.ts. */
  block: "gatekeeper/v1 block header",
  /** The messages of a block: protocol/block.ts. */
  blockMessages: "gatekeeper/v1 block messages",
  /** What a quote vouches for in its report data: protocol/attestation.ts. */
  reportData: "gatekeeper/v1 report data",
  /** What an enclave is, in one hash: protocol/dcap-quote.ts. */
  measurement: "gatekeeper/v1 measurement",
  /** What a program without an enclave says that it is: pruntime/measurement.ts. */
  softwareMeasurement: "gatekeeper/v1 software measurement",
} as const);
