// The types of worldcast.js; copy both.

/** The `detail` of each event of a room. */
export interface RoomDetails {
  /** `recovered` is false when messages were missed that are lost. */
  open: { who: number; offset: number; recovered: boolean };
  /** With `text`, or with `bytes` instead; without `who` if it came over HTTP. */
  message: Message;
  join: { who: number };
  leave: { who: number };
  /** `wait` ms later the room is tried again; Infinity while paused. */
  lost: { code: number; wait: number };
  /** It is over, by `close()` or because the server will not have us. */
  end: { code: number; reason: string };
}

export type Message = { offset: number; who?: number; time: string } & (
  | { text: string; bytes?: undefined }
  | { text?: undefined; bytes: Uint8Array }
);

/** Text, bytes, or an object that is published as JSON. */
export type Content = string | ArrayBufferLike | ArrayBufferView | object;

export interface RoomOptions {
  /** Number of the last messages to begin with; none by default. */
  last?: number;
  /** True to hear our own messages too, which is the default. */
  echo?: boolean;
}

type Listener<Name extends keyof RoomDetails> =
  | ((this: Room, event: CustomEvent<RoomDetails[Name]>) => void)
  | { handleEvent(event: CustomEvent<RoomDetails[Name]>): void };

/** A room of a worldcast server, which comes back when its connection is lost and then hears what it missed. */
export class Room extends EventTarget {
  /** `url` may be relative to the page, and begin with http as well as with ws. */
  constructor(url: string | URL, options?: RoomOptions);

  /** Our name for the others; undefined before the first `open`. */
  get who(): number | undefined;

  get isOpen(): boolean;

  /**
   * Before the first `open` it waits, within bounds. Rejects with a TypeError for what is no content, and with an Error,
   * which has the server's `code` where the server refuses, when it did not go or no answer came.
   */
  say(content: Content): Promise<{ offset: number }>;

  /** `who` only where the room tells presence. */
  presence(): Promise<{ clients: number; who?: number[] }>;

  /** Lets go of the connection and keeps the place. */
  pause(): void;

  /** Comes back now: after `pause()`, or instead of waiting on. */
  resume(): void;

  /** Leaves for good. */
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
