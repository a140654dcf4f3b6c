// The types of worldcast.js; copy both.

/** A connection that has been open for so many ms is steady: its loss counts as the first of a row. */
export const STEADY_AFTER: number;

/** Close codes with their names. `comeBack` is false where the next attempt would end the same way. */
export const CLOSE_CODES: Readonly<Record<number, { name: string; comeBack: boolean }>>;

/** True if a client whose connection was closed with `code` may come back, after a pause. */
export function comesBackAfter(code: number): boolean;

/** The pauses between attempts to connect: each up to twice as long as the last, until a connection was steady. */
export class Backoff {
  /** `first` is the longest first pause, in ms; 500 by default. */
  constructor(first?: number);

  /** A connection is open. */
  opened(): void;

  /** The connection, or an attempt, has ended. */
  ended(): void;

  /** The pause before the next attempt, in ms. */
  next(): number;

  /** A pause as after a first loss, in ms, which counts for nothing. */
  short(): number;
}

/** The `detail` of each event of a room. */
export interface RoomDetails {
  /** `recovered` is false if missed messages are no longer in the history. */
  open: { who: string; offset: number; recovered: boolean };
  /** With `text`, or with `bytes` instead; without `who` if it was published over HTTP. */
  message: Message;
  join: { who: string };
  leave: { who: string };
  /**
   * The server has lost messages after the offset `kept`. Those that this room has received or published no longer
   * exist, and other messages with the same offsets may follow; others cannot be delivered.
   */
  historyLost: { kept: number };
  /** The next attempt is `wait` ms later; Infinity while paused. */
  lost: { code: number; wait: number };
  /** The room is closed, by `close()` or by a code that forbids coming back. */
  end: { code: number; reason: string };
}

export type Message = { offset: number; who?: string; time: string } & (
  | { text: string; bytes?: undefined }
  | { text?: undefined; bytes: Uint8Array }
);

/** Text, bytes, or an object that is published as JSON. */
export type Content = string | ArrayBufferLike | ArrayBufferView | object;

export interface RoomOptions {
  /** Number of the last messages to begin with; none by default. */
  last?: number;
  /** True to receive our own messages too, which is the default. */
  echo?: boolean;
}

type Listener<Name extends keyof RoomDetails> =
  | ((this: Room, event: CustomEvent<RoomDetails[Name]>) => void)
  | { handleEvent(event: CustomEvent<RoomDetails[Name]>): void };

/** A room of a worldcast server. It reconnects after its connection is lost, and then receives the messages it missed. */
export class Room extends EventTarget {
  /** `url` may be relative to the page, and begin with http as well as with ws. */
  constructor(url: string | URL, options?: RoomOptions);

  /** Our name for the others; undefined before the first `open`. */
  get who(): string | undefined;

  get isOpen(): boolean;

  /**
   * Publishes. Before the first `open` a call waits, within bounds. Rejects with a TypeError for
   * other content, and with an Error if the message was not sent or no answer came; it has the
   * server's `code` if the server refused. With the code `backplane` the server could not confirm
   * the message, which may still be published.
   */
  publish(content: Content): Promise<{ offset: number }>;

  /** `who` only in rooms with presence. */
  presence(): Promise<{ clients: number; who?: string[] }>;

  /** Closes the connection and keeps the position. */
  pause(): void;

  /** Connects now: after `pause()`, or instead of waiting for the next attempt. */
  resume(): void;

  /** Leaves the room, and does not come back. */
  close(): void;

  addEventListener<Name extends keyof RoomDetails>(
    type: Name,
    listener: Listener<Name> | null,
    options?: AddEventListenerOptions | boolean,
  ): void;

  removeEventListener<Name extends keyof RoomDetails>(
    type: Name,
    listener: Listener<Name> | null,
    options?: EventListenerOptions | boolean,
  ): void;
}
