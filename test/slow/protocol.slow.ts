/** The ledger's properties and models again, twenty times as often (`runs` in test/protocol/network.ts). */
import "../protocol/conservation.test.ts";
import "../protocol/merkle-map.test.ts";
import "../protocol/rotation-life.test.ts";
import "../protocol/scale.test.ts";
import "../protocol/slashing-model.test.ts";
import "../protocol/staking-ledger.test.ts";
import "../protocol/staking-model.test.ts";
