// Who waits for something to happen is told when it is durable: that there is something new, never what.

export interface Bell {
  ring(topic: string): void;
  /** @returns what stops the listening */
  listen(topic: string, heard: () => void): () => void;
}

/** Topics: `actuator <name>`, `incident <seq>`, `unsettled`, `policy`. A listener MUST NOT throw. */
export function createBell(): Bell {
  const listeners = new Map<string, Set<() => void>>();
  return {
    ring(topic) {
      for (const heard of [...(listeners.get(topic) ?? [])]) heard();
    },
    listen(topic, heard) {
      const those = listeners.get(topic) ?? new Set();
      listeners.set(topic, those.add(heard));
      return () => {
        those.delete(heard);
        if (those.size === 0 && listeners.get(topic) === those) listeners.delete(topic);
      };
    },
  };
}
