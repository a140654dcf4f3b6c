//! permessage-deflate without memory between messages (RFC 7692 §7.2).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::cell::RefCell;

/// The offer of a client in its handshake.
pub const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// The tail that a flush leaves, and that the receiver adds again.
const FLUSHED: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

pub fn deflated(plain: &[u8]) -> Vec<u8> {
    thread_local!(static DEFLATER: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false)));
    DEFLATER.with_borrow_mut(|deflater| {
        deflater.reset();
        let mut small = Vec::with_capacity(plain.len() + plain.len() / 100 + 64);
        deflater.compress_vec(plain, &mut small, FlushCompress::Sync).expect("memory to memory");
        small.truncate(small.len() - FLUSHED.len());
        small
    })
}

/// The message that was compressed into `small`, of at most `most` bytes.
pub fn inflated(small: &[u8], most: usize) -> Result<Vec<u8>, &'static str> {
    thread_local!(static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false)));
    INFLATER.with_borrow_mut(|inflater| {
        inflater.reset(false);
        let mut plain = Vec::with_capacity(most + 1);
        let stream = [small, &FLUSHED].concat();
        let status = inflater.decompress_vec(&stream, &mut plain, FlushDecompress::Sync);
        match status {
            Ok(_) if inflater.total_in() == stream.len() as u64 && plain.len() <= most => Ok(plain),
            _ => Err("a compressed message that is no DEFLATE stream, or more than was ever published"),
        }
    })
}
