/** The client of the dstack project itself, which the project's own is compared with. */
export { DstackClient } from "@phala/dstack-sdk";
