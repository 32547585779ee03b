/**
 * Detection on the server. Cameras use one WebSocket: pictures out, reports in, one under way at a time. Single pictures, which may
 * be larger, and cameras where nothing lets WebSockets pass, are sent as requests.
 */
import { ask, json, Refused, Unreachable, type Report } from "../api";
import type { Detector, Seen, View } from "./detector";

type Timed = Report & { timing_ms: Record<string, number> };

/** What `/v1/stream` answers to a picture. */
type Answer =
  | { frame: number; report: Timed }
  | { frame: number; problem: { status: number; type: string; detail: string } };

/** A picture that is not answered by then is given up with its connection. */
const LIMIT_MS = 30_000;

interface Waiting {
  resolve(report: Timed): void;
  reject(error: Error): void;
}

export class ServerDetector implements Detector {
  #socket: WebSocket | null = null;
  #waiting: Waiting | null = null;
  #isClosed = false;
  /** No WebSocket could be opened. */
  #isPlain = false;

  constructor(readonly model: string) {}

  async look(view: View): Promise<Seen> {
    const picture = await view.file();
    const begun = performance.now();
    const report = await this.#report(picture, view.isLive && !this.#isPlain);
    return { report, latency: performance.now() - begun, phases: report.timing_ms };
  }

  close(): void {
    this.#isClosed = true;
    // One that is still being opened closes itself when it is open.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.close();
    this.#waiting?.reject(new Unreachable("detection has ended"));
  }

  async #report(picture: Blob, isStreamed: boolean): Promise<Timed> {
    if (!isStreamed) return await this.#post(picture);
    const socket = await this.#connected();
    if (socket === null) return await this.#post(picture);
    return await this.#send(socket, picture);
  }

  async #post(body: Blob): Promise<Timed> {
    const path = `/v1/detect?model=${encodeURIComponent(this.model)}`;
    const signal = AbortSignal.timeout(LIMIT_MS);
    return await json<Timed>(await ask(path, { method: "POST", body, signal }));
  }

  async #send(socket: WebSocket, picture: Blob): Promise<Timed> {
    if (this.#isClosed || socket.readyState !== WebSocket.OPEN) throw new Unreachable("the connection is closed");
    const answer = new Promise<Timed>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    const timer = setTimeout(() => {
      this.#waiting?.reject(new Unreachable("no answer came"));
      socket.close();
    }, LIMIT_MS);
    socket.send(picture);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      this.#waiting = null;
    }
  }

  /** An open connection; null where none can be opened although the server is there. */
  async #connected(): Promise<WebSocket | null> {
    if (this.#socket?.readyState === WebSocket.OPEN) return this.#socket;
    const socket = new WebSocket(this.#address());
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#answered(JSON.parse(String(data)) as Answer);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onclose = () => {
        resolve(false);
        this.#waiting?.reject(new Unreachable("the connection was lost"));
      };
    });
    if (this.#isClosed) {
      socket.close();
      throw new Unreachable("detection has ended");
    }
    if (isOpen) return socket;
    // A request tells why.
    this.#isPlain = true;
    return null;
  }

  #address(): URL {
    const address = new URL("/v1/stream", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.searchParams.set("model", this.model);
    return address;
  }

  #answered(answer: Answer): void {
    if ("report" in answer) {
      this.#waiting?.resolve(answer.report);
    } else {
      const { status, type, detail } = answer.problem;
      this.#waiting?.reject(new Refused(status, type.split(":").pop() ?? "", detail, answer.problem));
    }
  }
}
