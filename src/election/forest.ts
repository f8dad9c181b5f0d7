/**
 * Rooted trees over voters and targets that grow by one edge at a time. A node points to its parent; who is whose parent
 * decides which cycle an edge closes, so it is part of the result of `reduce_all` of `sp-npos-elections`.
 */

const NONE = -1;

/** The node of an id as a voter. */
export function voterNode(id: number): number {
  return id * 2;
}

/** The node of an id as a target. */
export function targetNode(id: number): number {
  return id * 2 + 1;
}

/** The id of a node. */
export function idOf(node: number): number {
  return node >> 1;
}

/** Whether a node is a voter. */
export function isVoter(node: number): boolean {
  return node % 2 === 0;
}

/** Trees over the nodes of `ids` ids, none of which is planted yet. */
export class Forest {
  readonly #parents: Int32Array;
  readonly #planted: Uint8Array;
  /** The number of the walk in which a node was last met. */
  readonly #met: Uint32Array;
  #walk = 0;

  constructor(ids: number) {
    this.#parents = new Int32Array(ids * 2).fill(NONE);
    this.#planted = new Uint8Array(ids * 2);
    this.#met = new Uint32Array(ids * 2);
  }

  /**
   * Plants what is not planted yet of an edge's two ends, as a child of the other end.
   * @returns false when both stood already, and nothing is changed.
   */
  plant(voter: number, target: number): boolean {
    const [voterStood, targetStood] = [this.#planted[voter] === 1, this.#planted[target] === 1];
    if (voterStood && targetStood) return false;
    this.#planted[voter] = 1;
    this.#planted[target] = 1;
    if (targetStood) this.#parents[voter] = target;
    else this.#parents[target] = voter;
    return true;
  }

  /** The nodes from this one to its root, both included; ends before a node that would come again. */
  pathToRoot(node: number): number[] {
    this.#walk++;
    const path: number[] = [];
    for (let at = node; at !== NONE && this.#met[at] !== this.#walk; at = this.#parents[at]!) {
      this.#met[at] = this.#walk;
      path.push(at);
    }
    return path;
  }

  /** Joins two trees by an edge between the ends of these paths; the one with the shorter path becomes a branch. */
  merge(voterPath: readonly number[], targetPath: readonly number[]): void {
    const voterIsShorter = voterPath.length <= targetPath.length;
    const [shorter, longer] = voterIsShorter ? [voterPath, targetPath] : [targetPath, voterPath];
    this.turn(shorter, shorter.length - 1);
    this.#parents[shorter[0]!] = longer[0]!;
  }

  /** Turns the first `edges` edges of a path round: each node becomes the parent of the next. */
  turn(path: readonly number[], edges: number): void {
    for (let at = 0; at < edges; at++) this.#parents[path[at + 1]!] = path[at]!;
  }

  /** Makes one node the child of another. */
  attach(child: number, parent: number): void {
    this.#parents[child] = parent;
  }

  /** Cuts the edge between two nodes, if it is one of the forest. */
  cut(a: number, b: number): void {
    if (this.#parents[a] === b) this.#parents[a] = NONE;
    else if (this.#parents[b] === a) this.#parents[b] = NONE;
  }
}
