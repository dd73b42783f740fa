/** A page that follows the node by itself, where browsers have no shared workers: loaded only there. */

import type { Client } from "../api/client";
import { Follower } from "./follower";
import type { Receiver, Source } from "./source";

/** Follows the node in the page itself. A hidden page gives its connection back. */
export function ownSource(client: Client, receiver: Receiver): Source {
  let isOpen = true;
  const follower = new Follower(client, (update) => isOpen && receiver.update(update));
  follower.start();
  return {
    check: (number) =>
      void follower.check().then(() => {
        if (isOpen) receiver.all(follower.view, follower.time, number);
      }),
    want: () => undefined,
    shown: (isShown) => (isShown ? follower.start() : follower.stop("catching-up")),
    close: () => {
      isOpen = false;
      follower.stop();
    },
  };
}
