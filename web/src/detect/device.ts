/** Detection on this device: nothing leaves it. */
import type { Model } from "../api";
import type { Detector, Seen, View } from "./detector";
import type { Answer, Order } from "./worker";

/** The address of the worker, which the build fills in. */
declare const WORKER: string;

export class DeviceDetector implements Detector {
  readonly #worker = new Worker(WORKER, { type: "module" });
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | null = null;

  private constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#waiting?.resolve(data);
    this.#worker.onerror = ({ message }) => this.#waiting?.reject(new Error(message || "the worker cannot be loaded"));
  }

  /** Loads a network, once for many pictures; tells what computes it. */
  static async open(bytes: ArrayBuffer, model: Model): Promise<{ detector: DeviceDetector; backend: string }> {
    const detector = new DeviceDetector();
    try {
      const answer = await detector.#order({ kind: "open", bytes, model }, [bytes]);
      if (answer.kind !== "opened") throw new Error("the worker has answered something else");
      return { detector, backend: answer.backend };
    } catch (error) {
      detector.close();
      throw error;
    }
  }

  async look(view: View): Promise<Seen> {
    const picture = await view.pixels();
    const begun = performance.now();
    const answer = await this.#order({ kind: "look", picture }, [picture]);
    if (answer.kind !== "seen") throw new Error("the worker has answered something else");
    return { report: answer.report, latency: performance.now() - begun, phases: answer.phases };
  }

  close(): void {
    this.#worker.terminate();
    this.#waiting?.reject(new Error("detection has ended"));
    this.#waiting = null;
  }

  async #order(order: Order, given: Transferable[]): Promise<Answer> {
    const answering = new Promise<Answer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#worker.postMessage(order, given);
    });
    const answer = await answering.finally(() => (this.#waiting = null));
    if (answer.kind === "failed") throw new Error(answer.why);
    return answer;
  }
}
