/** Runs in a SharedWorker: browsers keep six connections to a node that speaks HTTP/1.1, for all tabs together. */

import { api } from "../api/client";
import { Hub } from "./hub";
import type { FromPage } from "./messages";

const hub = new Hub(api);

// The types of a page's scope are loaded, and those of a worker's would contradict them.
const scope = globalThis as unknown as { onconnect: ((event: MessageEvent) => void) | null };

scope.onconnect = ({ ports: [port] }) => {
  if (port) port.onmessage = ({ data }: MessageEvent<FromPage>) => hub.receive(port, data);
};
